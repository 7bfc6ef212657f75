"""The stream: "session S is at seq N", from workers to
every web process. A hint that may be lost, never truth.

Writing: ``publish``. Reading: one ``Hub`` per process and event loop wakes that process's subscriptions. The
hub also asks for the watched sessions' ``applied_seq`` every second, so that a lost message, or a broker that
is down, costs a second. Nobody watching, nobody asking.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import os
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import redis
import redis.asyncio

log = logging.getLogger(__name__)

DEFAULT_KEY: Final = "clawweb:stream"
MAX_LENGTH: Final = 10_000  # entries kept, about
POLL_SECONDS: Final = 1.0
BLOCK_MS: Final = 5_000
CONNECT_SECONDS: Final = 0.3
SILENT_SECONDS: Final = 1.0  # after a failed publish, none is tried for so long
MAX_PENDING: Final = 1_000  # sessions that one subscription to all keeps apart
ALL: Final = "*"

Applied = Callable[[list[str]], Awaitable[dict[str, int]]]


@dataclass
class _Config:
    url: str = ""
    key: str = DEFAULT_KEY
    applied: Applied | None = None


_config = _Config()


def configure(url: str, *, key: str = DEFAULT_KEY) -> None:
    """Sets the broker's address (redis://, rediss://, unix:///path) and the stream's key; call before use."""
    _config.url = url
    _config.key = key


def configure_applied(applied: Applied) -> None:
    """Sets what the process's hub asks every second: session ids → their ``applied_seq``."""
    _config.applied = applied


# writing


@dataclass
class PublishCounts:
    """Of this process, since its start."""

    sent: int = 0
    failed: int = 0
    skipped: int = 0  # not tried, shortly after a failure


counts = PublishCounts()


