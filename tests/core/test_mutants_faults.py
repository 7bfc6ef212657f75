"""What no other test of the judging noticed when it was changed (``python -m tests.mutation``)."""

from __future__ import annotations

from copy import copy
from itertools import product
from typing import Any

import pytest
from hypothesis import given

from memory.core import Event, SideView, clone, decode_body, new_state, page_view, session_view, step
from tests.core.cast import Session, faults, of
from tests.core.strategies import streams


def seat(session: Session, page_id: str = "a") -> SideView:
    view = page_view(session.state, page_id)
    assert view is not None
    return view.primary


def test_a_demand_above_an_operators_cap_is_no_hit() -> None:
    session = Session(policy="clawvm", budget=200)
    session.add("a")
    session.feed("operator_demote", "operator:me", page_ids=["a"], cap="pointer")
    session.prompt()
    told = session.demand("a")
    assert of(told, "hit") == []
    assert len(of(told, "page_in")) == 1
    assert seat(session).page_ins == 1
    assert session_view(session.state).primary.page_ins == 1


def test_the_page_says_when_it_was_demanded_and_missed() -> None:
    session = Session(policy="retrieval", budget=200)
    session.add("a")
    session.prompt()
    session.prompt()
    assert faults(session.demand("a")) == [("refetch", "a", "policy")]
    assert (seat(session).demand_turns, seat(session).faults, seat(session).faults_inferred) == ((2,), 1, 0)


def test_a_guessed_miss_is_counted_apart_on_the_page_too() -> None:
    session = Session(policy="retrieval", budget=200)
    session.add("a")
    session.prompt()
    assert len(faults(session.demand("a", exact=False))) == 1
    assert (seat(session).faults, seat(session).faults_inferred) == (0, 1)
    view = session_view(session.state).primary
    assert (view.faults, view.faults_inferred) == ({}, {"refetch": 1})


def test_a_guessed_repeat_is_an_alert_apart() -> None:
    session = Session(policy="clawvm", budget=200)
    session.add("a")
    session.prompt()
    session.call("read:a", "a")
    session.prompt()
    assert len(of(session.call("read:a", exact=False), "alert")) == 1
    view = session_view(session.state).primary
    assert (view.alerts, view.alerts_inferred) == (0, 1)
    assert len(of(session.call("read:a"), "alert")) == 1
    view = session_view(session.state).primary
    assert (view.alerts, view.alerts_inferred) == (1, 1)


def test_a_higher_demand_replaces_a_lower_one_and_no_lower_one_a_higher() -> None:
    session = Session(policy="clawvm", budget=30)
    session.add("a", tokens={"pointer": 10, "compressed": 40, "full": 100})
    session.prompt()
    session.demand("a", "compressed")
    session.demand("a", "full")
    view = session_view(session.state).primary
    assert (view.page_ins, view.page_in_tokens) == (1, 100)
    session.demand("a", "compressed")
    session.demand("a", "full")
    view = session_view(session.state).primary
    assert (view.page_ins, view.page_in_tokens, seat(session).page_ins) == (1, 100, 1)


TOKENS = {"pointer": 10, "compressed": 40, "full": 100}
LEVELS = tuple(TOKENS)
DEMANDS = [(level, exact) for level in LEVELS for exact in (True, False)]


@pytest.mark.parametrize("stands", ["pointer", "compressed"])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_of_several_demands_for_a_page_the_highest_counts_whatever_their_order(
    stands: str, length: int
) -> None:
    """And of the guessed ones the highest that asks for more than the exact one and comes out worse."""
    start = Session(policy="clawvm", budget=TOKENS[stands])
    start.add("a", tokens=TOKENS)
    start.prompt()
    for demands in product(DEMANDS, repeat=length):
        session = copy(start)
        session.state, session.outcomes = clone(start.state), []
        for level, exact in demands:
            session.demand("a", level, exact=exact)
        proved, guessed = (
            max((LEVELS.index(level) for level, exact in demands if exact is kind), default=-1)
            for kind in (True, False)
        )
        met = LEVELS.index(stands)
        if proved >= guessed or (proved >= 0 and (guessed <= met or proved > met)):
            guessed = -1
        view = session_view(session.state).primary
        paid, owed = (TOKENS[LEVELS[level]] if level > met else 0 for level in (proved, guessed))
        assert (view.hits, view.page_ins, view.page_in_tokens) == (proved >= 0, proved > met, paid), demands
        told = (view.hits_inferred, view.page_ins_inferred, view.page_in_tokens_inferred)
        assert told == (guessed >= 0, guessed > met, owed), demands


def test_a_declared_demand_is_one_of_the_turns_that_demanded_the_page() -> None:
    session = Session(policy="clawvm", budget=200)
    session.add("a")
    session.prompt()
    session.declare("a")
    session.prompt()
    assert seat(session).demand_turns == (2,)


def test_misses_of_one_prompt_are_told_in_table_order() -> None:
    """Not in that of a set: {1, 8} gives 8 first."""
    session = Session(policy="retrieval", budget=200)
    for number in range(9):
        session.add(f"p{number}", pin="hard" if number in (1, 8) else "none")
    missed = [page_id for _, page_id, _ in faults(session.prompt())]
    assert missed == ["p1", "p8"]


