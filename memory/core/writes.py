"""Handlers of updates: staged, judged by a plug-in, answered by an operator; and their validation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from memory.core import events as ev
from memory.core import validation
from memory.core.acts import Refused
from memory.core.checking import plugins, validate
from memory.core.codec import MAX_VALIDATORS
from memory.core.handling import known_page, primary_side, take_text, tell
from memory.core.journal import MAX_ENTRIES, Entry, Text, digest
from memory.core.lifecycle import commit, journal_note
from memory.core.outcomes import Outcome
from memory.core.pages import Page
from memory.core.state import SideState, State
from memory.core.types import Mode, PageStatus, RejectReason, Side, WriteOp
from memory.core.validation import lacks_verdict

#: Ids that the engine gives: to what an operator restores, and to what is only marked dirty.
RESERVED_IDS = ("restore:", "implied:")
_OPERATOR = "operator:"


def write_staged(state: State, body: ev.WriteStaged, actor: str) -> list[Outcome]:
    """An update enters the journal, once; the same one delivered again changes nothing."""
    update = body.update
    known = next(filter(None, (side.journal.known_as(update.update_id) for side in state.sides())), None)
    if known is not None and known == digest(update):
        return [tell(state, None, "session", redelivered=update.update_id)]
    if known is not None:
        raise Refused(f"update {update.update_id!r} is already in the journal, with other content")
    page = known_page(state, update.page_id, live=True)
    if update.update_id.startswith(RESERVED_IDS):
        raise Refused(f"an update's id does not begin with {' or '.join(RESERVED_IDS)}")
    if any(side.journal.full() for side in state.sides()):
        raise Refused(f"the journal is full: {MAX_ENTRIES} updates are staged or parked")
    found = []
    for side in state.sides():
        side.journal.stage(update, page.order, state.seq)
        side.dirty[page.order] = state.seq
        found.append(journal_note(state, side, page, update, update.update_id, "staged"))
    return found


def write_judged(state: State, body: ev.WriteJudged, actor: str) -> list[Outcome]:
    """A plug-in's verdict, logged. What was parked only because it was missing is staged again."""
    entry = primary_side(state).journal.find(body.update_id)
    if entry is None:
        raise Refused(f"no update {body.update_id!r} is staged or parked")
    if body.validator in entry.verdicts:
        before = entry.verdicts[body.validator][0]
        raise Refused(f"{body.validator!r} has judged update {body.update_id!r} before: {before}")
    if len(entry.verdicts) >= MAX_VALIDATORS:
        raise Refused(f"update {body.update_id!r} has {MAX_VALIDATORS} verdicts already")
    found = []
    for side in state.sides():
        mine = side.journal.find(body.update_id)
        if mine is None:
            continue
        page, reason = state.table.pages[mine.order], body.reason[: validation.MAX_DETAIL]
        mine.verdicts[body.validator] = (body.verdict, reason)
        told: dict[str, Any] = {"validator": f"plugin:{body.validator}", "detail": reason}
        found.append(
            journal_note(state, side, page, mine.update, body.update_id, "judged", body.verdict, **told)
        )
        if mine.state == "parked" and lacks_verdict(mine.validator, mine.detail):
            found += _look_again(state, side, mine)
    return found


def _look_again(state: State, side: SideState, entry: Entry) -> list[Outcome]:
    """A verdict came for an update that was parked for want of one."""
    page, update = state.table.pages[entry.order], entry.update
    verdict = plugins(state, entry)
    if verdict.reason:
        side.journal.park(entry, verdict.reason, verdict.validator, verdict.detail)
        return []
    side.journal.stage_again(entry)
    side.dirty[entry.order] = state.seq
    return [journal_note(state, side, page, update, update.update_id, "staged", "its verdict came")]


def write_resolved(state: State, body: ev.WriteResolved, actor: str) -> list[Outcome]:
    """An operator's answer to a parked update, checked against the state as it is now."""
    entry = primary_side(state).journal.find(body.update_id)
    if entry is None or entry.state != "parked":
        raise Refused(f"no parked update {body.update_id!r}")
    if body.action != "drop" and not actor.startswith(_OPERATOR):
        raise Refused(f"only an operator can {body.action} what validation parked")
    answered = [(side, mine, _answered(state, side, mine, body)) for side, mine in _parked(state, body)]
    found = []
    for side, mine, overrides in answered:
        page = state.table.pages[mine.order]
        side.journal.close(mine)
        found.append(journal_note(state, side, page, mine.update, body.update_id, "resolved", body.action))
        if body.action != "drop":
            commit(state, side, page, None if mine.ours else _as_answered(mine.update, body), mine.text)
            if mine.text is not None and side.side is Side.PRIMARY:
                found += _show_again(state, page, mine.text)
            told: dict[str, Any] = {"overrides": overrides} if overrides else {}
            found.append(
                journal_note(state, side, page, mine.update, body.update_id, "committed", actor, **told)
            )
    return found


def _show_again(state: State, page: Page, text: Text) -> list[Outcome]:
    """A text was approved that is not the page's any more: it is again, unless a newer one is unwritten or
    the harness says what its prompt holds.
    """
    live = page.status is PageStatus.LIVE and page.order not in primary_side(state).dirty
    if text[0] == page.text_seq or not live or state.mode is not Mode.ENFORCED:
        return []
    take_text(state, page, *text)
    return [tell(state, page, "page", change="updated", what="approved", revived=False, dirty=False)]


def _parked(state: State, body: ev.WriteResolved) -> list[tuple[SideState, Entry]]:
    found = [(side, side.journal.find(body.update_id)) for side in state.sides()]
    return [(side, entry) for side, entry in found if entry is not None and entry.state == "parked"]


def _as_answered(update: ev.Update, body: ev.WriteResolved) -> ev.Update:
    """The update as the operator wants it committed."""
    merges = body.action == "merge"
    return replace(update, op=WriteOp.MERGE.value, value=body.value) if merges else update


def _answered(state: State, side: SideState, entry: Entry, body: ev.WriteResolved) -> str:
    """What the operator's answer overrides, '' if nothing; ``Refused`` where their word cannot mend it."""
    if body.action == "drop":
        return ""
    if body.action == "merge" and entry.ours:
        raise Refused("a page's text is merged by no rule: approve it, or drop it and write the page anew")
    update = _as_answered(entry.update, body)
    form = validation.check_form(update)
    if form.reason:
        words = "merge needs a value" if body.value is None else form.detail
        if body.action == "approve":
            words = "a malformed update cannot be approved; merge it with a value, or drop it"
        raise Refused(words)
    page = state.table.pages[entry.order]
    pin = validation.check_pin(update, page)
    if pin.reason:
        raise Refused(f"{pin.detail}: take the pin away first")
    trial = entry.copy()
    trial.update = update
    verdict = validate(state, side, trial)
    if verdict.reason == RejectReason.SCHEMA_INVALID:
        raise Refused(verdict.detail)
    return f"{verdict.reason}: {verdict.detail}" if verdict.reason else ""
