"""Starts the parts, watches them, starts again what dies, and stops everything in order."""

from __future__ import annotations

import json
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from clawweb.up.failure import Failure
from clawweb.up.process import RESTARTS_MAX, RESTARTS_WINDOW_SECONDS, Part, stop_all

READY_DEADLINE_SECONDS = 60.0
POLL_SECONDS = 0.05


class Stopped(Exception):
    """The user asked `up` to stop."""


class Supervisor:
    """Runs parts until a signal, or until one dies for good. Use it as a context: leaving it stops all."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.parts: list[Part] = []  # in the order of their start: stopped the other way round
        self._asked_to_stop = False
        self._wake_read, self._wake_write = socket.socketpair()

    def __enter__(self) -> Supervisor:
        self._wake_write.setblocking(False)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only wakes us
        return self

    def __exit__(self, *_: object) -> None:
        if self.parts:
            helpers = [part for part in self.parts if part.once or part.name == "web"]
            rest = [[part] for part in reversed(self.parts) if part not in helpers]
            stop_all([helpers, *rest])
        signal.set_wakeup_fd(-1)
        self._wake_read.close()
        self._wake_write.close()

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_stop = True

    def pause(self, seconds: float | None) -> None:
        """Waits until a signal arrives (a part's death is one) or the time is over. Raises Stopped."""
        if not self._asked_to_stop:
            readable, _, _ = select.select([self._wake_read], [], [], seconds)
            if readable:
                self._wake_read.recv(4096)
        if self._asked_to_stop:
            raise Stopped

    def start(self, parts: Sequence[Part]) -> None:
        """Starts the parts without waiting for them."""
        for part in parts:
            self.parts.append(part)
            self._start(part)

    def _start(self, part: Part) -> None:
        try:
            part.start()
        except OSError as error:
            raise Failure(f"The {part.name} cannot be started: {error}.") from None

    def wait_ready(self, parts: Sequence[Part]) -> None:
        """Returns when all parts are ready. Raises Failure when one dies or is not ready in time."""
        deadline = time.monotonic() + READY_DEADLINE_SECONDS
        waiting = list(parts)
        while waiting:
            for part in list(waiting):
                if not part.running():
                    part.kill_group()
                    raise Failure(f"The {part.name} {part.exit_status()} at its start: {_cause(part)}")
                if part.is_ready():
                    waiting.remove(part)
            if waiting and time.monotonic() > deadline:
                raise Failure(
                    f"The {waiting[0].name} was not ready after {READY_DEADLINE_SECONDS:.0f} s: "
                    f"{_cause(waiting[0])}"
                )
            if waiting:
                self.pause(POLL_SECONDS)

    def run_once(self, part: Part) -> dict[str, Any]:
        """Runs a part to its end and returns the JSON object it printed. Raises Failure (its `error`)."""
        self.start([part])
        while part.running():
            self.pause(1.0)
        part.kill_group()
        self.parts.remove(part)
        try:
            answer = json.loads(part.output())
            assert isinstance(answer, dict)
        except (ValueError, AssertionError):
            raise Failure(f"The {part.name} {part.exit_status()}: {_cause(part)}") from None
        if "error" in answer:
            raise Failure(str(answer["error"]))
        return answer

    def watch(self) -> None:
        """Returns never: raises Stopped when asked to stop, Failure when a part dies for good."""
        while True:
            now = time.monotonic()
            due = []
            for part in list(self.parts):
                self._look_after(part, now)
                if part.restart_at is not None:
                    due.append(part.restart_at)
            self.pause(max(0.0, min(due) - time.monotonic()) if due else None)

    def _look_after(self, part: Part, now: float) -> None:
        if part.restart_at is not None:
            if now >= part.restart_at:
                self._start(part)
            return
        if part.running():
            return
        part.kill_group()
        if part.once:
            self.parts.remove(part)
            if part.process is not None and part.process.returncode:
                self.say(f"The {part.name} {part.exit_status()}: {_cause(part)}")
        elif part.may_restart(now):
            self.say(f"The {part.name} {part.exit_status()}; starting it again.")
        else:
            raise Failure(
                f"The {part.name} {part.exit_status()} and died more than {RESTARTS_MAX} times in "
                f"{RESTARTS_WINDOW_SECONDS:.0f} s: {_cause(part)}"
            )


def _cause(part: Part) -> str:
    """The part's last words and where the rest of them stands."""
    words = part.last_words()
    return f"{words} (log: {part.log})" if words else f"see {part.log}"
