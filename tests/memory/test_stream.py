"""The stream: hints that may be lost, coalesced, and never block anybody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from memory import stream
from tests.support.processes import Broker

pytestmark = pytest.mark.integration
ONE, TWO = "11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"


class Truth:
    """What a database would answer; counts how often it was asked."""

    def __init__(self) -> None:
        self.applied: dict[str, int] = {}
        self.asked = 0

    async def __call__(self, session_ids: list[str]) -> dict[str, int]:
        self.asked += 1
        return {s: self.applied[s] for s in session_ids if s in self.applied}


@pytest.fixture
def own_broker(data_dir: Path) -> Iterator[Broker]:
    server = Broker(data_dir)
    before = stream._config.url, stream._config.key
    stream.configure(server.url, key="test:stream")
    yield server
    stream.configure(before[0], key=before[1])
    server.stop(deadline_s=3)


@pytest.fixture
def truth() -> Truth:
    return Truth()


@pytest.fixture
async def hub(own_broker: Broker, truth: Truth) -> AsyncIterator[stream.Hub]:
    made = stream.Hub(truth)
    made.start()
    await until(lambda: made.connected)
    yield made
    await made.stop()


async def say(session_id: str, seq: int) -> None:
    """Publishes, again if a busy machine made it fail: what is tested here is the hearing."""
    end = time.monotonic() + 10
    while True:
        sent = stream.counts.sent
        stream.publish(session_id, seq)
        if stream.counts.sent > sent:
            return
        assert time.monotonic() < end, "cannot publish"
        await asyncio.sleep(0.05)


async def until(look: Any, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.01)


async def test_a_watcher_hears_its_session_and_no_other(hub: stream.Hub) -> None:
    async with hub.subscribe(ONE) as one, hub.subscribe(TWO) as two:
        await say(ONE, 7)
        assert await asyncio.wait_for(one.wait(), 5) == 7
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(two.wait(), 0.05)


async def test_a_slow_watcher_gets_the_newest_only(hub: stream.Hub) -> None:
    async with hub.subscribe(ONE) as slow, hub.subscribe(ONE) as quick:
        for seq in range(1, 501):
            await say(ONE, seq)
        await until(lambda: quick._pending.get(ONE) == 500)
        assert len(slow._pending) == 1
        assert await slow.wait() == 500


async def test_a_watcher_of_all_is_told_which_and_is_bounded(
    hub: stream.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_PENDING", 2)
    async with hub.subscribe("*") as watcher:
        for session in (ONE, TWO, "x"):
            await say(session, 3)
        await until(lambda: watcher.overflowed)
        assert await watcher.wait_changed() == {ONE: 3, TWO: 3}


async def test_a_lost_message_costs_about_a_second(hub: stream.Hub, truth: Truth) -> None:
    async with hub.subscribe(ONE) as watcher:
        truth.applied[ONE] = 12
        began = time.monotonic()
        assert await asyncio.wait_for(watcher.wait(), 10) == 12
        assert time.monotonic() - began < 5


async def test_nobody_watching_nobody_asking(hub: stream.Hub, truth: Truth) -> None:
    hub._poll_seconds = 0.01
    async with hub.subscribe("*"):
        await asyncio.sleep(0.1)
        assert truth.asked == 0
    async with hub.subscribe(ONE):
        await until(lambda: truth.asked > 2)
    await until(lambda: not hub._watched.is_set())
    await asyncio.sleep(0.03)  # one that was under way ends
    asked = truth.asked
    await asyncio.sleep(0.1)
    assert truth.asked == asked


async def test_a_broker_that_comes_back_is_heard_again(
    hub: stream.Hub, own_broker: Broker, truth: Truth
) -> None:
    async with hub.subscribe(ONE) as watcher:
        await asyncio.to_thread(own_broker.kill)
        truth.applied[ONE] = 5
        assert await asyncio.wait_for(watcher.wait(), 10) == 5  # without the broker
        await asyncio.to_thread(own_broker.restart)
        await until(lambda: hub.connected)

        async def publish_until_heard() -> int:
            seq = 10
            while not watcher._pending:
                seq += 1
                stream.publish(ONE, seq)
                await asyncio.sleep(0.05)
            return await watcher.wait()

        assert await asyncio.wait_for(publish_until_heard(), 15) > 10


async def test_a_database_that_fails_is_asked_again(own_broker: Broker) -> None:
    calls = 0

    async def shaky(_: list[str]) -> dict[str, int]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("away")
        return {ONE: 4}

    made = stream.Hub(shaky, poll_seconds=0.01)
    made.start()
    async with made.subscribe(ONE) as watcher:
        assert await asyncio.wait_for(watcher.wait(), 5) == 4
    await made.stop()


def test_publishing_without_a_broker_is_counted_and_quick(data_dir: Path) -> None:
    before = stream._config.url, stream._config.key
    stream.configure(f"unix://{data_dir}/none.sock")
    try:
        failed, skipped = stream.counts.failed, stream.counts.skipped
        began = time.monotonic()
        for seq in range(100):
            stream.publish(ONE, seq)
        assert time.monotonic() - began < 1
        assert stream.counts.failed > failed
        assert stream.counts.skipped > skipped
    finally:
        stream.configure(before[0], key=before[1])


async def test_closing_wakes_the_waiter(hub: stream.Hub) -> None:
    watcher = hub.subscribe(ONE)
    waiting = asyncio.create_task(watcher.wait())
    await asyncio.sleep(0)
    watcher.close()
    watcher.close()
    assert await asyncio.wait_for(waiting, 5) == 0
    assert hub._watchers == {}


async def test_a_reply_that_cannot_be_read_does_not_end_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    made, reads = stream.Hub(), 0

    async def follow(_client: object) -> None:
        nonlocal reads
        reads += 1
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "a foreign byte")

    monkeypatch.setattr(made, "_follow", follow)
    made.start()
    async with asyncio.timeout(5):
        while reads < 3:
            await asyncio.sleep(0.01)
    await made.stop()