def test_where_nothing_is_selected_no_selection_is_blamed() -> None:
    """The call's result is not in the recorded prompt yet, and no decision kept it out."""
    session = Session("observed", budget=200)
    session.prompt()
    session.call("read:a")
    session.add("a")
    session.feed("tool_returned", call_id="c1", page_id="a")
    (again,) = of(session.call("read:a"), "fault")
    assert (again.data["fault"], again.data["cause"]) == ("duplicate_tool", None)


def test_what_selection_left_out_is_not_taken_for_a_harnesss_drop() -> None:
    """An enforced side misses the page by its own choice: its shadow's hit is a hit, not a drop's doing."""
    session = Session(policy="retrieval", budget=200, shadow_policy="clawvm")
    session.add("a")
    session.prompt()
    told = session.demand("a")
    assert faults(told) == [("refetch", "a", "policy")]
    (hit,) = of(told, "hit", "shadow")
    assert "caused_by_drop" not in hit.data
    shadow = session_view(session.state).shadow
    assert shadow is not None
    assert shadow.hits == 1


def test_a_pointer_that_does_not_resolve_does_not_hold_the_page() -> None:
    session = Session(policy="clawvm", budget=10)
    session.add("a", resolvable=False)
    session.prompt()
    session.call("read:a", "a")
    assert session.fidelity("a") == "pointer"
    told = session.call("read:a")
    assert faults(told) == [("duplicate_tool", "a", "policy")]
    assert of(told, "alert") == []


@pytest.mark.parametrize(("mode", "kind"), [("observed", "hit"), ("enforced", "page_in")])
def test_an_operators_minimum_raises_no_demand_on_a_recorded_side(mode: str, kind: str) -> None:
    """There the page's own minimum holds; where we select, the operator's does."""
    session = Session(mode, budget=50, settings={"harness_resolves": True})
    session.add("a")
    session.prompt()
    session.boundary("prune", dropped=["a"])
    session.prompt()
    assert session.fidelity("a") == "pointer"
    session.feed("operator_pin", "operator:me", page_ids=["a"], pin="soft", min_fidelity="full")
    told = session.demand("a", "pointer")
    assert [one.kind for one in told] == [kind]


def test_the_same_demand_again_tells_nothing() -> None:
    session = Session(policy="retrieval", budget=200)
    session.add("a")
    session.prompt()
    for exact in (False, True):
        assert len(faults(session.demand("a", exact=exact))) == 1
        assert session.demand("a", exact=exact) == []


def pruned(**fields: object) -> Session:
    """A page that the harness dropped, in a prompt whose shadow holds it whole."""
    session = Session("observed", budget=200, shadow_policy="clawweb", shadow_budget=200)
    session.add("a", tokens=TOKENS)
    session.prompt()
    session.boundary("prune", dropped=["a"], **fields)
    session.prompt()
    assert session.fidelity("a", "shadow") == "full"
    return session


def shadow_demanded(session: Session) -> tuple[int, ...]:
    view = page_view(session.state, "a")
    assert view is not None
    assert view.shadow is not None
    return view.shadow.demand_turns


def test_a_demand_that_only_the_drop_caused_is_no_demand_of_the_shadow_however_often() -> None:
    session = pruned()
    for _ in range(2):
        session.demand("a")
        assert shadow_demanded(session) == ()


def test_a_demand_that_the_drop_did_not_cause_is_one_of_the_shadow_though_a_higher_one_came_first() -> None:
    """The pointer that is left meets it, so the answer would have made it all the same."""
    session = pruned()
    session.demand("a")
    session.demand("a", "pointer")
    assert shadow_demanded(session) == (2,)


def test_of_two_demands_that_the_drop_caused_the_higher_is_no_hit_either() -> None:
    session = pruned(leaves_pointers=False)
    for level in ("compressed", "full"):
        (hit,) = of(session.demand("a", level), "hit", "shadow")
        assert hit.data["caused_by_drop"] is True
        shadow = session_view(session.state).shadow
        assert shadow is not None
        assert shadow.hits == 0
        assert shadow_demanded(session) == ()


def test_a_repeat_of_a_call_whose_result_was_given_up_is_not_judged() -> None:
    session = Session(policy="clawvm", budget=200)
    session.add("a")
    session.prompt()
    session.call("read:a", "a")
    session.feed("page_retired", page_id="a")
    for _ in range(2):
        assert session.call("read:a") == []
        session.prompt()


@pytest.mark.parametrize(("exact", "tokens"), [(True, 100), (False, 0)])
def test_only_an_exact_repeat_brings_tokens_again(exact: bool, tokens: int) -> None:
    session = Session(policy="retrieval", budget=200)
    session.add("a")
    session.prompt()
    session.call("read:a", "a")
    assert len(faults(session.call("read:a", exact=exact))) == 1
    assert session_view(session.state).primary.reread_tokens == tokens


@given(streams())
def test_a_page_in_and_a_miss_of_one_page_never_stand_in_one_turn(
    stream: list[tuple[str, dict[str, Any]]],
) -> None:
    """So a verdict that replaces one leaves nothing but hits of the page to be told."""
    state, seen = new_state(), {}
    for seq, (kind, body) in enumerate(stream, 1):
        for told in step(state, Event(seq, decode_body(kind, body))):
            if told.kind == "page_in" or told.data.get("fault") == "refetch":
                place = (told.side, told.turn, told.page_id)
                assert seen.setdefault(place, told.kind) == told.kind
