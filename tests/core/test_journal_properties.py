"""What must hold of the journal for every stream of events, applicable or not, delivered once or again.

``test_properties`` runs over these streams too: what holds of every event stands there.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from memory.core import (
    Event,
    Outcome,
    State,
    clone,
    decode_body,
    dump_state,
    new_state,
    step,
)
from memory.core.acts import values
from memory.core.state import SideState
from tests.core.strategies import journal_streams

Stream = list[tuple[str, dict[str, Any], str]]
few = settings(max_examples=max(20, settings.default.max_examples // 3))  # type: ignore[union-attr]


def events(stream: Stream) -> list[Event]:
    return [Event(seq, decode_body(kind, body), actor) for seq, (kind, body, actor) in enumerate(stream, 1)]


def folded(stream: Stream) -> tuple[State, list[Outcome]]:
    state = new_state()
    return state, [told for event in events(stream) for told in step(state, event)]


def notes(told: list[Outcome], side: SideState, *phases: str) -> list[Outcome]:
    return [o for o in told if o.kind == "journal" and o.side == side.side and o.data["phase"] in phases]


def sent(told: list[Outcome], side: SideState) -> list[str]:
    """Ids of the committed updates that the harness sent: those of ours name an event's seq."""
    ids = [o.data["update_id"] for o in notes(told, side, "committed")]
    return [update_id for update_id in ids if not update_id.startswith(("restore:", "implied:"))]


@few
@given(journal_streams())
def test_a_rejected_update_changes_nothing_but_the_journal(stream: Stream) -> None:
    """Pages, versions and residency are as before it; its page is clean, and it is parked with its reason."""
    state = new_state()
    for event in events(stream):
        before = clone(state)
        told = step(state, event)
        for side in state.sides():
            committed = Counter(o.page_id for o in notes(told, side, "committed"))
            rejected = [
                o for o in notes(told, side, "rejected") if not o.data["detail"].startswith("it cross")
            ]
            old = before.primary if side.side == "primary" else before.shadow
            for o in rejected:
                assert old is not None
                page = state.page(str(o.page_id))
                assert page is not None
                entry = side.journal.find(o.data["update_id"])
                assert entry is not None and (entry.state, entry.reason) == ("parked", o.data["reason"])
                assert page.order not in side.dirty
                versions = side.seats.version(page.order) - old.seats.version(page.order)
                assert versions == committed[page.page_id]
                was = before.page(page.page_id)
                assert was is not None and values(was) == values(page)
                assert side.fidelity == old.fidelity


@few
@given(journal_streams())
def test_one_commit_an_update_whatever_comes_again(stream: Stream) -> None:
    """No id is committed twice on a side, and each commit raises its page's version by one."""
    state = new_state()
    seen: set[tuple[str, str]] = set()
    for event in events(stream):
        before = {
            side.side: [side.seats.version(o) for o in range(len(state.table.pages))]
            for side in state.sides()
        }
        told = step(state, event)
        for side in state.sides():
            raised = Counter[int]()
            for o in notes(told, side, "committed"):
                assert (side.side, o.data["update_id"]) not in seen
                seen.add((side.side, o.data["update_id"]))
                raised[state.table.by_id[str(o.page_id)].order] += 1
            if event.body.KIND != "project_commit":
                for order, version in enumerate(before.get(side.side, [])):
                    assert side.seats.version(order) == version + raised[order]


@few
@given(journal_streams(), st.data())
def test_an_event_delivered_twice_commits_nothing_more(stream: Stream, data: st.DataObject) -> None:
    """Staging again right behind it, at the end, anywhere: the commits are the same."""
    place = data.draw(st.integers(1, len(stream)))
    again = [entry for entry in stream if entry[0] == "write_staged"]
    state, told = folded(stream)
    other, told_again = folded([*stream[:place], *(e for e in again if e in stream[:place]), *stream[place:]])
    for side in state.sides():
        assert sent(told, side) == sent(told_again, side)
    assert other.table.by_id.keys() == state.table.by_id.keys()


@few
@given(journal_streams())
def test_updates_never_vanish(stream: Stream) -> None:
    """Each that was staged is staged, parked, committed, lost with its page, dropped, or undone; and what is
    parked leaves only by an answer, or by the verdict it waited for.
    """
    state = new_state()
    where: dict[tuple[str, str], str] = {}
    for event in events(stream):
        told = step(state, event)
        for side in state.sides():
            for o in notes(told, side, "staged", "rejected", "committed", "lost", "resolved"):
                key, phase = (side.side.value, o.data["update_id"]), o.data["phase"]
                if where.get(key) == "rejected":
                    answered = phase == "resolved" and event.body.KIND == "write_resolved"
                    assert answered or (phase == "staged" and event.body.KIND == "write_judged")
                where[key] = phase
            for (name, update_id), phase in where.items():
                entry = side.journal.find(update_id)
                if name == side.side and not update_id.startswith("implied:"):
                    stands = {"staged": "staged", "rejected": "parked"}.get(phase)
                    assert (None if entry is None else entry.state) == stands


@few
@given(journal_streams())
def test_an_undo_puts_back_what_its_act_set(stream: Stream) -> None:
    """Right after it, every value that the act changed is what stood before the act."""
    state = new_state()
    for event in events(stream):
        told = step(state, event)
        for o in told:
            if o.kind == "act" and "undone_by" in o.data and o.data["state"] == "undone":
                before, after = o.data["before"], o.data["after"]
                for page_id, stood in before.items():
                    page = state.page(page_id)
                    assert page is not None
                    now = values(page)
                    for key, value in stood.items():
                        if after[page_id][key] != value:
                            assert now[key] == value


@few
@given(journal_streams())
def test_what_is_tried_on_a_copy_leaves_the_state_alone(stream: Stream) -> None:
    state = new_state()
    for event in events(stream):
        before, trial = dump_state(state), clone(state)
        step(trial, event)
        assert dump_state(state) == before
        step(state, event)
        assert dump_state(state) == dump_state(trial)
