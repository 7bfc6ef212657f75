"""The published results on generated workloads: each policy's order, the zeros, and what they rest on.

The authors' workloads are not available, so no published figure can be met; what must hold is the order of
the policies. Where demands are *declared*, the zeros of ``lru``, ``clawvm`` and ``oracle`` hold by
construction: what is required is installed first, and what cannot be is of class ``insufficient``. For
*observed* demands they rest on the floor: where the minimum of every live page fits, a handle stands that
resolves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise, takewhile
from typing import Any

import pytest

from memory.core import POLICIES, Policy, read_workload, replay_workload
from tests.support import cases, optimum
from tests.support.optimum import LEVEL
from tests.support.traces import Record, records, residencies
from tests.support.workloads import BUDGETS, FAMILIES, PUBLISHED, Workload

CLAWVM = POLICIES["clawvm"]
LIVE = ("lru", "clawvm", "oracle", "clawweb")
ALL = (*PUBLISHED, "clawweb")
WRITES_NOTHING = ("retrieval", "retrieval_cached")


def run(workload: Workload, policy: Policy | str, budget: int) -> dict[str, Any]:
    """The metrics of one replay."""
    found = POLICIES[policy] if isinstance(policy, str) else policy
    return replay_workload(read_workload(workload), found, budget).metrics


def turns_of(workload: Workload, policy: str, budget: int) -> list[Record]:
    return records(replay_workload(read_workload(workload), POLICIES[policy], budget).trace)


@cache
def family(name: str, *, observed: bool) -> Workload:
    return FAMILIES[name](observed=observed)


@cache
def cells(policy: str, *, observed: bool) -> list[dict[str, Any]]:
    """The policy's metrics over all families and budgets."""
    return [run(family(name, observed=observed), policy, budget) for name in FAMILIES for budget in BUDGETS]


def mean(policy: str, what: str, *, observed: bool = False) -> float:
    rows = cells(policy, observed=observed)
    return sum(row[what] for row in rows) / len(rows)


def test_order_of_the_published_means() -> None:
    """Declared demands. The zeros hold by construction; the order of the others is the workloads'."""
    means = {name: mean(name, "total_faults") for name in PUBLISHED}
    order = ["retrieval", "retrieval_cached", "compaction_hybrid", "clawvm"]
    assert sorted(order, key=means.__getitem__, reverse=True) == order, means
    assert means["retrieval"] > 3 * means["retrieval_cached"] > 9 * means["compaction_hybrid"] > 0, means
    assert means["lru"] == means["clawvm"] == means["oracle"] == 0


def test_order_of_the_published_thrash() -> None:
    """Below retrieval and below compaction_hybrid, as published; it cannot be 0, for alerts count in it."""
    means = {name: mean(name, "thrash") for name in PUBLISHED}
    assert means["retrieval"] > means["compaction_hybrid"] > means["clawvm"] > 0, means


def test_zeros_with_observed_demands() -> None:
    """The harder test: nothing is declared, so everything rests on the floor, which fits at every budget
    here; what declares nothing to retrieval leaves it with nothing at all.
    """
    means = {name: mean(name, "total_faults", observed=True) for name in PUBLISHED}
    assert means["retrieval"] == means["retrieval_cached"] > 100 * means["compaction_hybrid"] > 0, means
    for name in LIVE:
        assert all(row["faults"] == row["insufficient"] == {} for row in cells(name, observed=True)), name
        assert sum(row["page_ins"] for row in cells(name, observed=True)) > 100  # met, at a price


@pytest.mark.parametrize("observed", [False, True], ids=["declared", "observed"])
@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_what_they_say(name: str, observed: bool) -> None:
    """Sizes as asked for, the demands in their variant's list, and the same bytes from the same seed."""
    made = FAMILIES[name](3, pages=40, turns=30, observed=observed, scale=10)
    assert (len(made["pages"]), len(made["turns"])) == (40, 30)
    empty, used = ("demands", "observed") if observed else ("observed", "demands")
    assert not any(turn[empty] for turn in made["turns"]) and any(turn[used] for turn in made["turns"])
    assert made == FAMILIES[name](3, pages=40, turns=30, observed=observed, scale=10)
    assert made != FAMILIES[name](4, pages=40, turns=30, observed=observed, scale=10)
    read_workload(made)


