"""The oracle's look-ahead: turns that demand a page among this one's observed and the next three's."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from memory.core import POLICIES, Event, new_state, read_workload, replay, step, workload_events
from memory.core.events import PromptObserved, PromptRequested
from memory.core.oracle import LookAhead
from tests.core.cast import Session

PAGES = ("a", "b", "c")
PROMPTS = PromptRequested | PromptObserved


def page(page_id: str) -> dict[str, Any]:
    provenance = {"kind": "file", "ref": "x"}
    return {"page_id": page_id, "type": "evidence", "tokens": {"full": 100}, "provenance": provenance}


def demands(page_ids: list[str]) -> list[dict[str, str]]:
    return [{"page_id": page_id, "fidelity": "full"} for page_id in page_ids]


def ahead(events: list[Event]) -> list[dict[str, int]]:
    """What the look-ahead tells before each prompt."""
    look = LookAhead(events)
    return [look.at(event.seq) for event in events if isinstance(event.body, PROMPTS)]


lists = st.lists(st.sampled_from(PAGES), max_size=3)


@given(st.lists(st.tuples(lists, lists), max_size=8))
def test_it_is_what_the_definition_counts(turns: list[tuple[list[str], list[str]]]) -> None:
    """Straight from the sentence: this turn's observed, then declared or observed of the next three."""
    listed = [{"demands": demands(d), "observed": demands(o)} for d, o in turns]
    workload = read_workload({"pages": [page(p) for p in PAGES], "turns": listed})
    found = ahead(workload_events(workload, POLICIES["oracle"], 180))
    for number, (_, observed) in enumerate(turns):
        want = {}
        for page_id in PAGES:
            later = [d + o for d, o in turns[number + 1 : number + 4]]
            count = (page_id in observed) + sum(page_id in demanded for demanded in later)
            if count:
                want[page_id] = count
        assert found[number] == want


def test_a_declared_demand_of_this_turn_does_not_count() -> None:
    """It is required anyway; of a later turn it does."""
    listed = [{"demands": demands(["a"])}, {"demands": demands(["b"])}]
    workload = read_workload({"pages": [page(p) for p in PAGES], "turns": listed})
    assert ahead(workload_events(workload, POLICIES["oracle"], 180)) == [{"b": 1}, {}]


def test_a_prompt_that_is_refused_begins_no_turn() -> None:
    session = Session(budget=180)
    session.add("a")
    session.prompt()
    session.feed("prompt_requested", request_id="p1")  # the same request again
    session.feed("prompt_observed", request_id="x")  # not in an enforced session
    session.demand("a")
    session.declare("a")
    session.prompt()
    assert ahead(session.events) == [{"a": 2}, {}, {}, {}]


def test_it_holds_what_will_be_needed() -> None:
    """Two pages alike, room to have one in full: the oracle takes the one that is demanded later."""
    pages = [{**page(page_id), "tokens": {"pointer": 5, "full": 100}} for page_id in ("a", "b")]
    workload = read_workload({"pages": pages, "turns": [{}, {}, {"observed": demands(["a"])}]})
    found = {
        name: replay(workload_events(workload, POLICIES[name], 110)).metrics for name in ("clawvm", "oracle")
    }
    assert {name: metrics["page_ins"] for name, metrics in found.items()} == {"clawvm": 1, "oracle": 0}


def test_pages_that_are_not_there_yet() -> None:
    """What will be demanded may not have been created: it is passed over."""
    late = {**page("late"), "created": 2}
    listed = [{}, {}, {"demands": demands(["late"])}]
    workload = read_workload({"pages": [page("a"), late], "turns": listed})
    found = replay(workload_events(workload, POLICIES["oracle"], 100)).metrics
    assert (found["rejected_events"], found["total_faults"]) == (0, 0)


def test_it_is_the_shadow_of_an_observed_log() -> None:
    session = Session("observed", window=300)
    for page_id in PAGES:
        session.add(page_id)
    for page_id in ("a", "c"):
        session.prompt()
        session.demand(page_id)
    found = replay(session.events, POLICIES["oracle"], 200)
    assert (found.metrics["side"], found.metrics["total_faults"]) == ("shadow", 0)


def test_it_knows_from_its_first_prompt_on() -> None:
    """Where a log changes to it, the very next prompt is chosen with what comes."""
    session = Session(budget=110, policy="clawvm")
    for page_id in ("a", "b"):
        session.add(page_id, tokens={"pointer": 5, "full": 100})
    session.prompt()
    session.feed("settings_changed", policy="oracle")
    session.prompt()
    session.demand("a")
    assert replay(session.events).metrics["page_ins"] == 0


def test_it_is_refused_live() -> None:
    """Nobody knows what comes: not as policy, as shadow, by a change, nor by a policy of one's own."""
    assert "replay only" in Session(policy="oracle").refused()
    assert "replay only" in Session("observed", shadow_policy="oracle").refused()
    mine = {"name": "mine", "future_weight": 1.0}
    assert "replay only" in Session(policy="mine", policies=[mine]).refused()
    session = Session(budget=180)
    session.feed("settings_changed", policy="oracle")
    assert "replay only" in session.refused()
    state = new_state()
    told = [step(state, event) for event in session.events]
    assert told[-1][0].kind == "rejected"
