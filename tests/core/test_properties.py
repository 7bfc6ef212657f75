"""What must hold for every stream of events, applicable or not."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from memory.core import (
    Event,
    Outcome,
    State,
    canonical,
    clone,
    decode_body,
    dump_state,
    encode_body,
    load_state,
    new_state,
    page_ids,
    page_view,
    session_view,
    step,
    touched,
)
from memory.core.selector import SelectionIndex
from memory.core.state import SideState
from memory.core.types import BoundaryKind, Fidelity
from tests.core.strategies import any_streams, streams

Stream = list[tuple[str, dict[str, Any]]]
Acted = list[tuple[str, dict[str, Any], str]]


def events(stream: Stream | Acted) -> list[Event]:
    return [Event(seq, decode_body(kind, body), *by) for seq, (kind, body, *by) in enumerate(stream, 1)]


def told_bytes(outcomes: list[Outcome]) -> bytes:
    """Outcomes as they would be stored."""
    return canonical([[o.seq, o.side.value, o.turn, o.kind, o.page_id, o.data] for o in outcomes])


@given(streams())
def test_never_over_budget_and_floor_kept_unless_said(stream: Stream) -> None:
    """A selected prompt fits its budget; with auto-pins every hard minimum stands or is named unmet."""
    state = new_state()
    for event in events(stream):
        for told in step(state, event):
            if told.kind != "prompt":
                continue
            side = state.primary if told.side == "primary" else state.shadow
            assert side is not None
            if not side.policy.selects:
                continue
            data = told.data
            assert data["tokens_used"] == side.resident_tokens == tokens_held(state, side)
            if data["page_budget"] is not None:
                assert data["tokens_used"] <= data["page_budget"]
            if side.policy.auto_pins:
                for order in state.table.hard:
                    page = state.table.pages[order]
                    assert side.fidelity[order] >= page.minimum or page.page_id in data["unmet"]
                assert bool(data["insufficient_by"]) <= bool(data["unmet"])


def tokens_held(state: State, side: SideState) -> int:
    return sum(p.tokens[f] for p, f in zip(state.table.pages, side.fidelity, strict=True))


@given(any_streams())
def test_no_dirty_page_is_lost_in_silence(stream: Acted) -> None:
    """A page stops being dirty only by a writeback, with a flush_miss on its side, because it left the table
    or by an undo of what made it dirty; and always it is told.
    """
    state = new_state()
    for event in events(stream):
        before = {side.side: set(side.dirty) for side in state.sides()}
        told = step(state, event)
        for side in state.sides():
            for order in before.get(side.side, set()) - set(side.dirty):
                page_id = state.table.pages[order].page_id
                mine = [o for o in told if o.side == side.side and o.page_id == page_id]
                lost = any(o.kind == "fault" and o.data["fault"] == "flush_miss" for o in mine)
                (why,) = [o.data["reason"] for o in mine if o.data.get("change") == "clean"]
                left = state.table.pages[order].status.value
                undone = event.body.KIND == "operator_undo" and why == "undone"
                assert lost == (why == "lost")
                assert lost or undone or why == "written back" or why == left != "live"


@given(any_streams())
def test_rejected_event_changes_nothing(stream: Acted) -> None:
    """A single outcome; the state differs from before in seq and the count of rejected events only."""
    state = new_state()
    for event in events(stream):
        before = clone(state)
        told = step(state, event)
        if any(o.kind == "rejected" for o in told):
            assert len(told) == 1
            before.seq, before.rejected = state.seq, state.rejected
            assert dump_state(before) == dump_state(state)


@given(any_streams(), st.data())
def test_any_cut_and_reload_gives_the_same_bytes(stream: Acted, data: st.DataObject) -> None:
    """fold(all) equals loading a snapshot of any prefix and going on, outcome for outcome."""
    cut = data.draw(st.integers(0, len(stream)))
    whole, parts = new_state(), new_state()
    for event in events(stream):
        if event.seq == cut:
            parts = load_state(dump_state(parts))
        assert told_bytes(step(whole, event)) == told_bytes(step(parts, event))
    assert dump_state(whole) == dump_state(parts)
    assert dump_state(clone(whole)) == dump_state(whole)


@given(streams())
def test_touched_names_every_page_that_changed(stream: Stream) -> None:
    """A page that ``touched`` leaves out has the same view as before."""
    state = new_state()
    for event in events(stream):
        before = {page_id: page_view(state, page_id) for page_id in page_ids(state)}
        changed = touched(step(state, event))
        for page_id in page_ids(state):
            if page_id not in changed:
                assert page_view(state, page_id) == before.get(page_id)


@given(streams())
def test_sums_and_indexes_stay_true(stream: Stream) -> None:
    """Every running sum equals the sum done anew; every index equals the one built from scratch."""
    state = new_state()
    for event in events(stream):
        step(state, event)
        table = state.table
        live = [p for p in table.pages if p.status == "live"]
        assert table.live == {p.order for p in live}
        assert table.minima == sum(p.tokens[p.served] for p in live)
        assert table.own_minima == sum(p.tokens[p.own_served] for p in live)
        for side in state.sides():
            assert side.resident_tokens == sum(side.in_prompt)
            assert side.resident() == sum(1 for p in live if side.fidelity[p.order])
            if side.index is not None:
                kept = side.index
                side.set_policy(side.policy, table)
                assert side.index is not None
                assert parts(kept) == parts(side.index)
        if state.started:
            session_view(state)


def parts(index: Any) -> Any:
    """All that a selector of the published policies keeps up."""
    if not isinstance(index, SelectionIndex):
        return None
    return (list(index.steps), index.prefetch, index.base, index.base_tokens, index.warmed)


@given(streams())
def test_counts_are_the_final_verdicts(stream: Stream) -> None:
    """Totals equal what the turn records say, so an amended verdict is counted once."""
    import json

    state = new_state()
    told = [o for event in events([*stream, ("session_ended", {})]) for o in step(state, event)]
    for side in state.sides():
        records = [json.loads(o.data["record"]) for o in told if o.kind == "turn" and o.side == side.side]
        faults = [f for r in records for f in r["faults"] if f["class"] == "policy" and f["exact"]]
        if side.next_log["faults"]:
            continue  # a loss after the last turn closed belongs to one that never began
        assert len(faults) == sum(side.totals.faults.values())
        page_ins = [(r, p) for r in records for p in r["page_ins"] if p[4]]
        assert len(page_ins) == side.totals.page_ins
        paid_only = sum([p[0], True] in r.get("caused_by_drop", []) for r, p in page_ins)
        hits = sum(1 for r in records for h in r["hits"] if h[2])
        assert hits + len(page_ins) - paid_only == side.totals.hits
        inferred = [f for r in records for f in r["faults"] if f["class"] == "policy" and not f["exact"]]
        assert len(inferred) == sum(side.totals.faults_inferred.values())
        for kind, counts in (("policy", side.totals.faults), ("insufficient", side.totals.insufficient)):
            told_faults = [f for r in records for f in r["faults"] if f["exact"] and f["class"] == kind]
            assert len(told_faults) == sum(counts.values())
        if not any(f["page_id"] is None or "expected" in f for r in records for f in r["faults"]):
            assert sum(seat.faults for seat in side.seats.values()) == sum(side.totals.faults.values())
        held = sum(seat.insufficient for seat in side.seats.values())
        assert held == sum(side.totals.insufficient.values())


@given(streams())
def test_bodies_survive_their_bytes(stream: Stream) -> None:
    """decode(encode(body)) is the body, and encoding is stable."""
    for event in events(stream):
        raw = encode_body(event.body)
        again = decode_body(event.body.KIND, raw)
        assert again == event.body
        assert encode_body(again) == raw


@given(streams())
def test_clawvm_has_no_fault_of_its_own_while_the_floor_fits(stream: Stream) -> None:
    """With rules pinned hard and handles that resolve, every miss at a prompt is of class insufficient.

    Repeated calls are left out: a result that came after the prompt is absent from it by definition.
    """
    state = new_state()
    kept = [
        (kind, body)
        for kind, body in stream
        if not kind.startswith(("operator", "tool", "settings")) and kind != "prompt_observed"
    ]
    kept[0][1].update(mode="enforced", policy="clawvm")
    for kind, body in kept:
        if kind == "page_created":
            body["page"].update(resolvable=True, inferred=False)
            if body["page"]["type"] in ("bootstrap", "constraint"):
                body["page"]["pin"] = "hard"
    for event in events(kept):
        for told in step(state, event):
            if told.kind == "fault" and told.side == "primary":
                assert told.data["class"] == "insufficient", told


@given(streams())
def test_flush_loses_nothing(stream: Stream) -> None:
    """A flush never makes a flush_miss."""
    state = new_state()
    for event in events(stream):
        told = step(state, event)
        if getattr(event.body, "kind", None) is BoundaryKind.FLUSH:
            assert not [o for o in told if o.kind == "fault"]


@settings(max_examples=30)
@given(streams())
def test_observed_side_is_what_the_record_shows(stream: Stream) -> None:
    """On a side that selects nothing a page is full, a pointer, or absent; acts never move it."""
    state = new_state()
    for event in events(stream):
        told = step(state, event)
        primary = state.primary
        if primary is None or primary.policy.selects:
            continue
        assert set(primary.fidelity) <= {Fidelity.ABSENT, Fidelity.POINTER, Fidelity.FULL}
        if event.body.KIND.startswith("operator_"):
            assert not [o for o in told if o.kind == "residency"]
