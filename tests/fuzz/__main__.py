"""``python -m tests.fuzz [--minutes N] [--seed N] [codec|workload|log|policy|stream …]``: see the package."""

from __future__ import annotations

import argparse
import sys
import time

from .run import fuzz
from .targets import TARGETS


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="|".join(TARGETS), help="all by default")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--examples", type=int, help="stop after so many")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--guided", action="store_true", help="let coverage guide it (needs atheris)")
    options = parser.parse_args(words)
    unknown = [name for name in options.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target is called {', '.join(unknown)}; there are: {', '.join(TARGETS)}")
    names = options.targets or list(TARGETS)
    if options.guided:
        from .guided import guided

        return guided(names, options.minutes, options.seed)
    end = time.monotonic() + options.minutes * 60

    def more(number: int) -> bool:
        return time.monotonic() < end and (options.examples is None or number < options.examples)

    found, report = fuzz(names, options.seed, more, lambda text: print(text, flush=True))
    print(report, flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
