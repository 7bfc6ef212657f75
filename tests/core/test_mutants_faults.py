"""What no other test of the judging noticed when it was changed (``python -m tests.mutation``)."""

from __future__ import annotations

from copy import copy
from itertools import product

import pytest

from memory.core import SideView, clone, page_view, session_view
from tests.core.cast import Session, faults, of


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
