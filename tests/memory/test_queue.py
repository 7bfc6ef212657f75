"""Asking for drains, with and without a broker; and the sweeper."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from kombu.transport import redis, virtual

from clawweb.celery import app
from memory import store, sweeper, tasks
from memory.store import cache
from tests.memory.cast import STARTED, note


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made = tasks._Sender()
    monkeypatch.setattr(tasks, "_sender", made)
    yield made
    made._drop()


@pytest.fixture
def broker_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(url: str) -> None:
        monkeypatch.setitem(app.conf, "broker_url", url)
        monkeypatch.setattr(app.conf, "broker_write_url", url, raising=False)

    return use


def test_a_session_keeps_its_queue() -> None:
    queues = {tasks.queue_of(f"session-{n}") for n in range(200)}
    assert queues == {f"drain.{n}" for n in range(4)}
    assert tasks.queue_of("abc") == tasks.queue_of("abc") == "drain.2"


def test_a_broker_that_is_not_there_costs_next_to_nothing(sender: Any, broker_at: Any, tmp_path: Any) -> None:
    broker_at(f"redis+socket://{tmp_path}/none.sock")
    began = time.monotonic()
    tasks.enqueue_drain("abc")
    first = time.monotonic() - began
    began = time.monotonic()
    for _ in range(1000):
        tasks.enqueue_drain("abc")
    assert first < 1.0
    assert time.monotonic() - began < 0.5


def test_a_broker_that_never_answers_is_given_up(sender: Any, broker_at: Any) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(5)
        broker_at(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0")
        began = time.monotonic()
        assert not tasks.send_drain("abc")
        assert time.monotonic() - began < 2.0
        began = time.monotonic()
        assert not tasks.send_drain("abc")
        assert time.monotonic() - began < 0.05


@pytest.mark.integration
def test_a_broker_that_comes_back_is_used_again(sender: Any, broker_at: Any, broker: Any) -> None:
    broker_at("redis+socket" + broker.url[len("unix") :])
    assert tasks.send_drain("abc")
    sender._connection.default_channel.client.connection_pool.disconnect()
    assert tasks.send_drain("abc")


@pytest.fixture
def pending(db: None) -> str:
    cache.clear()
    store.ensure_project("default")
    row, _ = store.find_or_create_session(
        "default", "s", name="", harness="x", mode="enforced", started=STARTED
    )
    return row.id


class Calls:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, broker: bool) -> None:
        self.sent: list[str] = []
        self.drained: list[str] = []
        real = tasks.drain_now

        def send(session_id: str) -> bool:
            self.sent.append(session_id)
            return broker

        def drain(session_id: str) -> bool:
            self.drained.append(session_id)
            return real(session_id)

        monkeypatch.setattr(tasks, "send_drain", send)
        monkeypatch.setattr(tasks, "drain_now", drain)
        monkeypatch.setattr(sweeper, "_close_connections", lambda **_: None)  # the test's own connection


def test_the_first_sweep_takes_up_what_is_pending(pending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch, broker=True)
    assert sweeper.Sweeper().sweep() == [pending]
    assert calls.sent == [pending]
    assert calls.drained == []


def test_without_a_broker_the_sweeper_drains(pending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Calls(monkeypatch, broker=False)
    made = sweeper.Sweeper()
    made.sweep()
    row = store.session_row(pending)
    assert row is not None
    assert row.pending == 0
    assert made.sweep() == []


def test_what_the_queue_does_not_do_the_sweeper_does(pending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that takes tasks which nobody gets."""
    calls = Calls(monkeypatch, broker=True)
    now = [0.0]
    monkeypatch.setattr(sweeper.time, "monotonic", lambda: now[0])
    made = sweeper.Sweeper(every_seconds=3.0)
    for _ in range(3):
        made.sweep()
        now[0] += 3.0
    assert calls.drained == [pending]
    row = store.session_row(pending)
    assert row is not None and row.pending == 0


def test_a_message_whose_acknowledgement_failed_blocks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise ConnectionError("the broker was killed")

    qos = redis.Channel.QoS(mock.Mock(), prefetch_count=1)
    virtual.QoS.append(qos, mock.Mock(), "tag")
    assert not qos.can_consume()
    monkeypatch.setattr(redis.QoS, "ack", fail)
    with pytest.raises(ConnectionError):
        qos.ack("tag")
    assert qos.can_consume()


def test_what_makes_progress_is_left_alone(pending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch, broker=True)
    made = sweeper.Sweeper(every_seconds=0.0)
    tasks.drain_now(pending)
    assert made.sweep() == []
    store.append_events(pending, [note("new")])
    assert made.sweep() == []  # seen for the first time: its task is on the way
    assert made.sweep() == [pending]  # and now it is late
    tasks.drain_now(pending)
    store.append_events(pending, [note("newer")])
    assert made.sweep() == []
    assert calls.sent == [pending]


def test_what_keeps_failing_is_tried_less_and_less(pending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch, broker=False)
    monkeypatch.setattr(tasks, "drain_now", lambda _: 1 / 0)
    now = [0.0]
    monkeypatch.setattr(sweeper.time, "monotonic", lambda: now[0])
    made = sweeper.Sweeper(every_seconds=3.0)
    for _ in range(40):
        made.sweep()
        now[0] += 3.0
    assert 4 < len(calls.sent) < 10
