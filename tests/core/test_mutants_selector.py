"""What no other test of the selectors noticed when it was changed (``python -m tests.mutation``)."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from memory.core import Event, decode_body, replay
from memory.core import selector as selector_module
from tests.core.cast import Session
from tests.reference import generate
from tests.reference.compare import differences


@pytest.mark.parametrize("policy", ["compaction_hybrid", "lru", "clawvm", "declared"])
def test_tables_too_large_to_be_ranked_give_the_same_turns(
    monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    """As where there are more steps than ranking them in advance pays for, always or from some turn on."""
    for seed in range(24):
        rng = Random(f"walked-{seed}")
        monkeypatch.setattr(selector_module, "_FEW", rng.choice((-1, 3, 8, 14)))
        workload = generate.workload(rng, 10, 12)
        chosen = generate.declared_policy(rng) if policy == "declared" else policy
        assert differences(workload, chosen, generate.budget(rng, workload)) == []


def test_a_page_that_left_and_came_back_is_raised_as_before() -> None:
    """It was demanded, left, a turn was closed without it, and it came back before its recency was gone."""
    session = Session(policy="clawvm", budget=1000)
    session.add("a")
    session.prompt()
    session.demand("a")
    session.prompt()
    session.feed("page_superseded", page_id="a")
    session.prompt()
    session.update("a", 100)
    session.prompt()
    assert session.fidelity("a") == "full"


def test_of_a_page_wanted_lately_the_steps_that_fit_are_taken() -> None:
    """Though its next one does not, in a turn in which another page arrives."""
    session = Session(policy="clawvm", budget=60)
    session.add("a", tokens={"pointer": 10, "structured": 15, "full": 90})
    session.prompt()
    session.demand("a", "pointer")
    session.add("b", "plan", tokens={"pointer": 40, "full": 90})
    session.prompt()
    assert session.fidelity("a") == "structured"


def test_new_text_of_a_page_that_has_no_room_moves_nothing() -> None:
    session = Session(policy="clawvm", budget=25)
    for name in "abc":
        session.add(name)
    session.prompt()
    session.update("c", 90)
    assert [o.page_id for o in session.prompt() if o.kind == "residency"] == []


def test_new_text_where_a_page_stands_is_no_fall() -> None:
    session = Session(policy="clawvm", budget=100)
    session.add("a", tokens={"full": 20})
    session.prompt()
    session.update("a", 30)
    assert [o.data["reason"] for o in session.prompt() if o.kind == "residency"] == ["prefetched"]


def test_a_rule_that_is_not_pinned_hard_is_there_because_it_was_asked_for() -> None:
    session = Session(policy="clawvm", budget=9)
    session.add("a", "constraint", pin="soft")
    session.prompt()
    session.feed("settings_changed", budget=10)
    session.declare("a", "structured")
    assert [o.data["reason"] for o in session.prompt() if o.kind == "residency"] == ["demanded"]


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


def small(session: Session, *pages: str, **fields: Any) -> None:
    for name in pages:
        session.add(name, tokens={"pointer": 10, "full": 20}, **fields)


def test_what_was_ranked_is_forgotten_when_there_is_more_than_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that gains recency, and one that comes back with some, count as more steps than before."""
    monkeypatch.setattr(selector_module, "_FEW", 3)
    session = Session(policy="clawvm", budget=30)
    small(session, "a")
    small(session, "b", base_utility=0.1)
    session.prompt()
    session.prompt()  # ranked as the first turn closed
    assert (session.fidelity("a"), session.fidelity("b")) == ("pointer", "full")
    session.demand("a", "pointer")
    session.prompt()
    assert (session.fidelity("a"), session.fidelity("b")) == ("full", "pointer")
    session.feed("page_superseded", page_id="a")
    session.prompt()
    session.prompt()  # ranked without it
    forms = {"pointer": {"tokens": 10}, "full": {"tokens": 20}}
    session.feed("page_updated", page_id="a", representations=forms)
    session.prompt()
    assert (session.fidelity("a"), session.fidelity("b")) == ("full", "pointer")


def test_a_recency_that_is_gone_no_longer_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selector_module, "_FEW", 7)
    own = {"name": "own", "upgrades": True, "recency_weight": 1.0}
    session = Session(policy="own", policies=[own], budget=20)
    for name in "ab":
        tokens = {"pointer": 20, "structured": 21, "compressed": 22, "full": 23}
        session.add(name, tokens=tokens)
    session.prompt()
    session.demand("a", "pointer")
    session.prompt()
    assert (session.fidelity("a"), session.fidelity("b")) == ("pointer", "absent")
    for _ in range(80):
        session.prompt()
    assert (session.fidelity("a"), session.fidelity("b")) == ("absent", "pointer")


@pytest.mark.parametrize(
    ("worth", "tokens", "budget", "first"),
    [((10, 1), (60, 20), 70, "a"), ((10, 2.5), (110, 20), 120, "b")],
)
def test_where_nothing_is_demanded_the_oracle_weighs_no_future(
    worth: tuple[float, float], tokens: tuple[int, int], budget: int, first: str
) -> None:
    """Also of pages that were there before it was asked for."""
    session = Session(policy="lru", budget=1)
    for name, base, full in zip("ab", worth, tokens, strict=True):
        session.add(name, base_utility=base, tokens={"pointer": 10, "full": full})
    session.prompt()
    oracle = decode_body("settings_changed", {"policy": "oracle", "budget": budget})
    last = decode_body("prompt_requested", {"request_id": "last"})
    more = [Event(session.state.seq + number, body) for number, body in enumerate((oracle, last), 1)]
    record = json.loads(replay([*session.events, *more]).trace[-1])
    changes = {page_id: label for page_id, label, _ in record["changes"]}
    assert changes == {"a": "pointer", "b": "pointer", first: "full"}
