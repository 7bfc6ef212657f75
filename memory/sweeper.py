"""The sweeper: finds sessions with pending work that no
task is doing, because a broker may lose or delay one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Any, Final

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 3.0
MAX_BACKOFF_SECONDS: Final = 300.0
MAX_SESSIONS: Final = 10_000  # remembered between sweeps

Cursors = tuple[int, int]


class Sweeper:
    """Sweeps on a thread of its own. A session is taken up when it made no progress since the last sweep.

    The first sweep takes up whatever is pending. The queue gets the session if
    the broker is there; else, or if that did not help, the sweeper drains it
    itself. A session whose drain keeps failing is tried less and less often.
    """

    def __init__(self, every_seconds: float = EVERY_SECONDS) -> None:
        self._every = every_seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: dict[str, Cursors] | None = None  # None: nothing was swept yet
        self._stuck: dict[str, tuple[int, float]] = {}  # session → (tries without progress, not before)
        self._left: set[str] = set()  # drained here, and not to the end

    def start(self) -> None:
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
            self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Asks the thread to end and waits at most so long."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)
            self._thread = None

    def _run(self) -> None:
        while True:
            try:
                self.sweep()
            except Exception as error:  # database away, half-migrated …: the next sweep may do
                log.warning("sweep failed: %s", error)
                _close_connections(force=True)
            if self._stop.wait(self._every):
                break
        _close_connections(force=True)

    def sweep(self) -> list[str]:
        """One sweep; the sessions that were taken up."""
        from memory import tasks
        from memory.store.drain import pending_sessions

        _close_connections()
        pending = pending_sessions()
        before, self._seen = self._seen, dict(list(pending.items())[:MAX_SESSIONS])
        for session_id in set(self._stuck) - set(pending):
            del self._stuck[session_id]
        now = time.monotonic()
        taken, here, left = [], [], self._left
        for session_id, cursors in pending.items():
            if self._stop.is_set():
                break
            if session_id in left:
                here.append(session_id)
                continue
            if before is not None and before.get(session_id) != cursors:
                self._stuck.pop(session_id, None)
                continue  # it is new, or someone is at it
            tries, not_before = self._stuck.get(session_id, (0, 0.0))
            if now < not_before:
                continue
            wait = min(self._every * 2**tries, MAX_BACKOFF_SECONDS) if tries else 0.0
            self._stuck[session_id] = (tries + 1, now + wait)
            taken.append(session_id)
            if not tasks.send_drain(session_id) or tries:
                here.append(session_id)
        self._left = self._drain(here)
        return taken

    def _drain(self, sessions: list[str]) -> set[str]:
        """Drains them in turn, a little each, until it is
        time for the next sweep; those with something left.
        """
        from memory import tasks

        queue, end = deque(sessions), time.monotonic() + self._every
        while queue and not self._stop.is_set():
            session_id = queue.popleft()
            try:
                if tasks.drain_now(session_id):
                    queue.append(session_id)
            except Exception:
                log.exception("session %s could not be drained", session_id)
                _close_connections(force=True)
            if time.monotonic() >= end:
                break
        return set(queue)


def _close_connections(*, force: bool = False) -> None:
    """This thread's connections, where they are broken or too old; all of them if ``force``."""
    from django.db import close_old_connections, connections

    if force:
        connections.close_all()
    else:
        close_old_connections()


_running: Sweeper | None = None


def connect() -> None:
    """Makes every Celery worker run a sweeper."""
    from celery.signals import worker_ready, worker_shutting_down

    worker_ready.connect(_start, dispatch_uid="sweeper-start")
    worker_shutting_down.connect(_end, dispatch_uid="sweeper-stop")


def _start(**_: Any) -> None:
    global _running
    if _running is None:
        _running = Sweeper()
        _running.start()


def _end(**_: Any) -> None:
    global _running
    if _running is not None:
        _running._stop.set()
        _running = None
