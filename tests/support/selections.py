"""What a policy's selections held, and what they were worth, read from its trace and by definition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from memory.core import POLICIES, Policy, read_workload, replay_workload
from tests.support import optimum
from tests.support.optimum import LEVEL, Ladder
from tests.support.traces import records, residencies
from tests.support.workloads import Workload

SCORED = ("compaction_hybrid", "lru", "clawvm")  # their upgrades follow a utility, step by step


def held(workload: Workload, policy: Policy, budget: int) -> list[dict[str, int]]:
    """What the policy holds in each prompt: page id → form."""
    trace = replay_workload(read_workload(workload), policy, budget).trace
    return [{p: LEVEL[label] for p, label in seats.items()} for seats in residencies(records(trace))]


def recencies(workload: Workload) -> list[dict[str, float]]:
    """Each prompt's recency by page, by the definition."""
    found, hot = [], dict[str, float]()
    for turn in workload["turns"]:
        found.append(dict(hot))
        hot = {page_id: value * 0.88 for page_id, value in hot.items() if value * 0.88 >= 0.0001}
        for page_id in {d["page_id"] for d in (*turn["demands"], *turn["observed"])}:
            hot[page_id] = hot.get(page_id, 0.0) + 1.0
    return found


def worth(page: dict[str, Any], name: str, recency: float) -> float:
    """The utility of one step, by section 4 of the model."""
    base, cost = page["base_utility"], page["recompute_cost"]
    if name == "lru":
        return recency
    if name == "compaction_hybrid":
        return float(base + 0.9 * recency + 0.1 * cost)
    pinned = {"hard": 2.0, "soft": 0.6, "none": 0.0}[optimum.pin(page)]
    return float(base + pinned + 0.6 * recency + 0.4 * cost)


def selections(workload: Workload, name: str, budget: int) -> list[tuple[list[Ladder], int, float]]:
    """Each prompt's upgrades: where each page could go, the room for it, and the worth that greedy got.

    The floor is what the same policy holds without upgrades. For workloads of one session only (no shares).
    """
    policy = POLICIES[name]
    floors = held(workload, replace(policy, name="floor", upgrades=False), budget)
    ends, found = held(workload, policy, budget), []
    for number, (floor, end, hot) in enumerate(zip(floors, ends, recencies(workload), strict=True)):
        ladders, used, got = [], 0, 0.0
        for page in workload["pages"]:
            if page["created"] > number:
                continue
            at = floor.get(page["page_id"], 0)
            stands = optimum.ladder(page, at, worth(page, name, hot.get(page["page_id"], 0.0)))
            extra = optimum.tokens_at(page, end.get(page["page_id"], 0)) - optimum.tokens_at(page, at)
            got += next(value for tokens, value in stands if tokens == extra)
            used += optimum.tokens_at(page, at)
            ladders.append(stands)
        found.append((ladders, budget - used, got))
    return found
