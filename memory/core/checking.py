"""One staged update against a session's state: ``validation``'s checks in their order."""

from __future__ import annotations

from memory.core import validation
from memory.core.journal import Entry
from memory.core.state import SideState, State
from memory.core.validation import Verdict
from memory.core.views import page_view


def validate(state: State, side: SideState, entry: Entry) -> Verdict:
    """The five checks, against what the commits before this update left."""
    update, page = entry.update, state.table.pages[entry.order]
    verdict = validation.check_form(update)
    if not verdict.reason and not entry.ours:
        verdict = validation.check_room(side.journal.fields.no_room(update, entry.order))
    if not verdict.reason:
        verdict = validation.check_evidence(update, state.table)
    if not verdict.reason:
        verdict = validation.check_scope(update, page, state.grants)
    if not verdict.reason:
        verdict = validation.check_version(update, side.seats.version(entry.order))
    if not verdict.reason:
        verdict = validation.check_pin(update, page)
    if not verdict.reason and not entry.ours:
        verdict = validation.check_rules(update, page, state.declarations.write_rules)
    return verdict if verdict.reason else plugins(state, entry)


def plugins(state: State, entry: Entry) -> Verdict:
    """The last of them. What an operator's act staged is the operator's word, and needs no other."""
    if entry.ours:
        return validation.PASSED
    view = page_view(state, state.table.pages[entry.order].page_id) if state.validators else None
    required = state.declarations.validators
    return validation.check_plugins(entry.update, view, state.validators, required, entry.verdicts)
