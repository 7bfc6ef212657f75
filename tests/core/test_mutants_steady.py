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
    """Below its top when it left: a refill after that raises others, and nothing of it is left behind."""
    session = Session(policy="clawweb", budget=200)
    session.add("a", tokens={"pointer": 10, "full": 150})
    session.add("b", tokens={"pointer": 10, "full": 190})
    session.prompt()
    session.demand("b", "pointer")
    session.prompt()
    session.feed(how, page_id="a")
    for _ in range(3):
        session.prompt()
        assert session.fidelity("a") == "absent"
    session.update("a", 20)
    session.prompt()
    assert session.fidelity("a") == "full"


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
