"""What no other test of ``clawweb`` noticed when it was changed (``python -m tests.mutation``)."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest

from memory.core import clone, dump_state, step
from tests.core.cast import Session
from tests.reference import generate
from tests.reference.compare import differences

TIMES = int(os.environ.get("CLAWWEB_EXAMPLES", "15"))
WORTHS = ((0, 0), (0, 0), (50, 0), (100, 0), (0, 100))  # of 0, 1, 2 and 1 at the weights of clawweb


OWN = {
    "name": "own", "steady": True, "auto_pins": True, "prefetch": True, "upgrades": True, "resolves": True,
    "base_weight": 0.02, "recency_weight": 1.0,
}  # fmt: skip


def crowd(rng: Random, turns: int) -> dict[str, Any]:
    """Pages of few sizes and few worths that arrive all the time and stand close to the marks."""
    unit = rng.choice((1, 5, 10))
    pages = []
    for number in range(rng.randrange(2, 12)):
        kind = rng.choice(("evidence", "evidence", "evidence", "conversation", "plan", "constraint"))
        path = generate.PATHS[kind]
        kept = [label for label in path[:-1] if rng.randrange(10) < 7] + ["full"]
        counts = sorted(rng.sample(range(1, 9), len(kept)))
        base, cost = rng.choice(WORTHS)
        page = {
            "page_id": f"p{number}", "type": kind, "provenance": {"kind": "file", "ref": "x"},
            "tokens": {label: count * unit for label, count in zip(kept, counts, strict=True)},
            "base_utility": base, "recompute_cost": cost, "created": rng.choice((0, rng.randrange(turns))),
        }  # fmt: skip
        if rng.randrange(4) == 0:
            page["min_fidelity"] = rng.choice(path)
        if rng.randrange(4) == 0:
            page["pin"] = rng.choice(("none", "soft", "hard"))
        pages.append(page)
    return {"pages": pages, "turns": [moment(rng, pages, number) for number in range(turns)]}


def moment(rng: Random, pages: list[dict[str, Any]], number: int) -> dict[str, Any]:
    """One turn of them."""
    here = [page["page_id"] for page in pages if page["created"] <= number]
    found: dict[str, Any] = {}
    for name in ("demands", "observed") if here else ():
        if rng.randrange(10) < 4:
            ids = rng.choices(here, k=rng.choice((1, 1, 2)))
            found[name] = [{"page_id": p, "fidelity": rng.choice(generate.ORDER[1:])} for p in ids]
    if rng.randrange(8) == 0:
        found["lifecycle"] = rng.choice(("compaction", "reset", "flush"))
    return found


def marks(rng: Random) -> dict[str, Any]:
    """A steady policy whose marks are met exactly now and then; recency 1 is one demand, 1.88 two."""
    if rng.randrange(3) == 0:
        return {"name": "own", **generate.steady_part(rng), "recency_weight": 1, "base_weight": 0.02}
    refill, low, high = sorted(rng.choice((0, 20, 40, 50, 60, 80, 100)) for _ in range(3))
    return {
        "name": "own", **generate.steady_part(rng), "high_water_percent": high, "low_water_percent": low,
        "refill_percent": refill, "raise_above": rng.choice((0, 1, 1, 1.5, 1.88)), "base_weight": 0.02,
        "hard_weight": 2, "soft_weight": 0.6, "recency_weight": 1, "recompute_weight": 0.01,
    }  # fmt: skip


def test_crowds_close_to_the_marks_give_the_turns_of_the_reference() -> None:
    for seed in range(TIMES * 16):
        rng = Random(f"crowd-{seed}")
        workload = crowd(rng, rng.choice((4, 10, 20)))
        full = sum(page["tokens"]["full"] for page in workload["pages"])
        budget = rng.choice((generate.budget(rng, workload), full // 2, rng.randrange(full + 9)))
        policy: Any = "clawweb" if rng.randrange(3) == 0 else marks(rng)
        assert differences(workload, policy, budget) == [], (seed, policy, budget)


@pytest.mark.parametrize("how", ["page_retired", "page_superseded"])
def test_a_page_that_left_takes_and_gives_no_room(how: str) -> None:
    """Below its top when it left: a fill after that raises others, and nothing of it comes back."""
    session = Session(policy="clawweb", budget=200)
    session.add("a", tokens={"pointer": 10, "compressed": 60, "full": 170})
    session.add("b", tokens={"pointer": 10, "full": 190})
    session.prompt()
    assert session.fidelity("a") == "compressed"
    session.feed(how, page_id="a")
    for _ in range(3):
        session.prompt()
        assert session.fidelity("a") == "absent"


@pytest.mark.parametrize(
    ("worth", "demanded", "arrivals", "first"),
    [(0, False, 0, "b"), (25, False, 0, "a"), (0, True, 25, "a"), (0, True, 50, "b")],
)
def test_an_arrival_is_worth_one_demand_more(worth: int, demanded: bool, arrivals: int, first: str) -> None:
    """Of a page that fell and one that arrives only one can be raised; the first arrived the turn before."""
    session = Session(policy="own", policies=[{**OWN, "refill_percent": 80}], budget=20)
    session.add("a", base_utility=worth, tokens={"pointer": 10, "full": 60})
    session.prompt()
    if demanded:
        session.demand("a", "pointer")
    session.feed("settings_changed", budget=100)
    session.add("b", base_utility=arrivals, tokens={"pointer": 10, "full": 60})
    session.prompt()
    assert [name for name in "ab" if session.fidelity(name) == "full"] == [first]


def crowded(beside: int, **policy: int) -> Session:
    """A page that no fill could raise, one that arrived when 10 tokens were free and needs 15, and others."""
    session = Session(policy="own", policies=[{**OWN, **policy}], budget=100)
    session.add("a", tokens={"pointer": 5, "full": 200})
    if beside:
        session.add("x", tokens={"full": beside})
    session.prompt()
    session.add("d", tokens={"full": 60 - beside})
    session.add("c", tokens={"pointer": 5, "full": 20})
    session.prompt()
    assert session.fidelity("c") == "pointer"
    session.feed("page_retired", page_id="d")
    session.prompt()
    return session


@pytest.mark.parametrize(
    ("beside", "refill", "at"), [(0, 30, "full"), (20, 30, "full"), (21, 30, "pointer"), (55, 80, "full")]
)
def test_much_room_is_what_the_refill_mark_says_and_is_used_to_the_low_mark(
    beside: int, refill: int, at: str
) -> None:
    """At the mark there is much room, a token above it there is not; a step that just fits is taken."""
    assert crowded(beside, refill_percent=refill).fidelity("c") == at


def test_where_room_is_not_much_only_arrivals_are_raised() -> None:
    session = Session(policy="clawweb", budget=50)
    session.add("x", tokens={"full": 40})
    session.add("c", tokens={"pointer": 5, "full": 20})
    session.prompt()
    session.feed("settings_changed", budget=100)
    session.demand("c", "pointer")
    session.add("b", tokens={"pointer": 5, "full": 10})
    session.prompt()
    assert (session.fidelity("b"), session.fidelity("c")) == ("full", "pointer")


def test_a_copy_of_a_steady_side_goes_on_like_it() -> None:
    session = Session(policy="clawweb", budget=100)
    for name in "abc":
        session.add(name, tokens={"pointer": 10, "compressed": 30, "full": 60})
    session.prompt()
    other = clone(session.state)
    session.demand("a")
    session.prompt()
    for event in session.events[-2:]:
        step(other, event)
    assert dump_state(session.state) == dump_state(other)


ONE_MARK = {"low_water_percent": 80, "refill_percent": 80}


def close_to_the_mark(*pages: str) -> Session:
    """80 tokens may be used; ``y`` gives 20 of them back when it goes, and leaves 24 then.

    ``c`` needs 15 more to stand whole, ``d`` 39.
    """
    session = Session(policy="own", policies=[{**OWN, **ONE_MARK}], budget=100)
    session.add("x", tokens={"full": 50 if "d" in pages else 54})
    session.add("y", tokens={"full": 20})
    for one in pages:
        add(session, one)
    session.prompt()
    return session


def add(session: Session, one: str) -> None:
    session.add(one, tokens={"c": {"pointer": 5, "full": 20}, "d": {"pointer": 1, "full": 40}}[one])


@pytest.mark.parametrize("first", ["c", "d", "cd"])
def test_a_fill_that_failed_keeps_no_step_that_fits_later_from_being_taken(first: str) -> None:
    """Not one of a page that waited while arrivals were tried, nor of one that came after the fill, nor the
    cheaper of two that waited.
    """
    session = close_to_the_mark(*first)
    session.prompt()
    for one in "cd":
        if one not in first:
            add(session, one)
    session.prompt()
    assert (session.fidelity("c"), session.fidelity("d")) == ("pointer", "pointer")
    session.feed("page_retired", page_id="y")
    session.prompt()
    assert (session.fidelity("c"), session.fidelity("d")) == ("full", "pointer")


def test_rules_come_first_in_a_tight_prompt_only_after_a_boundary() -> None:
    """Both are demanded and one fits; the softly pinned one comes first, unless the rule is due."""
    both = {"structured": 10, "full": 100}
    for boundary, b, r in (("", "full", "absent"), ("compaction", "absent", "full")):
        session = Session(policy="clawweb", budget=100)
        session.add("b", "plan", tokens=both, pin="soft")
        session.add("r", "constraint", tokens=both, pin="none")
        if boundary:
            session.boundary(boundary)
        session.declare("b")
        session.declare("r")
        session.prompt()
        assert (session.fidelity("b"), session.fidelity("r")) == (b, r)


def test_in_a_press_the_earlier_of_two_pages_of_equal_worth_gives_back_first() -> None:
    """Also where the later one is looked at before it, for its text is new."""
    policy = {**OWN, "recency_weight": 0.0, "low_water_percent": 100}
    session = Session(policy="own", policies=[policy], budget=200)
    for name in "ab":
        session.add(name)
    session.prompt()
    session.feed("settings_changed", budget=150)
    session.feed(
        "page_updated", page_id="b", representations={"pointer": {"tokens": 10}, "full": {"tokens": 100}}
    )
    session.prompt()
    assert (session.fidelity("a"), session.fidelity("b")) == ("pointer", "full")
