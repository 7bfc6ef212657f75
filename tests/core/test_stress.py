"""The published stress cases: starvation, churn and a cascade of resets."""

from __future__ import annotations

from memory.core import session_view
from tests.core.cast import Session, faults, of


def test_starvation_is_said_never_silent() -> None:
    """Budget 40, pinned minimum 60: every prompt says by how much and because of which page."""
    session = Session(policy="clawvm", budget=40)
    session.add("rule", "constraint", tokens={"structured": 60, "full": 90})
    for _ in range(5):
        (prompt,) = of(session.prompt(), "prompt")
        assert (prompt.data["insufficient_by"], prompt.data["unmet"]) == (20, ["rule"])
    view = session_view(session.state).primary
    assert (view.faults, view.insufficient) == ({}, {"pinned_invariant_miss": 5})


def churn(policy: str) -> int:
    session = Session(policy=policy, budget=700)
    for number in range(50):
        session.add(f"ev{number}", tokens={"pointer": 5, "full": 80}, base_utility=5, recompute_cost=8)
        session.prompt()
        for back in range(min(6, number)):
            session.demand(f"ev{number - back}")
    return sum(session_view(session.state).primary.faults.values())


def test_churn() -> None:
    """Fifty fresh evidence pages in fifty turns: none under clawvm, hundreds under retrieval."""
    assert churn("clawvm") == churn("lru") == 0
    assert churn("retrieval") > 200


def test_cascade_of_resets_with_dirty_pages() -> None:
    """Nine resets in thirty turns: clawvm writes back before each, compaction_hybrid at none."""
    for policy, want in (("clawvm", 0), ("compaction_hybrid", 9)):
        session = Session(policy=policy, budget=300)
        session.add("plan", "plan")
        for turn in range(1, 31):
            session.dirty("plan")
            if turn % 3 == 0 and turn <= 27:
                session.boundary("reset")
            session.prompt()
        assert len([f for f in faults(session.outcomes) if f[0] == "flush_miss"]) == want
