"""What no other test of the selectors noticed when it was changed (``python -m tests.mutation``)."""

from __future__ import annotations

from random import Random

import pytest

from memory.core import dump_state, load_state
from memory.core import selector as selector_module
from tests.core.cast import Session
from tests.reference import generate
from tests.reference.compare import differences
from tests.reference.policies import TABLE


@pytest.mark.parametrize("policy", TABLE)
def test_tables_too_large_to_be_ranked_give_the_same_turns(
    monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    """Nothing is ranked in advance, as where there are more steps than that pays for."""
    monkeypatch.setattr(selector_module, "_FEW", -1)
    for seed in range(12):
        rng = Random(f"walked-{seed}")
        workload = generate.workload(rng, 10, 12)
        assert differences(workload, policy, generate.budget(rng, workload)) == []


def test_a_page_that_left_and_came_back_is_raised_as_before() -> None:
    """It was demanded, left, a turn was closed without it, and it came back before its recency was gone."""
    session = Session(policy="clawvm", budget=1000)
    session.add("a")
    session.prompt()
    session.demand("a")
    session.feed("page_superseded", page_id="a")
    session.prompt()
    session.update("a", 100)
    again = load_state(dump_state(session.state))
    session.prompt()
    assert session.fidelity("a") == "full"
    assert again.seq == session.state.seq - 1


def test_a_page_that_left_before_room_was_short_gets_no_pointer() -> None:
    session = Session(policy="clawvm", budget=25)
    for name in ("a", "b", "c"):
        session.add(name)
    session.feed("page_retired", page_id="a")
    session.add("d")
    session.prompt()
    assert [session.fidelity(name) for name in ("b", "c", "d")] == ["pointer", "pointer", "absent"]
    assert session.fidelity("a") == "absent"


@pytest.mark.parametrize("tokens", [1, 2])
def test_a_step_of_one_token_is_a_step(tokens: int) -> None:
    """For a page with recency in a turn in which another page arrives, and in one in which none does."""
    session = Session(policy="clawvm", budget=40)
    session.add("a", tokens={"pointer": 10, "full": 10 + tokens})
    session.prompt()
    session.demand("a")
    session.add("b", "plan", tokens={"pointer": 29 - tokens, "full": 90})
    session.prompt()
    assert session.fidelity("a") == "full"


def test_what_room_is_left_is_used_to_the_last_token() -> None:
    for budget, at in ((101, "full"), (100, "structured")):
        session = Session(policy="clawvm", budget=budget)
        session.add("a", "plan", tokens={"structured": 100, "full": 101}, min_fidelity="structured")
        session.prompt()
        session.prompt()
        assert session.fidelity("a") == at
