"""Handlers of events about pages: they enter, change and leave the table."""

from __future__ import annotations

from memory.core import events as ev
from memory.core.acts import Refused
from memory.core.declarations import MAX_LINKS, MAX_PAGE_LINKS
from memory.core.handling import check_reps, known_page, tell
from memory.core.outcomes import Outcome
from memory.core.pages import Page, token_row
from memory.core.state import Changing, SideState, State, outcome
from memory.core.types import (
    MAX_PAGE_ID,
    MAX_PAGES,
    Fidelity,
    PageStatus,
)


def page_created(state: State, body: ev.PageCreated, actor: str) -> list[Outcome]:
    spec, table = body.page, state.table
    if spec.page_id in table.by_id:
        raise Refused(f"page {spec.page_id!r} is already there")
    if len(table.pages) >= MAX_PAGES:
        raise Refused(f"a session has at most {MAX_PAGES} pages")
    page = Page.from_spec(spec, len(table.pages), state.seq)
    table.add(page)
    state.arrived.add(page.order)
    for side in state.sides():
        side.add_page(page, state.seq)
        if spec.dirty:
            side.dirty[page.order] = state.seq
    return [tell(state, page, "page", change="created", dirty=spec.dirty)]


def page_updated(state: State, body: ev.PageUpdated, actor: str) -> list[Outcome]:
    page = known_page(state, body.page_id)
    check_reps(page, body.representations)
    revived = page.status is not PageStatus.LIVE
    for side in state.sides():
        if side.index is None and not revived:
            _leave_copy(side, page)
    with Changing(state, page):
        page.status = PageStatus.LIVE
        page.tokens = token_row(body.representations)
        page.text_seq = state.seq
        if body.title is not None:
            page.title = body.title
        if body.provenance is not None:
            page.provenance = (body.provenance.kind, body.provenance.ref, body.provenance.record)
    for side in state.sides():
        side.retext.add(page.order)
        side.ghosts.discard(page.order)
        if side.index is None:
            side.outgoing.pop(page.order, None)
            side.incoming[page.order] = state.seq
        if not body.durable:
            side.dirty[page.order] = state.seq
    what = {"what": body.what, "revived": revived, "dirty": not body.durable}
    return [tell(state, page, "page", change="updated", **what)]


def _leave_copy(side: SideState, page: Page) -> None:
    """The text that stands in the harness's prompt, or is about to, stays there as an old copy."""
    order = page.order
    if order in side.incoming:
        side.stale[order] = side.stale.get(order, 0) + page.tokens[Fidelity.FULL]
        if side.fidelity[order] and order not in side.retext and order not in side.outgoing:
            side.stale[order] += side.in_prompt[order]
    elif side.fidelity[order] and side.outgoing.get(order, (1, 0, 0, ""))[0]:
        side.stale[order] = side.stale.get(order, 0) + side.in_prompt[order]


def leave_table(state: State, page: Page, status: PageStatus, *, copy_stays: bool) -> list[Outcome]:
    """Take a page out of the table. What was only marked dirty is given up with it, and that is told; updates
    that stand in the journal are still settled at the next boundary.
    """
    found = []
    with Changing(state, page):
        page.status = status
        page.left_seq, page.left_turn = state.seq, state.turn
    for side in state.sides():
        if side.index is None and copy_stays:
            _leave_copy(side, page)
        side.incoming.pop(page.order, None)
        side.outgoing.pop(page.order, None)
        if side.fidelity[page.order]:
            side.ghosts.add(page.order)
        if page.order in side.dirty and not side.journal.has_staged(page.order):
            del side.dirty[page.order]
            side.at_risk.pop(page.order, None)
            found.append(outcome(state, side, "page", page, change="clean", reason=status.value))
    return found


def page_superseded(state: State, body: ev.PageSuperseded, actor: str) -> list[Outcome]:
    page = known_page(state, body.page_id, live=True)
    cleaned = leave_table(state, page, PageStatus.SUPERSEDED, copy_stays=True)
    return [tell(state, page, "page", change="superseded", by=body.by, reason=body.reason), *cleaned]


def page_retired(state: State, body: ev.PageRetired, actor: str) -> list[Outcome]:
    page = known_page(state, body.page_id, live=True)
    cleaned = leave_table(state, page, PageStatus.RETIRED, copy_stays=False)
    return [tell(state, page, "page", change="retired", reason=body.reason), *cleaned]


def page_linked(state: State, body: ev.PageLinked, actor: str) -> list[Outcome]:
    """Lineage: kept with the page, each link once."""
    page = known_page(state, body.page_id)
    declared, link = state.declarations, (body.session, body.relation)
    links = declared.links.get(page.order, ())
    if link in links:
        raise Refused(f"page {page.page_id!r} is linked so already")
    if len(body.session) > MAX_PAGE_ID:
        raise Refused(f"a session's name has at most {MAX_PAGE_ID} characters")
    if len(links) >= MAX_PAGE_LINKS or declared.link_count >= MAX_LINKS:
        raise Refused(f"a page has at most {MAX_PAGE_LINKS} links, a session {MAX_LINKS}")
    declared.link(page.order, link)
    return [tell(state, page, "page", change="linked", session=body.session, relation=body.relation)]


def dirty_marked(state: State, body: ev.DirtyMarked, actor: str) -> list[Outcome]:
    page = known_page(state, body.page_id, live=True)
    for side in state.sides():
        side.dirty[page.order] = state.seq
    return [tell(state, page, "page", change="dirty", reason=body.reason)]
