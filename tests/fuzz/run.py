"""The loop: examples by number, findings once each with the smallest input, counts at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from .targets import TARGETS, Target, signature

#: Of so many examples of each target, by what one costs.
WEIGHTS = {"codec": 10, "workload": 4, "policy": 2, "log": 3, "stream": 3}


class Found:
    """One finding: its signature, and the input that shows it, made small."""

    def __init__(self, target: Target, what: str, example: Any, error: BaseException, seed: str) -> None:
        self.target, self.what, self.seed = target, what, seed
        self.times = 1
        self.example = target.smaller(example, lambda less: _shows(target, less, what))
        self.detail = _detail(target, self.example, error)

    def __str__(self) -> str:
        head = f"FINDING in {self.target.name} (example {self.seed}): {self.detail}"
        return f"{head}\n  input: {self.target.shown(self.example)}"


def _shows(target: Target, example: Any, what: str) -> bool:
    seen = target.seen.copy()
    try:
        target.check(example)
    except Exception as error:
        return signature(error) == what
    finally:
        target.seen = seen
    return False


def _detail(target: Target, example: Any, error: BaseException) -> str:
    try:
        target.check(example)
    except Exception as smaller:
        error = smaller
    return f"{signature(error)}: {type(error).__name__}: {str(error)[:1500]}"


def fuzz(
    names: list[str],
    seed: str,
    more: Callable[[int], bool],
    say: Callable[[str], None] = print,
    heartbeat: float = 120.0,
) -> tuple[list[Found], str]:
    """Examples until ``more`` (it is given their number) says no; the findings, and a report."""
    targets = [TARGETS[name]() for name in names]
    turns = [target for target in targets for _ in range(WEIGHTS[target.name])]
    found: dict[tuple[str, str], Found] = {}
    spent: Counter[str] = Counter()
    started = last = time.monotonic()
    number = 0
    while more(number):
        target = turns[number % len(turns)]
        began = time.thread_time()
        name = f"{seed}-{number}"
        example = target.example(Random(f"{target.name}-{name}"))
        try:
            target.check(example)
        except Exception as error:
            key = (target.name, signature(error))
            if key in found:
                found[key].times += 1
            else:
                found[key] = Found(target, key[1], example, error, name)
                say(str(found[key]))
        spent[target.name] += 1
        spent[f"{target.name} ms"] += int((time.thread_time() - began) * 1e3)
        number += 1
        if time.monotonic() - last > heartbeat:
            last = time.monotonic()
            say(f"… {number} examples in {last - started:.0f} s, {len(found)} findings")
    return list(found.values()), _report(
        targets, spent, number, time.monotonic() - started, list(found.values())
    )


def _report(
    targets: list[Target], spent: Counter[str], number: int, seconds: float, found: list[Found]
) -> str:
    lines = [f"{number} examples in {seconds:.0f} s, {number / max(seconds, 1e-9):.0f} a second"]
    for target in targets:
        count = spent[target.name]
        each = spent[f"{target.name} ms"] / max(count, 1)
        lines.append(f"{target.name}: {count} examples, {each:.1f} ms each")
        kinds = sorted({key.rpartition(" ")[0] for key in target.seen})
        for kind in kinds:
            counts = {
                key.rpartition(" ")[2]: n
                for key, n in sorted(target.seen.items())
                if key.rpartition(" ")[0] == kind
            }
            told = ", ".join(f"{n} {word}" for word, n in counts.items())
            lines.append(f"  {kind:18} {told}" if kind else f"  {told}")
    lines += [f"{one.times} × {one.target.name}: {one.what}" for one in found]
    lines.append(f"{len(found)} findings")
    return "\n".join(lines)
