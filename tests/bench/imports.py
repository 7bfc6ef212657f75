"""Import of the largest recorded session: from the file to its last event drained, and where the time goes.

The first figure is what a user waits for: `manage.py watch` beside a running worker. The shares come from a
second, single-process run in which the parts are timed by wrapping their entrances.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.place import Place, place
from tests.bench.table import Figure, show
from tests.support.outside import TRACES
from tests.support.processes import ROOT

#: Part → entrances that belong to it, "module:name" (name may be Class.method).
PARTS = {
    "tiktoken": ("memory.tokens:count_many", "memory.tokens:count"),
    "representations": ("memory.representations:build_many", "memory.representations:build"),
    "adapter": ("memory.harness.claude_code:ClaudeCode.feed",),
    "core": ("memory.core.engine:step",),
}


def largest() -> Path | None:
    """The largest recorded Claude Code session, if the recordings are here."""
    files = sorted(TRACES.glob("claude-code/*.jsonl"), key=lambda path: path.stat().st_size)
    return files[-1] if files else None


def _watched_s(here: Place, file: Path) -> float:
    """Seconds from the command's start to its end, which waits for the last event to be drained."""
    here.worker()
    begin = time.monotonic()
    here.manage("watch", str(file), "--project", "default")
    return time.monotonic() - begin


def main() -> None:
    """Prints the tables."""
    file = largest()
    if file is None:
        print("\nImport: no recorded sessions here; skipped")
        return
    size_mb = file.stat().st_size / 1e6
    with place() as here:
        seconds = _watched_s(here, file)
        doctor = here.manage("doctor")
    show(
        f"Import: {file.name}, {size_mb:.1f} MB, watch → last event drained, one worker",
        [
            Figure("file to last event drained", seconds, "s", 4.0, "target"),
            Figure("speed", size_mb / seconds, "MB/s"),
        ],
    )
    print("\n".join("  " + line for line in doctor.splitlines()))
    with place() as here:
        argv = [sys.executable, "-m", "tests.bench.imports", str(file)]
        subprocess.run(argv, env={**os.environ, **here.env}, cwd=ROOT, check=True)


class _Clock:
    """Seconds spent in each part, without what is spent in parts that it calls."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._open: list[str] = []
        self._since = 0.0

    def _turn_over(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.spent[self._open[-1]] = self.spent.get(self._open[-1], 0.0) + now - self._since
        self._since = now

    def wrap(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time put down to the part."""

        def timed(*args: Any, **named: Any) -> Any:
            self._turn_over()
            self._open.append(part)
            try:
                return function(*args, **named)
            finally:
                self._turn_over()
                self._open.pop()

        return timed


def _wrap_all(clock: _Clock) -> None:
    """Wraps every entrance, wherever it was imported to."""
    import importlib

    for part, entrances in PARTS.items():
        for entrance in entrances:
            module_name, _, name = entrance.partition(":")
            owner: Any = importlib.import_module(module_name)
            *path, last = name.split(".")
            for step in path:
                owner = getattr(owner, step, None)
            original = getattr(owner, last, None)
            if original is None:
                continue
            timed = clock.wrap(part, original)
            setattr(owner, last, timed)
            for module in list(sys.modules.values()):
                if (getattr(module, "__name__", "") or "").startswith("memory") and not path:
                    for key, value in list(vars(module).items()):
                        if value is original:
                            setattr(module, key, timed)


def profile(file: Path) -> None:
    """One process: append, derive, apply; prints each part's share."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db.backends.utils import CursorWrapper

    from memory import tokens

    tokens.count("loads the vocabulary")
    clock = _Clock()
    _wrap_all(clock)
    for name in ("execute", "executemany"):
        setattr(CursorWrapper, name, clock.wrap("database", getattr(CursorWrapper, name)))
    begin = time.perf_counter()
    clock.wrap("the rest", call_command)("watch", str(file), "--project", "default", "--drain")
    total = time.perf_counter() - begin
    show(
        f"Import in one process: {total:.2f} s, vocabulary loaded before",
        [
            Figure(f"share of {part}", 100 * spent / total, "%", None, f"{spent:.2f} s")
            for part, spent in sorted(clock.spent.items(), key=lambda item: -item[1])
        ],
    )


if __name__ == "__main__":
    profile(Path(sys.argv[1]))
