"""Waiting for the workers without asking the database all the time.

The rule of the house: subscribe first, read then. A message that comes between the two is not missed, and a
message that is lost costs a second, because the hub looks at the watched sessions' ``applied_seq`` by itself.

Who waits holds no database connection: each request has a thread of its own, whose connection would stand
open for as long as the request waits, and a database takes only so many.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

from inspector.api.errors import ApiError

MAX_WAITING = 256  # requests of one process that may wait at a time
LOOK_AGAIN_S = 5.0  # seconds after which a waiting request reads even if nothing was heard

T = TypeVar("T")
_waiting = 0


class Watch:
    """A subscription to one session's progress."""

    def __init__(self, subscription: Any) -> None:
        self._subscription = subscription

    async def until(self, read: Callable[[], T | None], wait_ms: int) -> T | None:
        """What ``read`` (a database read) gives, as soon as it is not None; None after ``wait_ms``."""
        clock = asyncio.get_running_loop()
        deadline = clock.time() + wait_ms / 1000
        while True:
            found = await sync_to_async(read)()
            left = deadline - clock.time()
            if found is not None or left <= 0:
                return found
            await sync_to_async(_let_go)()
            try:
                await asyncio.wait_for(self._subscription.wait(), min(left, LOOK_AGAIN_S))
            except TimeoutError:
                continue


def _let_go() -> None:
    """Closes this request's connections; the next read opens one again. Not inside a transaction."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


@asynccontextmanager
async def watching(session_id: str) -> AsyncIterator[Watch]:
    """Subscribes to a session for as long as the block runs.
    Raises ``ApiError`` 429 when too many wait already.
    """
    from memory.stream import get_hub

    global _waiting
    if _waiting >= MAX_WAITING:
        message = f"{MAX_WAITING} requests are waiting here already."
        raise ApiError(429, message, where="wait_ms", headers={"Retry-After": "1"})
    _waiting += 1
    try:
        subscription = get_hub().subscribe(session_id)
        try:
            yield Watch(subscription)
        finally:
            subscription.close()
    finally:
        _waiting -= 1
