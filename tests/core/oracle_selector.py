"""A second selector, straight from the specification and as plain as can be, to hold the real one against.

It knows pages as dicts and does everything by definition, slowly.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from memory.core.policies import Policy
from memory.core.types import DEGRADATION_PATH, PageType, Pin

ORDER = {"hard": 2, "soft": 1, "none": 0}


def serving(page: dict[str, Any], level: int) -> int:
    """The representation at the level, or the next higher one that the page has."""
    return min(f for f in page["tokens"] if f >= level)


def utility(page: dict[str, Any], policy: Policy) -> float:
    if policy.name == "lru":
        return float(page["recency"])
    if policy.name == "compaction_hybrid":
        return float(page["base"] + 0.9 * page["recency"] + 0.1 * page["recompute"])
    pin = 2.0 if page["pin"] == "hard" else 0.6 if page["pin"] == "soft" else 0.0
    return float(page["base"] + pin + 0.6 * page["recency"] + 0.4 * page["recompute"])


def required(
    pages: list[dict[str, Any]], policy: Policy, declared: dict[int, int], first: bool
) -> list[tuple[int, int]]:
    """(index, level), in order of installation."""
    levels: dict[int, int] = {}
    for i, page in enumerate(pages):
        if policy.auto_pins and page["pin"] == "hard":
            levels[i] = page["min"]
        if policy.auto_pins and first and page["type"] in ("bootstrap", "constraint"):
            levels[i] = page["min"]
        if i in declared:
            levels[i] = max(levels.get(i, 0), declared[i], page["min"])

    def key(i: int) -> tuple[int, int, float, int]:
        page = pages[i]
        rank = {"bootstrap": 2, "constraint": 1}.get(page["type"], 0)
        return (-ORDER[page["pin"]], -rank, -page["base"], i)

    return [(i, levels[i]) for i in sorted(levels, key=key)]


def select(
    pages: list[dict[str, Any]], policy: Policy, declared: dict[int, int], first: bool, budget: int
) -> tuple[list[int], int, list[int]]:
    """Fidelity by index, tokens used, unmet indexes."""
    at = [0] * len(pages)
    used, unmet = 0, []
    for i, level in required(pages, policy, declared, first):
        form = serving(pages[i], level)
        if used + pages[i]["tokens"][form] <= budget:
            at[i] = form
            used += pages[i]["tokens"][form]
        else:
            unmet.append(i)
    if policy.prefetch:
        absent = [
            i
            for i, page in enumerate(pages)
            if not at[i] and DEGRADATION_PATH[PageType(page["type"])][0].label == "pointer"
        ]
        for i in sorted(absent, key=lambda i: (-pages[i]["recompute"], -pages[i]["base"], i)):
            lowest = min(pages[i]["tokens"])
            if used + pages[i]["tokens"][lowest] <= budget:
                at[i] = lowest
                used += pages[i]["tokens"][lowest]
    if policy.upgrades:
        steps = []
        for i, page in enumerate(pages):
            ladder = [0, *sorted(page["tokens"])]
            for low, high in pairwise(ladder):
                if low >= at[i]:
                    extra = page["tokens"][high] - page["tokens"].get(low, 0)
                    steps.append((utility(page, policy) / extra, page["id"], high, low, i, extra))
        for _, _, high, low, i, extra in sorted(steps, key=lambda s: s[:3], reverse=True):
            if at[i] == low and used + extra <= budget:
                at[i] = high
                used += extra
    return at, used, unmet


assert set(ORDER) == {pin.value for pin in Pin}
