"""Pages of project scope: what another session committed, and what stands here against it.

Version numbers are the project's: the store lets one session at a time make the next one. A commit from
elsewhere says which version it followed (``base_version``); where the own one is above that, commits crossed,
and the own ones do not stand. What this session wrote is then parked, text and fields, for an operator to
approve or drop.
"""

from __future__ import annotations

from typing import Any, Final

from memory.core import events as ev
from memory.core.acts import Refused
from memory.core.codec import canonical
from memory.core.handling import check_reps, known_page, primary_side, take_text, tell
from memory.core.lifecycle import journal_note
from memory.core.outcomes import Outcome
from memory.core.pages import MAX_VERSIONS, Page, token_row
from memory.core.state import SideState, State
from memory.core.types import Mode, RejectReason, Scope, WriteOp

_NOTHING: Final = object()


def project_commit(state: State, body: ev.ProjectCommit, actor: str) -> list[Outcome]:
    """Another session committed the page: its version moves here too. The text is taken over where our word
    is what the prompt holds and nothing here is unwritten; else it is a version that one can return to.
    """
    page, primary = known_page(state, body.page_id), primary_side(state)
    if page.scope is not Scope.PROJECT:
        raise Refused(f"page {page.page_id!r} is not of project scope")
    check_reps(page, body.representations)
    told = primary.journal.agreed.get(page.order, 0)
    if body.version <= told:
        raise Refused(f"version {body.version} is not above {told}, the project's last one")
    have = primary.seats.version(page.order)
    crossed = have > (body.version - 1 if body.base_version is None else body.base_version)
    tokens = token_row(body.representations)
    taken = state.mode is Mode.ENFORCED and not crossed and page.order not in primary.dirty
    found = [
        tell(
            state, page, "page", change="committed", version=body.version, by=body.origin_session, taken=taken
        )
    ]
    for side in state.sides():
        found += _stand_against(state, side, page, body, crossed=crossed)
    if taken:
        take_text(state, page, state.seq, tokens)
    before = [kept for kept in page.versions if kept[0] < body.version]
    page.versions = (*before, (body.version, state.seq, tokens))[-MAX_VERSIONS:]
    for side in state.sides():
        side.seats[page.order].version = side.journal.agreed[page.order] = body.version
        side.journal.fields.replace(page.order, body.fields)
    return found


def _stand_against(
    state: State, side: SideState, page: Page, body: ev.ProjectCommit, *, crossed: bool
) -> list[Outcome]:
    """A working copy that is dirty stays: what was only marked dirty stands in the journal from now on, based
    on the version it was made from, so that the next boundary parks it as destructive instead of writing over
    what it never saw. What was committed here and crossed is parked at once.
    """
    # where commits crossed, the own version is another one than the project's of the same number
    base, found = min(side.seats.version(page.order), body.version - 1), []
    if crossed and side.seats.version(page.order):
        found = _park_committed(state, side, page, body, base)
    if page.order in side.dirty and not side.journal.has_staged(page.order):
        found += _stage(state, side, page, _text_update(state, page, base, ""), ours=True)
    return found


def _park_committed(
    state: State, side: SideState, page: Page, body: ev.ProjectCommit, base: int
) -> list[Outcome]:
    """The text that was committed last here, and the fields that differ from the project's."""
    update = _text_update(state, page, base, ":text")
    found = _stage(state, side, page, update, ours=True)
    found += _park(state, side, page, update.update_id, body)
    held = side.journal.fields.of(page.order)
    for n, name in enumerate(sorted(held)):
        theirs = body.fields.get(name, _NOTHING)
        if theirs is _NOTHING or canonical(theirs) != canonical(held[name]):
            update = _update(f"implied:{state.seq}:{page.order}:{n}", page, name, held[name], base)
            found += _stage(state, side, page, update, ours=False)
            found += _park(state, side, page, update.update_id, body)
    return found


def _text_update(state: State, page: Page, base: int, name: str) -> ev.Update:
    value = {"text_seq": page.text_seq}
    return _update(f"implied:{state.seq}:{page.order}{name}", page, "text", value, base)


def _update(update_id: str, page: Page, field: str, value: Any, base: int) -> ev.Update:
    op, scope = WriteOp.SET_WITH_VERSION.value, page.scope.value
    return ev.Update(update_id, page.page_id, field, op, value, scope, page.page_id, base)


def _stage(state: State, side: SideState, page: Page, update: ev.Update, *, ours: bool) -> list[Outcome]:
    side.journal.stage(update, page.order, state.seq, ours=ours)
    return [journal_note(state, side, page, update, update.update_id, "staged", "conflict")]


def _park(state: State, side: SideState, page: Page, update_id: str, body: ev.ProjectCommit) -> list[Outcome]:
    entry = side.journal.find(update_id)
    assert entry is not None
    reason, words = RejectReason.DESTRUCTIVE_OP, f"it crossed with version {body.version} of another session"
    side.journal.park(entry, reason, "version", words)
    if entry.ours:
        entry.text = page.versions[-1][1:] if page.versions else (page.text_seq, page.tokens)
    side.totals.count("rejected", reason.value)
    more: dict[str, Any] = {"validator": "version", "detail": words}
    return [journal_note(state, side, page, entry.update, update_id, "rejected", reason.value, **more)]
