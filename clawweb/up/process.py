"""One supervised process: in a session of its own, dying with the supervisor, leaving no child behind."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from memory.safe import one_line

LOG_MAX_BYTES = 5 * 2**20
PR_SET_PDEATHSIG = 1
RESTARTS_MAX = 3
RESTARTS_WINDOW_SECONDS = 60.0
RESTART_DELAYS_SECONDS = (0.1, 0.5, 2.0)

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with(parent: int) -> Callable[[], None]:
    """For the child, between fork and exec: the kernel shall kill it when the supervisor dies."""

    def prepare() -> None:
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return prepare


@dataclass
class Part:
    """What to run, and how to see that it is ready. `once`: it may end by itself and is not restarted."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    is_ready: Callable[[], bool] = lambda: True
    pass_fds: tuple[int, ...] = ()
    once: bool = False
    stop_grace_seconds: float = 1.5
    captures: bool = False  # its standard output is an answer for us, not a log
    process: subprocess.Popen[bytes] | None = None
    restart_at: float | None = None  # monotonic seconds
    _deaths: collections.deque[float] = field(default_factory=collections.deque)

    def start(self) -> None:
        """Starts the process; OSError when its program cannot be run."""
        self.restart_at = None
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > LOG_MAX_BYTES:
                self.log.replace(self.log.with_suffix(".log.1"))
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.argv,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self.captures else log,
                stderr=log,
                start_new_session=True,
                pass_fds=self.pass_fds,
                preexec_fn=die_with(os.getpid()),  # sound: the supervisor has one thread
            )

    def running(self) -> bool:
        """False before the start and after the end. An ended process is not reaped here: while it is a zombie
        its number is nobody else's, and `kill_group` hits the right group."""
        if self.process is None or self.process.returncode is not None:
            return False
        if not hasattr(os, "waitid"):
            return self.process.poll() is None
        try:
            return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False

    def output(self) -> bytes:
        """All that a part with `captures` has printed; read after its end, so it must fit a pipe (64 KiB)."""
        assert self.process is not None
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            return stdout.read()

    def exit_status(self) -> str:
        """How the last process ended, in words."""
        code = self.process.returncode if self.process else None
        if code is None:
            return "is running"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    def may_restart(self, now: float) -> bool:
        """Notes a death at `now` (monotonic seconds) and says whether the part deserves another start."""
        self._deaths.append(now)
        while self._deaths and self._deaths[0] < now - RESTARTS_WINDOW_SECONDS:
            self._deaths.popleft()
        if len(self._deaths) > RESTARTS_MAX:
            return False
        self.restart_at = now + RESTART_DELAYS_SECONDS[len(self._deaths) - 1]
        return True

    def signal(self, number: signal.Signals) -> None:
        if self.running() and self.process is not None:
            self.process.send_signal(number)

    def kill_group(self) -> None:
        """Kills whatever is left of the part, its process and every child that it started, and reaps it."""
        if self.process is None or self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=2)

    def last_words(self) -> str:
        """The last line that the part logged, for the sentence that says why it died."""
        with contextlib.suppress(OSError), open(self.log, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - 4096))
            lines = [
                line.strip() for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()
            ]
            if lines:
                return one_line(lines[-1], 300)  # it may quote what an agent wrote
        return ""


def stop_all(groups: Sequence[Sequence[Part]]) -> None:
    """Stops parts in order: those of one group together, each group gone before the next one hears of it."""
    for group in groups:
        for part in group:
            part.signal(signal.SIGTERM)
        grace = max((part.stop_grace_seconds for part in group), default=0.0)
        deadline = time.monotonic() + grace
        while any(part.running() for part in group) and time.monotonic() < deadline:
            time.sleep(0.02)
        for part in group:
            part.kill_group()