class _Writer:
    """A connection per process (a fork gets its own), silent for a while after a failure."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: redis.Redis | None = None
        self._made_for: tuple[int, str] = (0, "")
        self._silent_until = 0.0

    def send(self, session_id: str, seq: int) -> bool:
        if time.monotonic() < self._silent_until:
            counts.skipped += 1
            return False
        try:
            self._connected().xadd(
                _config.key, {"s": session_id, "n": seq}, maxlen=MAX_LENGTH, approximate=True
            )
        except (redis.RedisError, OSError, ValueError) as error:
            counts.failed += 1
            self._silent_until = time.monotonic() + SILENT_SECONDS
            log.debug("not published: %s", error)
            return False
        counts.sent += 1
        return True

    def _connected(self) -> redis.Redis:
        wanted = (os.getpid(), _config.url)
        with self._lock:
            if self._client is None or self._made_for != wanted:
                self._client = redis.Redis.from_url(
                    _config.url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=1.0
                )
                self._made_for = wanted
                self._silent_until = 0.0
            return self._client


_writer = _Writer()


def publish(session_id: str, seq: int) -> None:
    """Says that the session's log is folded up to ``seq``.
    Never raises; failures are counted (``counts``).
    """
    if _config.url:
        _writer.send(session_id, seq)


# reading


class Subscription:
    """What one watcher has not seen yet: the newest seq per
    session, nothing in between. Close it when done.
    """

    def __init__(self, hub: Hub, session_id: str) -> None:
        self._hub = hub
        self.session_id = session_id
        self._event = asyncio.Event()
        self._pending: dict[str, int] = {}
        self.overflowed = False  # of a subscription to all: more sessions changed than are kept apart
        self.closed = False

    def _push(self, session_id: str, seq: int) -> None:
        if seq <= self._pending.get(session_id, -1):
            return
        if session_id not in self._pending and len(self._pending) >= MAX_PENDING:
            self.overflowed = True
        else:
            self._pending[session_id] = seq
        self._event.set()

    async def wait(self) -> int:
        """Waits for news and returns the newest seq (of all: the highest among those that changed)."""
        return max((await self.wait_changed()).values(), default=0)

    async def wait_changed(self) -> dict[str, int]:
        """Waits for news and returns session id → newest seq.
        Where ``overflowed`` is set: read everything again.
        """
        await self._event.wait()
        self._event.clear()
        changed, self._pending = self._pending, {}
        return changed

    def close(self) -> None:
        """No more news; a waiter is woken with none."""
        if not self.closed:
            self.closed = True
            self._hub._remove(self)
            self._event.set()

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class Hub:
    """Reads the stream and wakes subscriptions; lives in one event loop."""

    def __init__(
        self,
        applied: Applied | None = None,
        *,
        url: str | None = None,
        key: str | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._applied = applied
        self._url = url
        self._key = key
        self._poll_seconds = poll_seconds
        self._watchers: dict[str, set[Subscription]] = {}
        self._seen: dict[str, int] = {}  # newest seq told to the watchers of a session
        self._last_id = ""
        self._tasks: list[asyncio.Task[None]] = []
        self._watched = asyncio.Event()
        self.connected = False

    def start(self) -> None:
        """Starts reading in the running loop; returns at once, connected or not."""
        if not self._tasks:
            # A context of their own: who starts the hub may be a request, whose thread ends with it.
            own = contextvars.Context()
            self._tasks = [
                asyncio.create_task(self._read(), context=own.copy()),
                asyncio.create_task(self._poll(), context=own.copy()),
            ]

    async def stop(self) -> None:
        """Stops reading and closes every subscription."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for watchers in list(self._watchers.values()):
            for watcher in list(watchers):
                watcher.close()

    def subscribe(self, session_id: str) -> Subscription:
        """News of one session, or of all (``"*"``). Subscribe first, read then."""
        subscription = Subscription(self, session_id)
        self._watchers.setdefault(session_id, set()).add(subscription)
        if session_id != ALL:
            self._watched.set()
        return subscription

    def _remove(self, subscription: Subscription) -> None:
        watchers = self._watchers.get(subscription.session_id)
        if watchers is not None:
            watchers.discard(subscription)
            if not watchers:
                del self._watchers[subscription.session_id]
                self._seen.pop(subscription.session_id, None)
        if not self._sessions():
            self._watched.clear()

    def _sessions(self) -> list[str]:
        return [session_id for session_id in self._watchers if session_id != ALL]

    def _tell(self, session_id: str, seq: int) -> None:
        mine = self._watchers.get(session_id)
        if mine and seq > self._seen.get(session_id, -1):
            self._seen[session_id] = seq
            for watcher in mine:
                watcher._push(session_id, seq)
        for watcher in self._watchers.get(ALL, ()):
            watcher._push(session_id, seq)

    async def _read(self) -> None:
        backoff = 0.1
        while True:
            client = redis.asyncio.Redis.from_url(
                self._url or _config.url,
                decode_responses=True,
                socket_connect_timeout=CONNECT_SECONDS * 3,
                socket_timeout=BLOCK_MS / 1000 + 5,
            )
            try:
                await self._follow(client)
            except (redis.RedisError, OSError) as error:
                if self.connected:
                    log.warning("stream lost, reading again in a moment: %s", error)
                self.connected = False
            except Exception:  # a reply that cannot be read must not end the reader for good
                log.exception("reading the stream failed; again in a moment")
                self.connected = False
            finally:
                with contextlib.suppress(Exception):
                    await client.aclose()
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, 2.0) if not self.connected else 0.1

    async def _follow(self, client: Any) -> None:
        key = self._key or _config.key
        newest = await client.xrevrange(key, count=1)
        if not self._last_id:
            self._last_id = newest[0][0] if newest else "0-0"
        elif not newest or _older(newest[0][0], self._last_id):
            self._last_id = "0-0"  # another stream: the broker began anew
        self.connected = True
        while True:
            found = await client.xread({key: self._last_id}, count=1_000, block=BLOCK_MS)
            for _, entries in found:
                for entry_id, entry in entries:
                    self._last_id = entry_id
                    self._take(entry)
                await asyncio.sleep(0)

    def _take(self, entry: dict[str, str]) -> None:
        try:
            self._tell(entry["s"], int(entry["n"]))
        except (KeyError, TypeError, ValueError):
            log.debug("strange entry in the stream")

    async def _poll(self) -> None:
        applied = self._applied
        if applied is None:
            return
        while True:
            await self._watched.wait()
            await asyncio.sleep(self._poll_seconds)
            sessions = self._sessions()
            if not sessions:
                continue
            try:
                found = await applied(sessions)
            except Exception as error:
                log.warning("could not ask for the watched sessions: %s", error)
                continue
            for session_id, seq in found.items():
                self._tell_new(session_id, seq)

    def _tell_new(self, session_id: str, seq: int) -> None:
        """A polled seq: said to all only if it is news to the session's own watchers."""
        if seq > self._seen.get(session_id, -1):
            self._tell(session_id, seq)


def _older(a: str, b: str) -> bool:
    return tuple(map(int, a.split("-"))) < tuple(map(int, b.split("-")))


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def get_hub() -> Hub:
    """The hub of the running loop, started. Call it from within the loop."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub(_config.applied)
        hub.start()
    return hub


async def stop_hub() -> None:
    """Stops the running loop's hub, if it has one."""
    hub = _hubs.pop(asyncio.get_running_loop(), None)
    if hub is not None:
        await hub.stop()
