"""`manage.py up`: it starts, stops, recovers, and says in one sentence why it cannot."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.platform.conftest import Up
from tests.support.poll import poll
from tests.support.processes import Broker, Process, alive, children, clean_env, free_port

pytestmark = pytest.mark.integration
MakeUp = Callable[..., Up]
PARTS = {"broker": "valkey-server", "worker": "celery", "web": "clawweb.up.web"}


def get(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.status, answer.read().decode()


def origin(link: str) -> str:
    return link.partition("/signin/")[0]


def failed(process: Up) -> str:
    """Waits for the end; what it said, which must be one sentence. The status must not be 0."""
    status = process.wait_end()
    text = process.text().strip()
    assert status == 1, text
    assert len(text.splitlines()) == 1, text
    assert not children(process.pid)
    return text


def assert_stops(process: Up, number: signal.Signals) -> None:
    family = [process.pid, *children(process.pid)]
    began = time.monotonic()
    status = process.stop(number)
    took = time.monotonic() - began
    assert status == 0, process.text()
    assert took < 5
    assert [pid for pid in family if alive(pid)] == []


def test_it_starts_answers_and_signs_in(up: MakeUp, data_dir: Path) -> None:
    process = up()
    link = process.wait_link()
    assert get(origin(link) + "/healthz") == (200, "ok\n")
    status, page = get(link)
    assert status == 200
    assert "<form" in page
    assert (data_dir / "d").stat().st_mode & 0o777 == 0o700
    assert (data_dir / "d" / "secret_key").stat().st_mode & 0o777 == 0o600
    assert all(process.part(words) for words in PARTS.values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_within_five_seconds(up: MakeUp, number: signal.Signals) -> None:
    process = up()
    process.wait_link()
    assert_stops(process, number)


def test_it_can_be_stopped_while_it_starts(up: MakeUp) -> None:
    process = up()
    poll(lambda: process.part("clawweb.up.prepare"), 30, every_s=0.01)
    assert_stops(process, signal.SIGINT)


def test_after_a_stop_it_just_starts_again(up: MakeUp) -> None:
    first = up()
    first.wait_link()
    first.stop(signal.SIGINT)
    assert get(origin(up().wait_link()) + "/healthz")[0] == 200


def test_a_second_up_on_the_same_folder_says_where_the_first_one_is(up: MakeUp, data_dir: Path) -> None:
    first = up()
    link = first.wait_link()
    said = failed(up())
    assert f"already runs on the data folder {data_dir / 'd'} at {origin(link)}" in said
    assert ".venv/bin/python manage.py signin" in said
    assert get(origin(link) + "/healthz")[0] == 200


def test_killing_the_supervisor_leaves_no_orphan(up: MakeUp) -> None:
    process = up()
    process.wait_link()
    family = list(children(process.pid))
    assert len(family) >= 3
    process.kill()
    poll(lambda: not [pid for pid in family if alive(pid)], 5, what="every part is gone")
    assert get(up().wait_link())[0] == 200


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_dies_is_started_again(up: MakeUp, name: str) -> None:
    process = up()
    link = process.wait_link()
    old = process.part(PARTS[name])
    os.kill(old, signal.SIGKILL)
    poll(lambda: process.part(PARTS[name]) not in (0, old), 30, what=f"a new {name}")

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return get(origin(link) + "/healthz")[0] == 200
        return False

    poll(answers, 30, what="the web server answers")
    assert f"The {name} was ended by SIGKILL; starting it again." in process.text()


def test_a_part_that_dies_for_good_stops_everything(up: MakeUp) -> None:
    process = up()
    process.wait_link()
    family = list(children(process.pid))
    killed: set[int] = set()

    def kill_the_worker() -> bool:
        pid = process.part(PARTS["worker"])
        if pid and pid not in killed:
            killed.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not process.running()

    poll(kill_the_worker, 60, every_s=0.01, what="up gives up")
    assert process.wait_end() == 1
    assert "The worker was ended by SIGKILL and died more than 3 times in 60 s" in process.text()
    assert [pid for pid in family if alive(pid)] == []


def test_a_folder_with_a_long_path(up: MakeUp, data_dir: Path) -> None:
    """A unix socket's path must stay under 108 bytes; the folder's may be longer."""
    process = up(data=data_dir / ("long" * 30))
    assert get(process.wait_link())[0] == 200


def test_warnings_are_said(up: MakeUp) -> None:
    process = up(CLAWWEB_HOST="0.0.0.0")
    assert process.wait_link().startswith("http://127.0.0.1:")
    assert "clawweb.W001" in process.text()


def test_a_taken_port(up: MakeUp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = failed(up("--port", str(port)))
    assert f"Port {port} on 127.0.0.1 cannot be used (Address already in use)" in said


def test_a_folder_that_cannot_be_written(up: MakeUp, data_dir: Path) -> None:
    (data_dir / "file").write_text("")
    said = failed(up("--data-dir", str(data_dir / "file" / "below")))
    assert f"The data folder {data_dir / 'file' / 'below'} cannot be written" in said


def test_a_folder_without_permission(up: MakeUp, data_dir: Path) -> None:
    if os.geteuid() == 0:
        target = Path("/proc/clawweb")  # even root makes no folder there
    else:
        (data_dir / "closed").mkdir(mode=0o500)
        target = data_dir / "closed" / "below"
    assert "cannot be written" in failed(up("--data-dir", str(target)))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"REDIS_URL": "redis://127.0.0.1:{port}/0"}, "(REDIS_URL) cannot be used"),
        ({"REDIS_URL": "http://127.0.0.1:{port}/0"}, "REDIS_URL must begin with"),
        ({"DATABASE_URL": "postgresql://who:secret@127.0.0.1:{port}/db"}, "The database db on 127.0.0.1"),
        ({"DATABASE_URL": "mysql://127.0.0.1/db"}, "DATABASE_URL must begin with"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:x/db"}, "DATABASE_URL has a port that is no number"),
        ({"CLAWWEB_DRAIN_QUEUES": "0"}, "CLAWWEB_DRAIN_QUEUES must be a whole number of at least 1"),
        ({"CLAWWEB_PORT": "some"}, "CLAWWEB_PORT must be a whole number of at least 0"),
        ({"CLAWWEB_HOST": "192.0.2.1"}, "on 192.0.2.1 cannot be used"),
    ],
)
def test_what_cannot_be_reached_or_understood(up: MakeUp, changes: dict[str, str], sentence: str) -> None:
    port = str(free_port())
    said = failed(up(**{name: value.replace("{port}", port) for name, value in changes.items()}))
    assert sentence in said
    assert "secret" not in said


def test_a_broker_that_refuses_the_password(up: MakeUp, data_dir: Path) -> None:
    port = str(free_port())
    broker = Broker(data_dir, "--port", port, "--bind", "127.0.0.1", "--requirepass", "right")
    try:
        said = failed(up(REDIS_URL=f"redis://:secret-wrong@127.0.0.1:{port}/0"))
        assert f"The broker at redis://127.0.0.1:{port}/0 refused the name or password of REDIS_URL" in said
        assert "secret" not in said
        said = failed(up(REDIS_URL=f"redis://127.0.0.1:{port}/0"))
        assert "refused the name or password" in said
        process = up(REDIS_URL=f"redis://:right@127.0.0.1:{port}/0")
        assert get(process.wait_link())[0] == 200
        assert not process.part("valkey-server")
    finally:
        broker.stop()


def test_interrupting_make_leaves_nothing(data_dir: Path) -> None:
    """Ctrl-C reaches make and `up` together; make must not end before `up` has stopped its parts."""
    argv = ["make", "-o", "setup", "up", f"BIN={Path(sys.executable).parent}", "ARGS=--no-demo --port 0"]
    process = Process(argv, clean_env(CLAWWEB_DATA_DIR=str(data_dir / "d")), data_dir / "make.log")
    try:
        poll(lambda: "/signin/" in process.text(), 60, what="make up is ready")
        family = list(children(process.pid))
        assert len(family) >= 4
        os.killpg(process.pid, signal.SIGINT)
        process.popen.wait(10)
        assert [pid for pid in family if alive(pid)] == []
        assert "ClawWeb has stopped." in process.text()
    finally:
        process.stop()


@pytest.mark.postgres
def test_postgresql_without_the_database(up: MakeUp, postgres_url: str) -> None:
    missing = postgres_url.replace("?", "-none?")
    assert "does not exist" in failed(up(DATABASE_URL=missing))


@pytest.mark.postgres
def test_it_runs_on_postgresql(up: MakeUp, postgres_url: str, data_dir: Path) -> None:
    process = up(DATABASE_URL=postgres_url)
    assert get(process.wait_link())[0] == 200
    assert not (data_dir / "d" / "clawweb.sqlite3").exists()


def test_a_migration_that_was_cut_short(up: MakeUp, data_dir: Path) -> None:
    first = up()
    first.wait_link()
    first.stop()
    with contextlib.closing(sqlite3.connect(data_dir / "d" / "clawweb.sqlite3")) as database:
        database.execute("DELETE FROM django_migrations WHERE app = 'memory'")
        database.commit()
    said = failed(up())
    assert "a migration was cut short" in said
    assert "already exists" in said


def test_a_database_of_a_newer_version(up: MakeUp, data_dir: Path) -> None:
    first = up()
    first.wait_link()
    first.stop()
    with contextlib.closing(sqlite3.connect(data_dir / "d" / "clawweb.sqlite3")) as database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('memory', '9999_later', '2026-01-01')"
        )
        database.commit()
    assert "was made by a newer ClawWeb (it holds 9999_later)" in failed(up())


def test_a_file_that_is_no_database(up: MakeUp, data_dir: Path) -> None:
    (data_dir / "d").mkdir()
    (data_dir / "d" / "clawweb.sqlite3").write_bytes(b"no database, but long enough to be read" * 40)
    assert "file is not a database" in failed(up())
