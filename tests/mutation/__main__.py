"""``python -m tests.mutation [--every N] [module …]``: prints what survived; exit 1 if anything did."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

MODULES = ("selector", "steady", "journal", "faults", "writes", "validation", "checking", "steps")
#: Tests of files and other programs have nothing to say about these.
LEFT_OUT = ("codec", "describe", "migration", "replay_pythons", "replay_verify", "workloads")


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help=f"of memory.core; by default {' '.join(MODULES)}")
    parser.add_argument("--every", type=int, default=1, help="only every so many-th mutant")
    parser.add_argument("--most", type=float, default=1e9, help="seconds of tests a mutant")
    parser.add_argument("--among", help="a file of an earlier run's output: only what survived there")
    parser.add_argument("--tests", default="", help="test files by their names, with commas; all by default")
    options = parser.parse_args(words)
    os.environ.setdefault("CLAWWEB_EXAMPLES", "25")

    import hypothesis
    import pytest

    # The same examples for every mutant, nothing made smaller, nothing kept.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutation", derandomize=True, database=None, phases=phases)
    hypothesis.settings.load_profile("mutation")
    from .forks import Forks

    names = options.modules or list(MODULES)
    started = time.monotonic()
    counts: Counter[str] = Counter()

    def tell(result: Any) -> None:
        mutant, verdict, _ = result
        counts[verdict] += 1
        if verdict not in ("killed", "timeout"):
            print(f"{verdict.upper()} #{mutant.number} {mutant.name}", flush=True)
        if sum(counts.values()) % 50 == 0:
            print(f"… {dict(counts)} in {time.monotonic() - started:.0f} s", flush=True)

    before = Path(options.among).read_text(encoding="utf-8") if options.among else ""

    def wanted(mutant: Any) -> bool:
        return mutant.number % options.every == 0 and (not before or f" {mutant.name}\n" in before)

    plugin = Forks({f"{name}.py": f"memory.core.{name}" for name in names}, wanted, options.most, tell)
    left_out = {f"test_{name}" for name in LEFT_OUT}
    chosen = options.tests.split(",") if options.tests else []
    files = [
        str(path)
        for path in sorted(Path("tests/core").glob("test_*.py"))
        if (path.stem in chosen if chosen else path.stem not in left_out)
    ]
    status = pytest.main(["-q", "-p", "no:cacheprovider", "-s", "--timeout=0", *files], plugins=[plugin])
    if not plugin.results:
        return int(status) or 1
    by_module: dict[str, Counter[str]] = {}
    for mutant, verdict, _ in plugin.results:
        by_module.setdefault(mutant.file, Counter())[verdict] += 1
    for file, verdicts in by_module.items():
        told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
        print(f"{file}: {sum(verdicts.values())} mutants: {told}")
    left = sum(v not in ("killed", "timeout") for _, v, _ in plugin.results)
    print(f"{len(plugin.results)} mutants in {time.monotonic() - started:.0f} s, {left} left")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
