"""What happened: the fault ledger, turns, and the trace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import islice
from typing import Annotated, Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router

from inspector.api.auth import session_for
from inspector.schemas import MAX_SEQ, LedgerList, Side, TurnList, plain_all
from memory import store
from memory.store.rows import LedgerRow

router = Router(tags=["history"])

MAX_LINES_OF_EVENT = 5000  # ledger lines of one event that are read in one go
LINES_AT_ONCE = 100  # trace lines read and sent in one go


@router.get("/sessions/{uuid:session_id}/faults", response=LedgerList, summary="Read the fault ledger")
def read_faults(
    request: HttpRequest,
    session_id: UUID,
    side: Side = "primary",
    kind: Annotated[list[str] | None, Query(max_length=40)] = None,
    page_id: str = Query("", max_length=512),
    exact: bool | None = None,
    before_seq: int | None = Query(None, ge=0, le=MAX_SEQ),
    after_seq: int | None = Query(None, ge=0, le=MAX_SEQ),
    limit: int = Query(100, ge=1, le=1000),
) -> dict[str, Any]:
    """Newest first (after `after_seq`: oldest first): faults, alerts, refreshes, page-ins, boundaries,
    rejections, acts and receipts, each with its cause.
    """
    session_for(request, session_id)
    read = partial(
        store.ledger, str(session_id), side=side, kinds=tuple(kind or ()), page_id=page_id, exact=exact
    )
    rows = read(before_seq=before_seq, after_seq=after_seq, limit=limit)
    full = len(rows) >= limit
    if full:
        rows = _whole_event(rows, read)
    last = rows[-1].seq if full else None
    up = after_seq is not None
    return {
        "items": plain_all(rows),
        "next_before_seq": None if up else last,
        "next_after_seq": last if up else None,
    }


def _whole_event(rows: list[LedgerRow], read: Callable[..., list[LedgerRow]]) -> list[LedgerRow]:
    """``rows`` with the rest of their last event's lines: a reader goes on from event to event."""
    last = rows[-1]
    have = {row.idx for row in rows if row.seq == last.seq}
    rest = read(after_seq=last.seq - 1, before_seq=last.seq + 1, limit=MAX_LINES_OF_EVENT)
    return [*rows, *(row for row in rest if row.idx not in have)]


@router.get("/sessions/{uuid:session_id}/turns", response=TurnList, summary="Read the turns")
def read_turns(
    request: HttpRequest,
    session_id: UUID,
    side: Side = "primary",
    after_turn: int = Query(0, ge=0, le=MAX_SEQ),
    limit: int = Query(1000, ge=1, le=5000),
) -> dict[str, Any]:
    """Ascending, from the turn after `after_turn`."""
    session_for(request, session_id)
    return {"items": plain_all(store.turns(str(session_id), side=side, after_turn=after_turn, limit=limit))}


async def _in_chunks(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    while chunk := await sync_to_async(lambda: list(islice(lines, LINES_AT_ONCE)))():
        yield b"\n".join(chunk) + b"\n"


_TRACE = {
    "responses": {
        200: {
            "description": "One JSON object a line: the head, then one closed turn a line",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        }
    }
}


@router.get("/sessions/{uuid:session_id}/trace", summary="Stream the decision trace", openapi_extra=_TRACE)
async def read_trace(request: HttpRequest, session_id: UUID, side: Side = "primary") -> StreamingHttpResponse:
    """The bytes that a replay of the same events gives again."""
    await sync_to_async(session_for)(request, session_id)
    lines = iter(store.trace_lines(str(session_id), side=side))
    return StreamingHttpResponse(_in_chunks(lines), content_type="application/x-ndjson; charset=utf-8")
