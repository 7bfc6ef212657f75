"""``python -m tests.bench [name …]``: runs the benchmarks, all of them by default, and prints their tables.

Nothing here fails for being slow: it prints ratios to the floors and targets beside it.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys

NAMES = ("drain", "imports", "browser", "idle", "core", "policies", "optimum")


def main(words: list[str]) -> int:
    """Runs the named benchmarks; 2 when a name is unknown."""
    unknown = [word for word in words if word not in NAMES]
    if unknown:
        print(f"No benchmark is called {', '.join(unknown)}; there are: {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}")
    for name in words or NAMES:
        importlib.import_module(f"tests.bench.{name}").main()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
