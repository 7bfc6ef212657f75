"""The next prompt of an enforced session: ask, and wait for it."""

from __future__ import annotations

import json
from typing import Any, Never
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from inspector.api.auth import session_for
from inspector.api.errors import ApiError, not_found
from inspector.api.events import refusals
from inspector.api.waiting import watching
from inspector.schemas import MAX_ID, MAX_WAIT_MS, PromptIn, PromptPending
from memory import store
from memory.core.types import Mode
from memory.store.rows import NewEvent, PromptRow, SessionRow

router = Router(tags=["prompts"])

_PROMPT = {
    "description": "The prompt: exactly the bytes that were kept. X-Prompt-SHA256 is their hash.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "turn": {"type": "integer"},
                    "request_id": {"type": "string"},
                    "tokens": {"type": "integer"},
                    "text": {"type": "string"},
                    "sections": {"type": "array", "items": {"type": "object"}},
                },
            }
        }
    },
}
_RESPONSES = {"responses": {200: _PROMPT}}


def prompt_response(row: PromptRow) -> HttpResponse:
    """The kept bytes, untouched."""
    response = HttpResponse(row.body, content_type="application/json; charset=utf-8")
    response["X-Prompt-SHA256"] = row.sha256
    response["X-Prompt-Turn"] = str(row.turn)
    response["X-Prompt-Tokens"] = str(row.tokens)
    return response


def _pending(request_id: str, seq: int, applied_seq: int) -> HttpResponse:
    body = PromptPending(request_id=request_id, seq=seq, applied_seq=applied_seq).model_dump()
    response = HttpResponse(json.dumps(body), status=202, content_type="application/json; charset=utf-8")
    response["Retry-After"] = "1"
    return response


def _enforced(request: HttpRequest, session_id: UUID) -> SessionRow:
    row = session_for(request, session_id, "operator")
    if row.mode != Mode.ENFORCED.value:
        raise ApiError(
            409,
            f"This session is {row.mode}: its prompts are built by its harness, not here.",
            code="not_enforced",
            where="mode",
            how="Create a session with mode enforced to ask for prompts.",
        )
    return row


def _ask(session_id: str, body: PromptIn) -> int:
    """The seq of the request's event; the same request finds the same event."""
    wanted = {"request_id": body.request_id, "fixed_tokens": body.fixed_tokens}
    with refusals(batch=False):
        (appended,) = store.append_events(
            session_id, [NewEvent("prompt_requested", wanted, f"prompt:{body.request_id}")]
        )
    return int(appended.seq)


def _refused(session_id: str, request_id: str, seq: int) -> Never:
    """The request was folded and gave no prompt: say why."""
    rows = store.ledger(session_id, kinds=("rejected",), after_seq=seq - 1, before_seq=seq + 1, limit=1)
    why = str(rows[0].data.get("why") or rows[0].sentence) if rows else "the event was rejected"
    how = "Use a new request id; the ledger (/faults?kind=rejected) has the event."
    message = f"The prompt {request_id!r} was refused: {why}"
    raise ApiError(409, message, code="prompt_refused", where="request_id", how=how)


@router.post(
    "/sessions/{uuid:session_id}/prompts",
    response={202: PromptPending},
    openapi_extra=_RESPONSES,
    summary="Ask for the next prompt",
)
async def ask_prompt(request: HttpRequest, session_id: UUID, body: PromptIn) -> HttpResponse:
    """Begins a turn and waits up to `wait_ms` for its prompt.
    The same `request_id` is the same prompt, byte for byte.

    202 with Retry-After says that it is not there yet: repeat the same request.
    """
    await sync_to_async(_enforced)(request, session_id)
    sid = str(session_id)

    async with watching(sid) as watch:
        seq = await sync_to_async(_ask)(sid, body)

        def read() -> PromptRow | int | None:
            """The prompt; or the applied seq, once the request was folded without giving one."""
            kept = store.prompt(sid, body.request_id)
            if kept is not None:
                return kept
            applied = int(store.applied_seqs([sid]).get(sid, 0))
            return applied if applied >= seq else None

        found = await watch.until(read, body.wait_ms)
    if isinstance(found, PromptRow):
        return prompt_response(found)
    return await sync_to_async(_not_yet)(sid, body.request_id, seq)


def _not_yet(session_id: str, request_id: str, seq: int) -> HttpResponse:
    applied = int(store.applied_seqs([session_id]).get(session_id, 0))
    kept = store.prompt(session_id, request_id)  # it may have come between the two reads
    if kept is not None:
        return prompt_response(kept)
    if applied >= seq:
        _refused(session_id, request_id, seq)
    return _pending(request_id, seq, applied)


@router.get(
    "/sessions/{uuid:session_id}/prompts/{path:request_id}", openapi_extra=_RESPONSES, summary="Read a prompt"
)
async def read_prompt(
    request: HttpRequest, session_id: UUID, request_id: str, wait_ms: int = Query(0, ge=0, le=MAX_WAIT_MS)
) -> HttpResponse:
    """The bytes that were given for this request id; 404 if
    it never asked, or its prompt is not there yet.
    """
    await sync_to_async(session_for)(request, session_id)
    sid = str(session_id)
    if len(request_id) > MAX_ID:
        raise not_found("prompt")
    async with watching(sid) as watch:
        kept: Any = await watch.until(lambda: store.prompt(sid, request_id), wait_ms)
    if kept is None:
        raise not_found("prompt")
    return prompt_response(kept)
