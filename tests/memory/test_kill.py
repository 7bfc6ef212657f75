"""Killed workers and brokers, redelivered tasks, rivals:
the trace stays that of the undisturbed fold, to the byte.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.memory.cast import session_events, undisturbed
from tests.support.processes import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
TURNS = 20


def pour(site: Any, *words: str) -> bytes:
    argv = [sys.executable, "-m", "tests.memory.pour", *words]
    done = subprocess.run(argv, env=site.env, cwd=ROOT, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-3000:]
    return done.stdout


@contextmanager
def pouring(site: Any, size: int = 10, extra: int = 0) -> Iterator[Iterator[int]]:
    """Appends in another process; each step is one batch:
    what a test does in between happens in mid-stream.
    """
    argv = [sys.executable, "-m", "tests.memory.pour", "append", str(TURNS), str(size), str(extra)]
    with subprocess.Popen(
        argv, env=site.env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        writer, reader = process.stdin, process.stdout

        def steps() -> Iterator[int]:
            for number, _ in enumerate(reader):
                yield number
                writer.write("\n")
                writer.flush()

        yield steps()
        writer.close()
    assert process.returncode == 0


def assert_undisturbed(site: Any) -> None:
    found = json.loads(pour(site, "report"))
    expected = undisturbed(session_events(TURNS))
    for side in ("primary", "shadow"):
        assert [line.encode("ascii") for line in found[side]] == expected[side]
    assert found["events"] == found["last_seq"] == found["applied_seq"] == len(session_events(TURNS)) + 1
    assert found["outcomes_twice"] == 0


def test_a_worker_killed_again_and_again(site: Any) -> None:
    worker = site.worker()
    with pouring(site) as steps:
        for number in steps:
            if number in (2, 7):
                worker.restart()
    assert_undisturbed(site)


def test_a_worker_killed_while_it_drains_a_backlog(site: Any) -> None:
    with pouring(site, 400) as steps:
        for _ in steps:
            pass
    worker = site.worker()
    worker.restart()  # the sweeper of the first one has the backlog in hand by now
    assert_undisturbed(site)


def test_a_broker_killed_in_mid_stream(site: Any) -> None:
    site.worker()
    with pouring(site) as steps:
        for number in steps:
            if number == 3:
                site.broker.kill()
            if number == 6:
                site.broker.start()
                site.broker.wait_answer()
    assert_undisturbed(site)


def test_a_broker_that_stays_away_leaves_the_work_to_the_sweeper(site: Any) -> None:
    site.worker()
    site.broker.kill()
    with pouring(site, 60) as steps:
        for _ in steps:
            pass
    assert_undisturbed(site)


def test_redelivered_tasks_and_two_workers(site: Any) -> None:
    site.worker("one", "-n", "one@%h")
    site.worker("two", "-n", "two@%h")
    with pouring(site, 15, extra=4) as steps:
        for _ in steps:
            pass
    assert_undisturbed(site)


def test_rival_drains_on_sqlite(site: Any) -> None:
    pour(site, "race", str(TURNS))
    assert_undisturbed(site)


@pytest.mark.postgres
def test_rival_drains_on_postgresql(make_site: Callable[..., Any], postgres_url: str) -> None:
    site = make_site(DATABASE_URL=postgres_url)
    pour(site, "race", str(TURNS))
    assert_undisturbed(site)


@pytest.mark.postgres
def test_a_worker_killed_on_postgresql(make_site: Callable[..., Any], postgres_url: str) -> None:
    site = make_site(DATABASE_URL=postgres_url)
    worker = site.worker()
    with pouring(site) as steps:
        for number in steps:
            if number == 4:
                worker.restart()
    assert_undisturbed(site)
