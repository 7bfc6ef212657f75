"""`manage.py up`: prints one address with a one-time sign-in link, and runs until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from clawweb import env
from clawweb.up import parts
from clawweb.up.failure import Failure
from clawweb.up.lock import DataLock
from clawweb.up.supervisor import Stopped, Supervisor


def parser() -> argparse.ArgumentParser:
    """The options of `up`; each has an environment variable of the same meaning."""
    options = argparse.ArgumentParser(
        prog="manage.py up", description="Start ClawWeb: broker, worker, web server."
    )
    options.add_argument("--host", help="address to listen on (CLAWWEB_HOST, 127.0.0.1)")
    options.add_argument(
        "--port", type=int, help="port to listen on, 0 for any free one (CLAWWEB_PORT, 8765)"
    )
    options.add_argument("--data-dir", help="folder of the database and the logs (CLAWWEB_DATA_DIR)")
    options.add_argument("--no-demo", action="store_true", help="do not start the demo on an empty database")
    return options


def say(text: str) -> None:
    print(text, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs everything; returns the exit status: 0 when stopped by a signal, 1 with one sentence otherwise."""
    given = parser().parse_args(argv)
    try:
        run(given)
    except Stopped:
        say("ClawWeb has stopped.")
        return 0
    except (Failure, env.BadSetting) as failure:
        print(failure, file=sys.stderr, flush=True)
        return 1
    return 0


def run(given: argparse.Namespace) -> None:
    """Raises Stopped at the end, Failure when something prevents the start or dies for good."""
    started = time.monotonic()
    if given.data_dir:
        os.environ["CLAWWEB_DATA_DIR"] = str(Path(given.data_dir).expanduser().resolve())
    data = open_data_dir()
    with DataLock(data) as lock, listen(given) as listener, Supervisor(say) as supervisor:
        host, port = listener.getsockname()[:2]
        house = parts.House(data, host, port, listener.fileno())
        if not os.environ.get("REDIS_URL"):
            supervisor.start([house.broker()])
        supervisor.start([house.web()])  # loads its code while the database is made ready
        prepared = supervisor.run_once(house.prepare())
        supervisor.start([house.worker()])
        supervisor.wait_ready(supervisor.parts)
        lock.write(house.address)
        for warning in prepared["warnings"]:
            say(warning)
        say(
            f"ClawWeb is ready ({time.monotonic() - started:.1f} s). Open\n\n"
            f"    {house.address}/signin/{prepared['secret']}/\n\n"
            f"The link signs one browser in, once. Ctrl-C stops everything. Logs: {house.logs}"
        )
        if prepared["empty"] and not given.no_demo:
            supervisor.start(house.demo())
        supervisor.watch()


def open_data_dir() -> Path:
    """The data folder, made when it is missing. Raises Failure when it cannot be written."""
    data = env.data_dir()
    try:
        env.private_dir(data)
        env.private_dir(data / "logs")
        probe = data / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise Failure(
            f"The data folder {data} cannot be written ({error.strerror or error}); "
            "choose another one with --data-dir or CLAWWEB_DATA_DIR."
        ) from None
    return data


def listen(given: argparse.Namespace) -> socket.socket:
    """The web server's socket, open from now on: the port is ours before anything else is started."""
    host = given.host or os.environ.get("CLAWWEB_HOST") or env.DEFAULT_HOST
    port = (
        given.port if given.port is not None else env.whole_number("CLAWWEB_PORT", env.DEFAULT_PORT, least=0)
    )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        raise Failure(
            f"Port {port} on {host} cannot be used ({getattr(error, 'strerror', None) or error}); "
            "choose another one with --port or CLAWWEB_PORT (0: any free one)."
        ) from None
    return listener


if __name__ == "__main__":
    sys.exit(main())
