"""What a person does to pages: pin, unpin, demote, restore, undo; what it would cost; and its receipt. And
the answer to an update that validation parked: resolve.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from ninja import Query, Router, Status

from inspector.api.auth import access_of, session_for
from inspector.api.errors import ApiError, not_found
from inspector.api.events import refusals
from inspector.api.waiting import watching
from inspector.schemas import MAX_SEQ, MAX_WAIT_MS, ActIn, ActList, ActOut, Cost, plain
from memory import store
from memory.core.types import reach
from memory.store.rows import ActRow, NewEvent

router = Router(tags=["acts"])

KINDS = {act: f"operator_{act}" for act in ("pin", "unpin", "demote", "restore", "undo")}
KINDS["resolve"] = "write_resolved"
#: The fields that each act takes beside page_ids, reason and based_on_seq.
OWN_FIELDS: dict[str, tuple[str, ...]] = {
    "pin": ("pin", "min_fidelity"),
    "unpin": (),
    "demote": ("cap",),
    "restore": ("version",),
    "undo": ("act_seq",),
    "resolve": ("update_id", "action", "value"),
}


def event_body(act: ActIn) -> dict[str, Any]:
    """The body of the act's event. Raises ``ApiError`` 422 for fields that do not belong to the act."""
    own = OWN_FIELDS[act.act]
    for names in OWN_FIELDS.values():
        for name in names:
            if name not in own and getattr(act, name) is not None:
                raise _bad(name, f"does not belong to {act.act}")
    body: dict[str, Any] = {name: plain(getattr(act, name)) for name in own if getattr(act, name) is not None}
    if act.act == "resolve":
        return _resolve_body(act, body)
    if act.act == "undo":
        if act.act_seq is None:
            raise _bad("act_seq", "is needed: the seq of the act to take back")
        if act.page_ids:
            raise _bad("page_ids", "does not belong to undo")
        return {**body, "reason": act.reason}
    if not act.page_ids:
        raise _bad("page_ids", "is needed: at least one page")
    body |= {"page_ids": list(dict.fromkeys(act.page_ids)), "reason": act.reason}
    if act.based_on_seq is not None:
        body["based_on_seq"] = act.based_on_seq
    return body


def _resolve_body(act: ActIn, body: dict[str, Any]) -> dict[str, Any]:
    for name in ("update_id", "action"):
        if name not in body:
            raise _bad(name, "is needed to resolve a parked update")
    if act.page_ids:
        raise _bad("page_ids", "does not belong to resolve: the update names its page")
    if act.based_on_seq is not None:
        raise _bad("based_on_seq", "does not belong to resolve")
    if act.reason:
        raise _bad("reason", "does not belong to resolve")
    if act.dry_run:
        raise _bad("dry_run", "resolve changes what is committed, not what the next prompt holds")
    if (act.action == "merge") != (act.value is not None):
        raise _bad("value", "belongs to merge, and merge needs it")
    return body


def _bad(where: str, why: str) -> ApiError:
    return ApiError(422, f"{where}: {why}", where=where, items=[{"where": where, "why": why}])


def _known_pages(session_id: str, page_ids: list[str]) -> None:
    for page_id in page_ids:
        if store.page(session_id, page_id) is None:
            raise ApiError(404, f"The session has no page {page_id!r}.", where="page_ids")


def _cost(session_id: str, kind: str, body: dict[str, Any], actor: str) -> dict[str, Any]:
    from memory import dryrun

    with refusals(batch=False):
        tried: dict[str, Any] = plain(dryrun.try_act(session_id, kind, body))
    row = store.session_row(session_id)
    return {"applied_seq": row.applied_seq if row else 0, **tried}


def _append(session_id: str, kind: str, body: dict[str, Any], act: ActIn, actor: str) -> tuple[int, bool]:
    with refusals(batch=False):
        (appended,) = store.append_events(
            session_id, [NewEvent(kind, body, act.client_event_id)], actor=actor
        )
    return appended.seq, appended.duplicate


def _find(session_id: str, seq: int) -> ActRow | None:
    return next((row for row in store.acts(session_id, limit=500) if row.seq == seq), None)


def _settled(session_id: str, seq: int) -> ActRow | None:
    row = _find(session_id, seq)
    return row if row is not None and row.state != "pending" else None


def _act_json(row: ActRow, mode: str) -> dict[str, Any]:
    """The row; one that no worker has seen yet has the reach that its session has."""
    return {**plain(row), "reach": row.reach or reach(mode, row.kind)}


def _pending(seq: int, kind: str, body: dict[str, Any], actor: str, mode: str) -> dict[str, Any]:
    """The act as it was logged, before a worker saw it."""
    return {
        "seq": seq, "kind": kind, "actor": actor, "page_ids": body.get("page_ids", []), "state": "pending",
        "why": "", "reach": reach(mode, kind), "turn": None, "receipt": "", "receipt_turn": None,
        "receipt_how": "", "reason": body.get("reason", ""), "at": "",
    }  # fmt: skip


@router.post(
    "/sessions/{uuid:session_id}/acts",
    response={200: ActOut | Cost, 201: ActOut},
    summary="Act on pages, or ask what it would cost",
)
async def act_on_pages(request: HttpRequest, session_id: UUID, body: ActIn) -> Status[Any]:
    """201 for a new act, 200 for one that was sent before and for a dry run. Read `/acts` for its receipt."""
    session = await sync_to_async(session_for)(request, session_id, "operator")
    sid, kind, event = str(session_id), KINDS[body.act], event_body(body)
    actor = f"operator:{access_of(request).actor}"
    await sync_to_async(_known_pages)(sid, body.page_ids)
    if body.dry_run:
        return Status(200, await sync_to_async(_cost)(sid, kind, event, actor))
    if not body.wait_ms:
        seq, duplicate = await sync_to_async(_append)(sid, kind, event, body, actor)
        row = await sync_to_async(_find)(sid, seq)
    else:
        async with watching(sid) as watch:
            seq, duplicate = await sync_to_async(_append)(sid, kind, event, body, actor)
            row = await watch.until(lambda: _settled(sid, seq), body.wait_ms)
    shown = _act_json(row, session.mode) if row else _pending(seq, kind, event, actor, session.mode)
    return Status(200 if duplicate else 201, shown)


@router.get("/sessions/{uuid:session_id}/acts", response=ActList, summary="List acts with their receipts")
def list_acts(
    request: HttpRequest,
    session_id: UUID,
    page_id: str | None = Query(None, max_length=512),
    limit: int = Query(50, ge=1, le=500),
) -> dict[str, Any]:
    """Newest first."""
    mode = session_for(request, session_id).mode
    rows = store.acts(str(session_id), page_id=page_id, limit=limit)
    return {"items": [_act_json(row, mode) for row in rows]}


@router.get("/sessions/{uuid:session_id}/acts/{int:seq}", response=ActOut, summary="Read one act")
async def read_act(
    request: HttpRequest, session_id: UUID, seq: int, wait_ms: int = Query(0, ge=0, le=MAX_WAIT_MS)
) -> Any:
    """The act as it stands; with `wait_ms` waits until it is no longer pending."""
    session = await sync_to_async(session_for)(request, session_id)
    sid = str(session_id)
    if seq > MAX_SEQ:
        raise not_found("act")
    async with watching(sid) as watch:
        await watch.until(lambda: _settled(sid, seq), wait_ms)
    row = await sync_to_async(_find)(sid, seq)
    if row is None:
        raise not_found("act")
    return _act_json(row, session.mode)
