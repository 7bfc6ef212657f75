"""Real processes for tests: each dies with the test process and is always stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clawweb.up import probes
from clawweb.up.parts import broker_program
from clawweb.up.process import die_with
from tests.support.poll import poll

ROOT = Path(__file__).resolve().parent.parent.parent


def clean_env(**changes: str) -> dict[str, str]:
    """This process's environment without what the tests set for Django, and with `changes`."""
    dropped = ("DATABASE_URL", "REDIS_URL", "PYTEST_CURRENT_TEST")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CLAWWEB_") and k not in dropped}
    return {**kept, "DJANGO_SETTINGS_MODULE": "clawweb.settings", "PYTHONPATH": str(ROOT), **changes}


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> dict[int, str]:
    """Every living descendant of a process: number → command line. Zombies are not living."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            with contextlib.suppress(OSError):
                words = (Path("/proc") / str(child) / "cmdline").read_bytes().split(b"\0")
                found[child] = " ".join(word.decode("utf-8", "replace") for word in words).strip()
                waiting.append(child)
    return found


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@dataclass
class Process:
    """A started program; its output is in `log`."""

    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    popen: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Starts it, again when it had ended."""
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                self.argv,
                env=dict(self.env),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with(os.getpid()),
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def running(self) -> bool:
        return self.popen.poll() is None

    def text(self) -> str:
        """What it has printed so far."""
        return self.log.read_text("utf-8", "replace")

    def kill(self) -> None:
        """kill -9, and waits for the end."""
        self.popen.kill()
        self.popen.wait(10)

    def stop(self, number: signal.Signals = signal.SIGTERM, deadline_s: float = 10.0) -> int:
        """Asks it to stop; kills it after the deadline. Returns the exit status (negative: a signal)."""
        with contextlib.suppress(ProcessLookupError):
            self.popen.send_signal(number)
        try:
            return self.popen.wait(deadline_s)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait(10)

    def wait_ready(self, ready: Path, deadline_s: float = 60.0) -> None:
        """Waits for the file that the process makes when it is ready. AssertionError when it ends before."""

        def look() -> bool:
            assert self.running(), f"ended with {self.popen.returncode}: {self.text()[-2000:]}"
            return ready.exists()

        poll(look, deadline_s, what=f"{self.argv[-1]} ready")


class Broker(Process):
    """A real Valkey server on a unix socket in `folder` (its path must be short), with further `options`."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.socket = folder / "broker.sock"
        self.url = f"unix://{self.socket}"
        options = ["--unixsocket", str(self.socket), "--save", "", "--appendonly", "no", "--dir", str(folder)]
        argv = [str(broker_program()), *(more or ("--port", "0")), *options]
        super().__init__(argv, clean_env(), folder / "broker.log")
        self.wait_answer()

    def wait_answer(self) -> None:
        """Waits until it answers PING, or refuses to for want of a password."""
        poll(lambda: probes.broker_answers(self.socket), 10, what="broker answers")

    def restart(self) -> None:
        """Kills it with -9 and starts an empty one at the same address."""
        self.kill()
        self.start()
        self.wait_answer()


class Worker(Process):
    """A real Celery worker on the database and broker of `env`."""

    def __init__(self, env: Mapping[str, str], folder: Path, name: str = "worker", *options: str) -> None:
        self.ready = folder / f"{name}.ready"
        argv = [sys.executable, "-m", "celery", "--quiet", "-A", "clawweb.celery", "worker"]
        argv += [
            "--loglevel",
            "INFO",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            *options,
        ]
        extra = {"CLAWWEB_READY_FILE": str(self.ready), "CELERY_SKIP_CHECKS": "1"}
        super().__init__(argv, {**env, **extra}, folder / f"{name}.log")
        self.wait_ready(self.ready)

    def restart(self) -> None:
        """Kills it with -9 and starts another one."""
        self.kill()
        self.ready.unlink(missing_ok=True)
        self.start()
        self.wait_ready(self.ready)


class Web(Process):
    """A real uvicorn server as `up` runs it; `url` has no slash at its end."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        changes = {"CLAWWEB_HOST": "127.0.0.1", "CLAWWEB_PORT": str(self.port), "CLAWWEB_URL": self.url}
        super().__init__([sys.executable, "-m", "clawweb.up.web"], {**env, **changes}, folder / "web.log")
        self.wait_answer()

    def wait_answer(self) -> None:
        """Waits until /healthz answers 200."""

        def look() -> bool:
            assert self.running(), f"ended with {self.popen.returncode}: {self.text()[-2000:]}"
            return probes.web_answers(("127.0.0.1", self.port))

        poll(look, 60, what="web answers")

    def restart(self) -> None:
        """Kills it with -9 and starts it again on the same port."""
        self.kill()
        self.start()
        self.wait_answer()


def manage(env: Mapping[str, str], *words: str, deadline_s: float = 120.0) -> str:
    """Runs a management command to its end; returns its standard output. AssertionError when it fails."""
    argv = [sys.executable, str(ROOT / "manage.py"), *words]
    done = subprocess.run(argv, env=dict(env), cwd=ROOT, capture_output=True, timeout=deadline_s)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-4000:]
    return done.stdout.decode("utf-8", "replace")
