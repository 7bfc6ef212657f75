"""Greedy selection beside the exact optimum: of one selection, and of whole workloads with full look-ahead.

Small cases only, so that this stays fast; ``python -m tests.bench optimum`` says how far greedy is from it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from memory.core import POLICIES, read_workload, replay_workload
from tests.support import optimum
from tests.support.optimum import LEVEL
from tests.support.selections import SCORED, held, selections
from tests.support.traces import records, residencies
from tests.support.workloads import PUBLISHED, anything

GUARANTEED = [name for name in ("lru", "clawvm", "clawweb") if name in POLICIES]


@pytest.mark.parametrize("name", SCORED)
def test_upgrades_are_worth_no_more_than_the_best(name: str) -> None:
    """Brute force and program agree on the most worth above the floor, and greedy never claims more."""
    short = 0
    for seed in range(12):
        workload = anything(seed, pages=5, turns=3)
        for ladders, room, got in selections(workload, name, 30 + 11 * seed):
            best = optimum.most_worth_by_force(ladders, room)
            assert optimum.most_worth(ladders, room) == pytest.approx(best)
            assert got <= best + 1e-9
            short += got < best - 1e-9
    assert short  # greedy is not the optimum: a test that only ever sees equality proves nothing


@pytest.mark.parametrize("seed", range(12))
def test_the_floor_is_the_best_in_priority_order(seed: int) -> None:
    """Walking on past what does not fit installs the lexicographically largest set, if not the most pages."""
    workload, budget = anything(seed, pages=7, turns=3), 40 + 5 * seed
    floors = held(workload, replace(POLICIES["clawvm"], name="floor", prefetch=False, upgrades=False), budget)
    for number, floor in enumerate(floors):
        pages = {page["page_id"]: page for page in workload["pages"]}
        order = list(pages)
        levels = optimum.required_levels(workload, number)
        queue = sorted(levels, key=lambda p: (*_priority(pages[p]), order.index(p)))
        tokens = [optimum.tokens_at(pages[p], optimum.serving(pages[p], levels[p])) for p in queue]
        ranked = optimum.most_met_by_force(tokens, budget, ranked=True)
        most = optimum.most_met_by_force(tokens, budget, ranked=False)
        assert tuple(page_id in floor for page_id in queue) == ranked
        assert optimum.most_met(tokens, budget, ranked=True) == ranked
        assert sum(optimum.most_met(tokens, budget, ranked=False)) == sum(most) >= sum(ranked)


def _priority(page: dict[str, Any]) -> tuple[int, int, float]:
    rank = {"bootstrap": 2, "constraint": 1}.get(page["type"], 0)
    return (-{"hard": 2, "soft": 1, "none": 0}[optimum.pin(page)], -rank, -page["base_utility"])


@pytest.mark.parametrize("seed", range(10))
def test_least_cost_of_a_prompt(seed: int) -> None:
    """Brute force and program find the same least faults, misses and page-in tokens."""
    workload = anything(seed, pages=6, turns=4, pinned_rules=seed % 2 == 0)
    for budget in (25, 70, 140):
        for prompt in optimum.prompts(workload, budget):
            assert optimum.least(prompt, budget) == optimum.least_by_force(prompt, budget)


@pytest.mark.parametrize("traffic", [False, True], ids=["moved", "traffic"])
def test_least_moved_tokens(traffic: bool) -> None:
    """Brute force and program agree on the least that must move, turns bound together."""
    total = 0
    for seed in range(6):
        workload, budget = anything(seed, pages=4, turns=4), 60
        found = optimum.prompts(workload, budget)
        costs = [optimum.least_by_force(prompt, budget) for prompt in found]
        want = optimum.least_moved_by_force(found, budget, costs, traffic=traffic)
        assert optimum.least_moved(found, budget, costs, traffic=traffic) == want
        total += want
    assert total


@pytest.mark.parametrize("seed", range(8))
def test_no_policy_beats_the_optimum(seed: int) -> None:
    """Faults, misses and page-in tokens of every policy are at least those with full look-ahead, in every
    prompt; the judge's figures are those of the cost model.
    """
    workload = anything(seed, pages=8, turns=6)
    for budget in (40, 90, 160):
        found = optimum.prompts(workload, budget)
        least = [optimum.least(prompt, budget) for prompt in found]
        for name in [n for n in (*PUBLISHED, "clawweb") if n in POLICIES]:
            replay = replay_workload(read_workload(workload), POLICIES[name], budget)
            metrics = replay.metrics
            seats = [{p: LEVEL[label] for p, label in s.items()} for s in residencies(records(replay.trace))]
            costs = [optimum.cost_of(p, s) for p, s in zip(found, seats, strict=True)]
            assert all(cost >= best for cost, best in zip(costs, least, strict=True))
            if POLICIES[name].resolves:
                lost = metrics["faults"].get("flush_miss", 0) + metrics["faults"].get("silent_recall", 0)
                told = metrics["total_faults"] - lost, sum(metrics["insufficient"].values())
                assert (*told, metrics["page_in_tokens"]) == optimum.total(costs)


@pytest.mark.parametrize("name", GUARANTEED)
def test_no_policy_moves_less_than_the_optimum(name: str) -> None:
    """Of all residency sequences that cost no more than the policy's own, one moves least."""
    moved = 0
    for seed in range(4):
        workload, budget = anything(seed, pages=6, turns=5), 80
        found, seats = optimum.prompts(workload, budget), held(workload, POLICIES[name], budget)
        costs = [optimum.cost_of(p, s) for p, s in zip(found, seats, strict=True)]
        moves = optimum.moved_tokens(found, seats)
        assert optimum.least_moved(found, budget, costs) <= moves
        moved += moves
    assert moved


def test_every_guaranteeing_policy_has_the_optimums_zero() -> None:
    """Where the floor fits in every prompt, the least is no fault, and these policies have none either.

    By construction: the floor holds a resolvable form of every page. ``lru`` and ``clawvm`` have that while
    rules are pinned hard (``anything`` keeps them so).
    """
    held_to_it = 0
    for seed in range(30):
        workload = anything(seed, pages=8, turns=6)
        budget = max(prompt.floor for prompt in optimum.prompts(workload, 10**6))
        found = optimum.prompts(workload, budget)
        assert optimum.total(optimum.least(prompt, budget) for prompt in found)[:2] == (0, 0)
        for name in GUARANTEED:
            metrics = replay_workload(read_workload(workload), POLICIES[name], budget).metrics
            assert (metrics["faults"], metrics["insufficient"]) == ({}, {}), (seed, name)
        plain = replay_workload(read_workload(workload), POLICIES["retrieval_cached"], budget).metrics
        held_to_it += plain["total_faults"] > 0
    assert held_to_it > 20  # the floor does something: without it there are faults


@pytest.mark.skipif("clawweb" not in POLICIES, reason="clawweb is not built yet")
def test_clawweb_needs_no_hard_pins_for_it() -> None:
    """Where rules are not pinned hard, ``clawvm`` may leave one out and refetch it; ``clawweb`` holds every
    live page's minimum.
    """
    faults = dict.fromkeys(("clawvm", "clawweb"), 0)
    for seed in range(30):
        workload = anything(seed, pages=8, turns=6, pinned_rules=False)
        budget = max(prompt.floor for prompt in optimum.prompts(workload, 10**6))
        for name in faults:
            faults[name] += replay_workload(read_workload(workload), POLICIES[name], budget).metrics[
                "total_faults"
            ]
    assert faults["clawvm"] > 0 == faults["clawweb"], faults
