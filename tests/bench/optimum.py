"""How far the policies are from the exact optimum (SciPy's HiGHS), on the four families.

One selection: the worth that the greedy walk collects above its floor, over the most that could be had there.
A whole workload: faults, page-in tokens and moved tokens beside the least that a planner with full look-ahead
needs (tests/support/optimum.py says what is minimised). Every program has a time limit; what is not solved in
it is counted and left out.
"""

from __future__ import annotations

import statistics
import time

from memory.core import POLICIES
from tests.bench.table import percentile
from tests.support import optimum
from tests.support.optimum import Cost, Prompt, Unsolved
from tests.support.selections import SCORED, held, selections
from tests.support.workloads import BUDGETS, FAMILIES, Workload

SECONDS = 10.0  # for one program
SELECTION_TURNS, WHOLE_TURNS = 40, 20
GUARANTEED = ("lru", "clawvm", "clawweb", "oracle")
WHOLE_BUDGETS = (120, 180, 240, 380)


def _ratios(name: str, budget: int) -> tuple[list[float], int]:
    """Worth got over worth possible, for each prompt with something possible; and what was not solved."""
    found, unsolved = [], 0
    for family, make in FAMILIES.items():
        if family == "project":
            continue  # shares of the budget differ from policy to policy
        for observed in (False, True):
            workload = make(turns=SELECTION_TURNS, observed=observed)
            for ladders, room, got in selections(workload, name, budget):
                try:
                    best = optimum.most_worth(ladders, room, SECONDS)
                except Unsolved:
                    unsolved += 1
                    continue
                if best > 0:
                    found.append(min(1.0, got / best))
    return found, unsolved


def one_selection() -> None:
    """Prints the table of single selections."""
    print("\nOne selection: greedy's worth above the floor over the optimum's (1 is the optimum)")
    print(
        f"  {'policy':<20}{'budget':>7}{'prompts':>9}{'mean':>8}{'p95':>8}{'worst':>8}{'optimal':>9}"
        f"{'unsolved':>10}"
    )
    for name in SCORED:
        for budget in BUDGETS:
            ratios, unsolved = _ratios(name, budget)
            if ratios:
                exact = sum(ratio > 1 - 1e-9 for ratio in ratios) / len(ratios)
                print(
                    f"  {name:<20}{budget:>7}{len(ratios):>9,}{statistics.mean(ratios):>8.3f}"
                    f"{percentile(ratios, 0.05):>8.3f}{min(ratios):>8.3f}{exact:>9.1%}{unsolved:>10}"
                )
    print("  p95: 95 % of the prompts are at least as near as this")


class _Sums:
    """Sums of one policy (or of the optimum) over workloads."""

    def __init__(self) -> None:
        self.costs: list[Cost] = []
        self.moved = 0
        self.traffic = 0

    def line(self, name: str, beside: _Sums) -> str:
        faults, insufficient, tokens = optimum.total(self.costs)
        traffic = self.traffic or tokens + self.moved
        over = traffic / beside.traffic if beside.traffic else 0.0
        counts = f"{faults:>8}{insufficient:>9}{tokens:>11,}{self.moved:>11,}{traffic:>11,}"
        return f"  {name:<20}{counts}{over:>9.2f}"


def _least(found: list[Prompt], budget: int, sums: _Sums) -> None:
    costs = [optimum.least(prompt, budget, SECONDS) for prompt in found]
    moved = optimum.least_moved(found, budget, costs, seconds=SECONDS)
    traffic = optimum.least_moved(found, budget, costs, traffic=True, seconds=SECONDS)
    sums.costs += costs
    sums.moved += moved
    sums.traffic += traffic


def _whole(workloads: list[Workload], budget: int) -> tuple[dict[str, _Sums], int]:
    """Sums by policy, and how many workloads the programs did not solve (left out everywhere)."""
    names = [name for name in GUARANTEED if name in POLICIES]
    sums, unsolved = {name: _Sums() for name in ("optimum", *names)}, 0
    for workload in workloads:
        found = optimum.prompts(workload, budget)
        try:
            _least(found, budget, sums["optimum"])
        except Unsolved:
            unsolved += 1
            continue
        for name in names:
            seats = held(workload, POLICIES[name], budget)
            sums[name].costs += [optimum.cost_of(p, s) for p, s in zip(found, seats, strict=True)]
            sums[name].moved += optimum.moved_tokens(found, seats)
    return sums, unsolved


def whole_workloads() -> None:
    """Prints the tables of whole workloads."""
    for observed in (False, True):
        workloads = [make(turns=WHOLE_TURNS, observed=observed) for make in FAMILIES.values()]
        variant = "observed" if observed else "declared"
        for budget in WHOLE_BUDGETS:
            sums, unsolved = _whole(workloads, budget)
            print(
                f"\nWhole workloads: 4 families of 16 pages and {WHOLE_TURNS} turns, demands {variant},"
                f" budget {budget}, unsolved {unsolved}\n"
                f"  {'policy':<20}{'faults':>8}{'insuff.':>9}{'tokens in':>11}{'moved':>11}{'in+moved':>11}"
                f"{'ratio':>9}"
            )
            for name, found in sums.items():
                print(found.line(name, sums["optimum"]))
    print(
        "  optimum: the least faults, then misses, then page-in tokens, then moved tokens; its in+moved is"
        "\n  the least sum of both at no more faults and misses. ratio: in+moved over the optimum's"
    )


def main() -> None:
    """Prints the tables."""
    begin = time.monotonic()
    one_selection()
    whole_workloads()
    print(f"  {time.monotonic() - begin:.0f} s")
