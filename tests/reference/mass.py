"""`python -m tests.reference.mass --turns 100000 [--seed N] [--policies a,b]`: see the package's text."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from random import Random
from typing import Any

from .compare import differences, minimised
from .generate import budget, declared_policy, giants, maybe, workload
from .policies import TABLE

SIZES = ((3, 3), (6, 8), (12, 14), (12, 14), (26, 30), (8, 60), (70, 25))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=100_000, help="turns to compare, over all policies")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--policies", default="", help="names with commas between; `declared` for random ones"
    )
    parser.add_argument("--budgets", type=int, default=2, help="budgets a workload and policy")
    parser.add_argument("--keep-going", action="store_true", help="count differences instead of stopping")
    options = parser.parse_args(arguments)
    names = options.policies.split(",") if options.policies else [*TABLE, "declared"]

    turns: Counter[str] = Counter()
    differing: Counter[str] = Counter()
    workloads, started, seed = 0, time.perf_counter(), options.seed
    while sum(turns.values()) < options.turns:
        rng = Random(f"{options.seed}-{workloads}")
        seed = workloads
        if maybe(rng, 25):
            drawn, tokens = giants(rng)
            budgets = [tokens] * options.budgets
        else:
            drawn = workload(rng, *rng.choice(SIZES))
            budgets = [budget(rng, drawn) for _ in range(options.budgets)]
        workloads += 1
        for name in names:
            policy: str | dict[str, Any] = declared_policy(rng) if name == "declared" else name
            for tokens in budgets:
                turns[name] += len(drawn["turns"])
                found = attempt(drawn, policy, tokens)
                if found and not options.keep_going:
                    report(drawn, policy, tokens, found, f"{options.seed}-{seed}")
                    return 1
                differing[name] += bool(found)
    seconds = time.perf_counter() - started
    print(f"{sum(turns.values())} turns of {workloads} workloads in {seconds:.0f} s, seed {options.seed}")
    for name in names:
        print(f"  {name:20} {turns[name]:9} turns, {differing[name]} runs that differ")
    return 1 if any(differing.values()) else 0


def attempt(drawn: dict[str, Any], policy: str | dict[str, Any], tokens: int) -> list[str]:
    """The differences; an engine that raises on a valid workload is one too."""
    try:
        return differences(drawn, policy, tokens)
    except Exception as error:
        return [f"raised {type(error).__name__}: {error}"]


def report(
    drawn: dict[str, Any], policy: str | dict[str, Any], tokens: int, found: list[str], seed: str
) -> None:
    def kind(difference: str) -> str:
        return difference.split(": engine")[0].split(", ")[-1][:60]

    first = kind(found[0])

    def fails(smaller: dict[str, Any]) -> bool:
        return any(kind(one) == first for one in attempt(smaller, policy, tokens))

    small = minimised(drawn, fails)
    print(f"DIFFERENCE under {json.dumps(policy)} at budget {tokens} (workload {seed})")
    for line in attempt(small, policy, tokens)[:10]:
        print("  " + line)
    print(json.dumps(small, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
