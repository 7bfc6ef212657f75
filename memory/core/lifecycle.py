"""Boundaries: writeback in three phases, then loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from memory.core.checking import validate
from memory.core.events import Boundary, Update
from memory.core.faults import fault
from memory.core.journal import Entry, Text
from memory.core.outcomes import Outcome
from memory.core.pages import MAX_VERSIONS, Page
from memory.core.state import Cause, SideState, State, cause_json, outcome
from memory.core.types import BoundaryKind, ChangeReason, FaultKind, Fidelity, PageStatus, Scope, Side

_LOSES_NOW = (BoundaryKind.RESET, BoundaryKind.SHUTDOWN)
_LOSES_LATER = (BoundaryKind.COMPACTION, BoundaryKind.PRUNE)
_FIRST_PROMPT_AFTER = (BoundaryKind.COMPACTION, BoundaryKind.RESET)


def journal_note(
    state: State,
    side: SideState,
    page: Page,
    update: Update | None,
    update_id: str,
    phase: str,
    reason: str = "",
    *,
    this_turn: bool = False,
    **more: Any,
) -> Outcome:
    """One move in the journal, as outcome and in the trace: in the record of the turn that the next prompt
    begins, unless it belongs to this one.
    """
    data: dict[str, Any] = {"update_id": update_id, "phase": phase, "reason": reason, **more}
    if update is not None:
        data["field"], data["op"] = update.field[:200], update.op[:40]
    log = side.log if this_turn else side.next_log
    log["journal"].append({"page_id": page.page_id, **data})
    return outcome(state, side, "journal", page, **data)


def commit(
    state: State, side: SideState, page: Page, update: Update | None = None, text: Text | None = None
) -> None:
    """One commit: the version moves; on the primary side its text can be returned to. ``update``: what a
    harness reported goes into the page's fields by the merge rules. ``text``: if not the page's own.
    """
    if update is not None:
        side.journal.fields.commit(update, page.order)
    text_seq, tokens = text or (page.text_seq, page.tokens)
    seat = side.seats[page.order]
    seat.version += 1
    side.totals.committed += 1
    if side.side is Side.PRIMARY:
        page.versions = (*page.versions, (seat.version, text_seq, tokens))[-MAX_VERSIONS:]


def apply_boundary(state: State, body: Boundary) -> list[Outcome]:
    """Every side's writeback and loss at a boundary."""
    found: list[Outcome] = []
    state.boundaries += 1
    for side in state.sides():
        counts = {"staged": 0, "committed": 0, "rejected": 0}
        lost: list[str] = []
        told: list[Outcome] = []
        if side.policy.writes_back_at(body.kind):
            told += _write_back(state, side, counts)
        if body.kind in _LOSES_NOW:
            for order in sorted(side.dirty):
                if state.table.pages[order].scope is Scope.SESSION:
                    lost.append(state.table.pages[order].page_id)
                    told += _lose(
                        state, side, order, (state.seq, state.turn, body.kind.value), next_turn=True
                    )
        elif body.kind in _LOSES_LATER:
            for order in sorted(side.dirty):
                side.at_risk[order] = (state.seq, state.turn, body.kind.value)
        if body.kind in _FIRST_PROMPT_AFTER:
            side.after_boundary = (state.seq, state.turn, body.kind.value)
        kept, dropped = _drop(state, side, body)
        data = {"boundary": body.kind.value, "trigger": body.trigger, **counts, "lost": lost}
        side.next_log["boundaries"].append({**data, "at_risk": len(side.at_risk)})
        found.append(
            outcome(
                state,
                side,
                "boundary",
                None,
                **data,
                tokens_before=body.tokens_before,
                tokens_after=body.tokens_after,
                kept=kept,
                dropped=dropped,
                summary_page=body.summary_page,
            )
        )
        found += told
    return found


def _write_back(state: State, side: SideState, counts: dict[str, int]) -> list[Outcome]:
    table, journal, told = state.table, side.journal, []
    queue = journal.staged()
    have = {entry.order for entry in queue}
    for order in sorted(side.dirty):
        if order not in have:
            page = table.pages[order]
            update_id = f"implied:{state.seq}:{order}"
            told.append(journal_note(state, side, page, None, update_id, "staged", "marked dirty"))
            told.append(journal_note(state, side, page, None, update_id, "validated"))
    for entry in queue:
        told += _settle(state, side, entry, counts)
    for order in sorted(side.dirty):
        page = table.pages[order]
        if order not in have:
            counts["staged"] += 1
            counts["committed"] += 1
            commit(state, side, page)
            told.append(journal_note(state, side, page, None, f"implied:{state.seq}:{order}", "committed"))
        told.append(outcome(state, side, "page", page, change="clean", reason="written back"))
    side.dirty.clear()
    side.at_risk.clear()
    return told


