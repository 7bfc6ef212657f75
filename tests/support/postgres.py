"""A PostgreSQL cluster of our own, in a temporary folder, on a unix socket only."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

HOW_TO_GET = "PostgreSQL's server is not installed; on Debian: apt-get install postgresql"


def find_bin() -> Path | None:
    """The folder of initdb and postgres: Debian keeps it off the PATH."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if found := shutil.which("initdb"):
        places.append(Path(found).resolve().parent)
    return next((p for p in places if (p / "initdb").exists() and (p / "postgres").exists()), None)


def _as_server_user() -> list[str]:
    """PostgreSQL refuses to run as root: then it runs as Debian's user `postgres`, or `nobody`."""
    if os.getuid() != 0:
        return []
    for user in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            who = pwd.getpwnam(user)
            return ["setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups"]
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres")


def cluster(folder: Path) -> Iterator[str]:
    """Runs a cluster in `folder` (a short path); yields the URL of its maintenance database."""
    binaries = find_bin()
    if binaries is None:
        pytest.skip(HOW_TO_GET)
    prefix = _as_server_user()
    if prefix:
        os.chown(folder, int(prefix[1].split("=")[1]), -1)
    data = folder / "data"
    run = [
        *prefix,
        str(binaries / "initdb"),
        "-D",
        str(data),
        "-U",
        "claw",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
    ]
    subprocess.run(run, check=True, capture_output=True, cwd=folder)
    options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=60 -c shared_buffers=32MB"
    control = [*prefix, str(binaries / "pg_ctl"), "-D", str(data), "-w"]
    log = folder / "postgres.log"
    subprocess.run(
        [*control, "-l", str(log), "-o", options, "start"], check=True, cwd=folder, stdout=subprocess.DEVNULL
    )
    try:
        yield f"postgresql://claw@/postgres?host={quote(str(folder), safe='')}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, cwd=folder, capture_output=True)


def new_database(maintenance_url: str, name: str) -> str:
    """Makes an empty database in the cluster; returns its URL."""
    import psycopg

    with psycopg.connect(maintenance_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return maintenance_url.replace("/postgres?", f"/{name}?")
