"""Handlers of tool calls, their results, and recalls."""

from __future__ import annotations

import hashlib

from memory.core import events as ev
from memory.core.acts import Refused
from memory.core.faults import judge_recall, judge_repeat, was_dropped
from memory.core.handling import need_turn, tell
from memory.core.outcomes import Outcome
from memory.core.page_events import leave_table
from memory.core.pages import Page
from memory.core.state import State
from memory.core.types import PageStatus, Side, ToolKind

MAX_KEY = 120  # characters of a signature kept as it is; longer ones are kept as their hash


def _key(signature: str) -> str:
    if len(signature) <= MAX_KEY:
        return signature
    return "sha256:" + hashlib.sha256(signature.encode("utf-8", "surrogatepass")).hexdigest()


def tool_called(state: State, body: ev.ToolCalled, actor: str) -> list[Outcome]:
    need_turn(state)
    if body.call_id in state.calls:
        raise Refused(f"call {body.call_id!r} is already there")
    key = _key(body.signature)
    found: list[Outcome] = []
    if key in state.history:
        page, expected = _latest_result(state, key)
        dropped = False
        for side in state.sides():
            told = judge_repeat(state, side, body, page, expected=expected, caused_by_drop=dropped)
            found += told
            if side.side is Side.PRIMARY and page is not None:
                dropped = was_dropped(side, page.order) and any(o.kind == "fault" for o in told)
    state.history.setdefault(key, -1)
    state.calls[body.call_id] = (key, state.turn)
    for page, write in state.table.written(body.writes) if body.kind is ToolKind.WRITE else ():
        cleaned = leave_table(state, page, PageStatus.SUPERSEDED, copy_stays=True)
        reason = f"write to {write}"
        found.append(tell(state, page, "page", change="superseded", by=body.call_id, reason=reason))
        found += cleaned
    return found


def _latest_result(state: State, key: str) -> tuple[Page | None, str | None]:
    """The page of the signature's latest result, if it has one; or the id of one that is still to come."""
    found = state.history[key]
    if isinstance(found, int):
        return (state.table.pages[found] if found >= 0 else None), None
    page = state.page(found)
    return page, None if page is not None else found


def tool_returned(state: State, body: ev.ToolReturned, actor: str) -> list[Outcome]:
    """The result's page may enter the table later; until then it is absent."""
    page = None if body.page_id is None else state.page(body.page_id)
    call = state.calls.pop(body.call_id, None)
    if call is None:
        return [tell(state, page, "session", unpaired=body.call_id)]
    if body.page_id is not None:
        state.history[call[0]] = body.page_id if page is None else page.order
    return []


def recall(state: State, body: ev.Recall, actor: str) -> list[Outcome]:
    need_turn(state)
    return [told for side in state.sides() for told in judge_recall(state, side, body)]