def _settle(state: State, side: SideState, entry: Entry, counts: dict[str, int]) -> list[Outcome]:
    """Validate one staged update against what the commits before it left; commit or park it."""
    page, update = state.table.pages[entry.order], entry.update
    counts["staged"] += 1
    verdict = validate(state, side, entry)
    reason = str(verdict.reason)
    more: dict[str, Any] = {"validator": verdict.validator}
    if reason:
        more["detail"] = verdict.detail
    told = [journal_note(state, side, page, update, update.update_id, "validated", reason, **more)]
    if reason:
        counts["rejected"] += 1
        side.totals.count("rejected", reason)
        side.journal.park(entry, reason, verdict.validator, verdict.detail)
        if entry.ours:
            entry.text = page.text_seq, page.tokens
        return [*told, journal_note(state, side, page, update, update.update_id, "rejected", reason, **more)]
    counts["committed"] += 1
    side.journal.close(entry)
    commit(state, side, page, None if entry.ours else update)
    return [*told, journal_note(state, side, page, update, update.update_id, "committed")]


def _lose(state: State, side: SideState, order: int, cause: Cause, *, next_turn: bool) -> list[Outcome]:
    """A dirty page was destroyed: one flush_miss; its staged updates go with it."""
    page, what = state.table.pages[order], cause[2]
    side.dirty.pop(order, None)
    side.at_risk.pop(order, None)
    if next_turn:  # the loss belongs to the turn that the boundary begins
        side.log, side.next_log = side.next_log, side.log
    told = [
        fault(
            state,
            side,
            FaultKind.FLUSH_MISS,
            page,
            demanded="",
            resident="",
            rule=what,
            evidence="",
            cause=cause_json(cause),
        )
    ]
    if next_turn:
        side.log, side.next_log = side.next_log, side.log
        if cause[2] != BoundaryKind.SHUTDOWN:  # after it no turn follows
            told[0] = replace(told[0], turn=state.turn + 1)
    gone = side.journal.staged() if side.journal.has_staged(order) else []
    for entry in gone:
        if entry.order == order:
            side.journal.close(entry)
            update, now = entry.update, not next_turn
            told.append(
                journal_note(state, side, page, update, update.update_id, "lost", what, this_turn=now)
            )
    told.append(outcome(state, side, "page", page, change="clean", reason="lost"))
    return told


def settle_losses(state: State, side: SideState) -> list[Outcome]:
    """After assembly: what was dirty at a compaction or prune and does not stand at full now is lost."""
    found: list[Outcome] = []
    for order in sorted(side.at_risk):
        if order in side.dirty and side.fidelity[order] != Fidelity.FULL:
            found += _lose(state, side, order, side.at_risk[order], next_turn=False)
    side.at_risk.clear()
    return found


def _drop(state: State, side: SideState, body: Boundary) -> tuple[list[str], list[str]]:
    """What the harness's record says of the prompt after the boundary (observed sides only)."""
    if side.policy.selects or body.kind in (BoundaryKind.FLUSH, BoundaryKind.SHUTDOWN):
        return [], []
    table = state.table
    if body.kind is BoundaryKind.PRUNE:
        dropped = []
        for page_id in body.dropped:
            page = table.by_id.get(page_id)
            if page is not None:
                side.stale.pop(page.order, None)
                held = _coming_level(side, page.order)
                if page.status is PageStatus.LIVE and (held or page.order in side.incoming):
                    pointer = page.resolvable and body.leaves_pointers
                    _goes(state, side, page.order, Fidelity.POINTER if pointer else Fidelity.ABSENT, body)
                    dropped.append(page_id)
        return [], dropped
    side.stale.clear()
    kept_ids = set(body.preserved or ())
    if body.summary_page is not None:
        kept_ids.add(body.summary_page)
    kept, dropped = [], []
    for order in sorted(table.live):
        page = table.pages[order]
        if page.page_id in kept_ids:
            kept.append(page.page_id)
            if not side.fidelity[order] or order in side.outgoing:
                side.outgoing.pop(order, None)
                if side.fidelity[order] != Fidelity.FULL or order in side.retext:  # else it just stays
                    side.incoming[order] = state.seq
        elif _coming_level(side, order) or order in side.incoming:
            dropped.append(page.page_id)
            _goes(state, side, order, Fidelity.ABSENT, body)
    return kept, dropped


def _coming_level(side: SideState, order: int) -> int:
    """The fidelity in the next prompt, as far as boundaries since the last one say."""
    return side.outgoing[order][0] if order in side.outgoing else side.fidelity[order]


def _goes(state: State, side: SideState, order: int, at: Fidelity, body: Boundary) -> None:
    """The page is at this fidelity from the next prompt on, by the boundary's doing."""
    side.incoming.pop(order, None)
    side.outgoing[order] = (int(at), state.seq, state.turn, body.kind.value)
    if (
        not at and not side.fidelity[order]
    ):  # no prompt ever held it: nothing moves, but this is why it is absent
        cause = (state.seq, state.turn, body.kind.value)
        side.moved[order] = (ChangeReason.DROPPED.value, state.turn, cause)
