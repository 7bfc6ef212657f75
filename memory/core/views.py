"""What a state shows: one view a page, one for the header."""

from __future__ import annotations

from typing import Any

from memory.core.outcomes import PageView, SessionView, SideTotals, SideView
from memory.core.pages import Page
from memory.core.state import Seat, SideState, State
from memory.core.types import Fidelity, Scope

_BLANK = Seat()


def page_ids(state: State) -> list[str]:
    """Every page's id in table order, whatever its status."""
    return [page.page_id for page in state.table.pages]


def page_label(state: State, page_id: str) -> tuple[str, str]:
    """Type and title of a known page: what a prompt says of it. Cheaper than its view."""
    page = state.page(page_id)
    assert page is not None, page_id
    return page.type.value, page.title


def grants(state: State) -> frozenset[str]:
    """The scopes that the session may write."""
    return state.grants


def project_pages(state: State) -> dict[str, int]:
    """Pages of project scope: id → last committed version."""
    if state.primary is None:
        return {}
    version = state.primary.seats.version
    return {page.page_id: version(page.order) for page in state.table.pages if page.scope is Scope.PROJECT}


def committed_text(state: State, page_id: str) -> tuple[int, int]:
    """A page's last committed version, and the event that brought its text; zeros where there is none."""
    page = state.page(page_id)
    return page.versions[-1][:2] if page is not None and page.versions else (0, 0)


def committed_fields(state: State, page_id: str) -> dict[str, Any]:
    """What updates wrote into the page's fields, as last committed; empty for a page that is not known."""
    page = state.page(page_id)
    if page is None or state.primary is None:
        return {}
    return state.primary.journal.fields.of(page.order)


def page_view(state: State, page_id: str) -> PageView | None:
    """One page as it stands now, ``None`` if it is not known."""
    page = state.page(page_id)
    if page is None or state.primary is None:
        return None
    return PageView(
        page_id=page.page_id,
        title=page.title,
        type=page.type,
        scope=page.scope,
        pin=page.pin,
        min_fidelity=page.minimum,
        cap=page.cap,
        status=page.status,
        dirty=page.order in state.primary.dirty,
        version=_seat(state.primary, page).version,
        inferred=page.inferred,
        resolvable=page.resolvable,
        provenance_kind=page.provenance[0],
        provenance_ref=page.provenance[1],
        provenance_record=page.provenance[2],
        base_utility=page.base_utility,
        recompute_cost=page.recompute_cost,
        tokens={Fidelity(f): page.tokens[f] for f in range(1, 5) if page.tokens[f]},
        created_seq=page.created_seq,
        text_seq=page.text_seq,
        order=page.order,
        primary=_side_view(state.primary, page),
        shadow=None if state.shadow is None else _side_view(state.shadow, page),
        links=state.declarations.links.get(page.order, ()),
    )


def _seat(side: SideState, page: Page) -> Seat:
    return side.seats.get(page.order) or _BLANK


def _side_view(side: SideState, page: Page) -> SideView:
    seat = _seat(side, page)
    reason, since_turn, _ = side.moved[page.order]
    return SideView(
        fidelity=Fidelity(side.fidelity[page.order]),
        tokens=side.in_prompt[page.order],
        reason=reason,
        since_turn=since_turn,
        recency=seat.peak,
        faults=seat.faults,
        faults_inferred=seat.faults_inferred,
        insufficient=seat.insufficient,
        page_ins=seat.page_ins,
        demand_turns=tuple(seat.demand_turns),
        dirty=page.order in side.dirty,
        version=seat.version,
        pending_seq=side.incoming.get(page.order, 0) if side.index is None else page.text_seq,
    )


def _totals(side: SideState) -> SideTotals:
    totals = side.totals
    return SideTotals(
        policy=side.policy.name,
        budget=side.budget,
        tokens_used=side.tokens_used,
        required_tokens=side.required_tokens,
        floor_tokens=side.floor_tokens,
        insufficient_by=side.insufficient_by,
        faults=dict(totals.faults),
        faults_inferred=dict(totals.faults_inferred),
        insufficient=dict(totals.insufficient),
        alerts=totals.alerts,
        refreshes=totals.refreshes,
        hits=totals.hits,
        page_ins=totals.page_ins,
        page_in_tokens=totals.page_in_tokens,
        moved_tokens=totals.moved_tokens,
        thrash=totals.thrash,
        trace_sha256=side.chain,
        by_type={k: v for k, v in sorted(side.by_type.items()) if v},
        page_budget=side.page_budget,
        alerts_inferred=totals.alerts_inferred,
        hits_inferred=totals.hits_inferred,
        page_ins_inferred=totals.page_ins_inferred,
        page_in_tokens_inferred=totals.page_in_tokens_inferred,
        committed=totals.committed,
        rejected=dict(totals.rejected),
        reread_tokens=totals.reread_tokens,
        resident_tokens=side.resident_tokens,
        prefix_share=totals.prefix_share,
    )


def session_view(state: State) -> SessionView:
    """The header as it stands now. Raises ``ValueError`` before the session started."""
    primary = state.primary
    if primary is None:
        raise ValueError("the session has not started")
    return SessionView(
        harness=state.harness,
        mode=state.mode.value,
        model=state.model,
        window=state.window,
        window_source=state.window_source,
        reserve=state.reserve,
        turn=state.turn,
        applied_seq=state.seq,
        recorded_tokens=state.recorded_tokens,
        unseen_tokens=state.unseen_tokens,
        unseen_items=dict(state.unseen_items),
        stale_tokens=state.stale_tokens,
        fixed_tokens=state.fixed_tokens,
        pages=len(state.table.live),
        resident=primary.resident(),
        dirty=len(primary.dirty),
        parked=len(primary.journal.parked()),
        rejected_events=state.rejected,
        boundaries=state.boundaries,
        ended=state.ended,
        primary=_totals(primary),
        shadow=None if state.shadow is None else _totals(state.shadow),
        prompt_seq=state.prompt_seq,
    )