def test_ablations_at_180() -> None:
    """Without pointer resolution many faults (126 as published), without upgrade scoring none more."""
    unresolving = replace(CLAWVM, name="unresolving", resolves=False)
    unscored = replace(
        CLAWVM, name="unscored", base_weight=0.0, hard_weight=0.0, soft_weight=0.0, recency_weight=0.0,
        recompute_weight=0.0,
    )  # fmt: skip
    stuck = replace(CLAWVM, name="stuck", upgrades=False)
    for observed in (False, True):
        faults = Counter[str]()
        for policy in (unresolving, unscored, stuck):
            for name in FAMILIES:
                faults[policy.name] += run(family(name, observed=observed), policy, 180)["total_faults"]
        assert faults["unresolving"] > 50, faults
        assert faults["unscored"] == faults["stuck"] == 0, faults


@pytest.mark.parametrize("name", ALL)
def test_task_replays(name: str) -> None:
    """30 tasks at budget 180: all succeed under the policies with the guarantees; published for
    compaction_hybrid are 76.7 %, here it fails those tasks that resume after a reset, by our choice seven.
    """
    won = [task.succeeded(turns_of(task.workload, name, 180)) for task in cases.tasks()]
    assert len(won) == 30
    if name in LIVE:
        assert all(won)
    elif name == "compaction_hybrid":
        assert [i for i, success in enumerate(won) if not success] == list(range(3, 30, 4))
    else:
        assert sum(won) < 23  # fewer than under compaction_hybrid


@pytest.mark.parametrize("name", ALL)
def test_moved_tokens_and_prefix_are_as_defined(name: str) -> None:
    """Worked out again from the trace's residency and the workload's sizes alone."""
    workload = FAMILIES["research"](turns=25, observed=True)
    replay = replay_workload(read_workload(workload), POLICIES[name], 200)
    held = [{p: LEVEL[label] for p, label in s.items()} for s in residencies(records(replay.trace))]
    prompts = optimum.prompts(workload, 200)
    assert replay.metrics["moved_tokens"] == optimum.moved_tokens(prompts, held)
    stood = same = 0
    sizes = {p["page_id"]: {LEVEL[label]: n for label, n in p["tokens"].items()} for p in workload["pages"]}
    order = [page["page_id"] for page in sorted(workload["pages"], key=_created)]
    for before, now in pairwise(held):
        stood += sum(sizes[page_id][form] for page_id, form in now.items())
        alike = takewhile(lambda p, a=before, b=now: a.get(p) == b.get(p), order)
        same += sum(sizes[page_id][now[page_id]] for page_id in alike if page_id in now)
    assert replay.metrics["prefix_share"] == (same / stood if stood else 0.0)
    assert 0 <= same < stood or name.startswith("retrieval")


def _created(page: dict[str, Any]) -> int:
    return int(page["created"])


# --- stress ---


@pytest.mark.parametrize("name", LIVE)
def test_starvation_is_said(name: str) -> None:
    """Budget 40, pinned minimum 60: class insufficient, by 20 tokens, in every turn; never over budget."""
    turns = turns_of(cases.starvation(), name, 40)
    assert [(t["insufficient_by"], t["unmet"]) for t in turns] == [(20, ["rule"])] * 5
    assert [[f["class"] for f in t["faults"]] for t in turns] == [["insufficient"]] * 5
    assert all(t["tokens_used"] <= 40 for t in turns)
    assert run(cases.starvation(), name, 40)["faults"] == {}


def test_churn() -> None:
    """Fifty fresh results in fifty turns, each wanted again for five turns (published: 0 against 298).

    The demands are observed and budget 300 holds the fifty handles, so the zeros rest on the floor; the
    resolution of handles is what retrieval lacks, and nothing else would help it: see retrieval_cached.
    """
    for name in LIVE:
        assert run(cases.churn(), name, 300)["total_faults"] == 0, name
    assert run(cases.churn(), "retrieval", 300)["total_faults"] > 200
    assert run(cases.churn(), "retrieval_cached", 300)["total_faults"] > 200


