"""A throw-away installation for a benchmark: folder, broker, database, and the processes it asks for."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import Broker, Process, Web, Worker, clean_env, manage


@dataclass
class Place:
    """One installation with real processes; everything ends with ``place()``."""

    folder: Path
    env: dict[str, str]
    started: list[Process] = field(default_factory=list)

    def manage(self, *words: str, deadline_s: float = 300.0) -> str:
        """Runs a management command; returns what it printed."""
        return manage(self.env, *words, deadline_s=deadline_s)

    def worker(self) -> Worker:
        worker = Worker(self.env, self.folder)
        self.started.append(worker)
        return worker

    def web(self) -> Web:
        web = Web(self.env, self.folder)
        self.started.append(web)
        return web

    def token(self, role: str = "operator") -> str:
        """A new API token of the default project."""
        return self.manage("token", "create", "bench", "--role", role).strip().splitlines()[-1].split()[-1]


@contextmanager
def place() -> Iterator[Place]:
    """A new installation on SQLite; stops and removes everything at the end."""
    folder = Path(tempfile.mkdtemp(prefix="claw-"))
    broker = Broker(folder)
    here = Place(folder, clean_env(CLAWWEB_DATA_DIR=str(folder), REDIS_URL=broker.url))
    try:
        here.manage("migrate", "-v", "0")
        yield here
    finally:
        for process in reversed(here.started):
            process.stop(deadline_s=5)
        broker.stop(deadline_s=3)
        shutil.rmtree(folder, ignore_errors=True)
