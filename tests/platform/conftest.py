"""A running `up` for tests, always stopped."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.poll import poll
from tests.support.processes import ROOT, Process, children, clean_env

_numbers = itertools.count(1)


class Up(Process):
    """`python manage.py up` on a data folder and a free port."""

    def __init__(self, data: Path, *options: str, **changes: str) -> None:
        self.data = data
        argv = [sys.executable, str(ROOT / "manage.py"), "up", "--no-demo", *options]
        env = clean_env(**{"CLAWWEB_DATA_DIR": str(data), "CLAWWEB_PORT": "0", **changes})
        data.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(argv, env, data.parent / f"up.{next(_numbers)}.log")

    def wait_link(self) -> str:
        """Waits until it is ready; returns the sign-in link that it printed."""

        def look() -> re.Match[str] | None:
            found = re.search(r"http://\S+/signin/\S+/", self.text())
            assert found or self.running(), f"ended with {self.popen.returncode}: {self.text()}"
            return found

        return poll(look, 60, what="up is ready").group(0)

    def wait_end(self, deadline_s: float = 60) -> int:
        """Waits until it has ended by itself; returns its status."""
        return self.popen.wait(deadline_s)

    def part(self, words: str) -> int:
        """The number of the child whose command line holds `words`; 0 when there is none."""
        return next((pid for pid, line in children(self.pid).items() if words in line), 0)


@pytest.fixture
def up(data_dir: Path) -> Iterator[Callable[..., Up]]:
    """A factory: `up()`, `up(data=folder)`, `up("--port", "1234")`, `up(REDIS_URL=…)`."""
    started: list[Up] = []

    def make(*options: str, data: Path | None = None, **changes: str) -> Up:
        started.append(Up(data or data_dir / "d", *options, **changes))
        return started[-1]

    yield make
    for process in started:
        process.stop()