def test_cascade() -> None:
    """Nine resets, seven with the plan dirty (published: 0 against 7). The zeros hold by construction: the
    policy writes back before a reset.
    """
    for name in LIVE:
        metrics = run(cases.cascade(), name, 180)
        assert metrics["faults"] == {} and metrics["committed"] == 9
    assert run(cases.cascade(), "compaction_hybrid", 180)["faults"] == {"flush_miss": 7}
    assert run(cases.cascade(), "retrieval", 180)["faults"]["flush_miss"] == 9


# --- the six lifecycle gates ---

#: Gate → workload, budget, and the fault it shows with those policies of the published ones that show it.
GATES: dict[str, tuple[Callable[[], Workload], int, dict[str, dict[str, int]]]] = {
    "post-compaction bootstrap": (
        cases.post_compaction_bootstrap, 100, {
            "compaction_hybrid": {"post_compaction_bootstrap": 1, "pinned_invariant_miss": 1},
            "retrieval": {"post_compaction_bootstrap": 1, "pinned_invariant_miss": 1},
            "retrieval_cached": {"post_compaction_bootstrap": 1, "pinned_invariant_miss": 1},
        },
    ),
    "reset with dirty pages": (
        cases.reset_with_dirty_pages, 300, {
            name: {"flush_miss": 1} for name in (*WRITES_NOTHING, "compaction_hybrid")
        },
    ),
    "threshold-jump race": (
        cases.threshold_jump, 30, {name: {"flush_miss": 1} for name in WRITES_NOTHING},
    ),
    "silent recall": (
        cases.silent_recall, 100, {
            name: {"silent_recall": 1} for name in (*WRITES_NOTHING, "compaction_hybrid")
        },
    ),
    "unsafe persistence": (
        cases.unsafe_persistence, 500, {name: {"pinned_invariant_miss": 3} for name in WRITES_NOTHING},
    ),
    "evidence churn": (
        cases.evidence_churn, 150, {name: {"duplicate_tool": 1} for name in WRITES_NOTHING},
    ),
}  # fmt: skip


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("name", ALL)
def test_lifecycle_gates(gate: str, name: str) -> None:
    """Each gate shows its fault under the policies that lack what it asks for, and nothing under the rest."""
    make, budget, faults = GATES[gate]
    metrics = run(make(), name, budget)
    assert metrics["insufficient"] == {}
    assert metrics["faults"] == faults.get(name, {})
    if gate == "evidence churn" and name not in WRITES_NOTHING:
        assert metrics["alerts"] == 1  # repeated all the same, but its result was there


@pytest.mark.parametrize("name", ["compaction_hybrid", *LIVE])
def test_unsafe_persistence_is_rejected(name: str) -> None:
    """Five updates are parked, each with its reason; the sound one between them is committed."""
    turns = turns_of(cases.unsafe_persistence(), name, 500)
    journal = [entry for turn in turns for entry in turn["journal"]]
    assert {e["update_id"]: e["reason"] for e in journal if e["phase"] == "rejected"} == cases.UNSAFE
    assert [e["update_id"] for e in journal if e["phase"] == "committed"] == ["good"]
    metrics = run(cases.unsafe_persistence(), name, 500)
    assert (metrics["committed"], metrics["rejected"]) == (1, dict(Counter(cases.UNSAFE.values())))


def test_the_flush_comes_before_the_compaction() -> None:
    """In the threshold jump the update is committed by the flush, so that the compaction finds nothing dirty
    although the plan does not stand at full in the prompt after it.
    """
    for name in ("compaction_hybrid", *LIVE):
        (last,) = turns_of(cases.threshold_jump(), name, 30)[1:]
        assert [(b["boundary"], b["committed"], b["at_risk"]) for b in last["boundaries"]] == [
            ("flush", 1, 0),
            ("compaction", 0, 0),
        ]
