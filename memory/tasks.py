"""Celery tasks: they carry a session's id, never data, and every one may be repeated without harm."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
import zlib
from typing import Any, Final

from celery import current_app, shared_task
from django.conf import settings

from memory import stream

log = logging.getLogger(__name__)

BROKER_SECONDS: Final = 0.4  # at most this long for a broker that does not answer
SILENT_SECONDS: Final = 2.0  # after a failure, the broker is not tried for so long
# Of one task; what is left goes to the queue's end. So short, because one worker does one task at a time: a
# long import must not keep the prompts of live sessions waiting.
DRAIN_SECONDS: Final = 0.5
CONTINUED_SECONDS: Final = 10.0  # so long a continuation may stand in the queue before it counts as lost


def queue_of(session_id: str) -> str:
    """The queue of the session's drains: always the same one, so that one worker keeps the session warm."""
    queues = int(getattr(settings, "CLAWWEB_DRAIN_QUEUES", 4))
    return f"drain.{zlib.crc32(session_id.encode()) % max(queues, 1)}"


class _Sender:
    """One connection to the broker per process, quick to give up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Any = None
        self._producer: Any = None
        self._pid = 0
        self._silent_until = 0.0
        self._warned = False

    def send(self, session_id: str, *more: str) -> bool:
        """Whether the broker took it."""
        if not self._lock.acquire(timeout=BROKER_SECONDS):
            return False
        try:
            if self._pid != os.getpid():
                self._pid, self._connection, self._silent_until = os.getpid(), None, 0.0
            if time.monotonic() < self._silent_until:
                return False
            # A connection that the broker closed while idle fails once: one more try with a new one.
            args = (session_id, *more)
            done = self._try(args) if self._connection is None else self._try(args, last=False)
            done = done or (self._silent_until <= time.monotonic() and self._try(args))
            if done:
                self._warned = False
            return done
        finally:
            self._lock.release()

    def _try(self, args: tuple[str, ...], *, last: bool = True) -> bool:
        try:
            if self._connection is None:
                self._connect()
            drain_session.apply_async(args, queue=queue_of(args[0]), producer=self._producer, retry=False)
        except Exception as error:
            self._drop()
            if last:
                self._silent_until = time.monotonic() + SILENT_SECONDS
                if not self._warned:
                    self._warned = True
                    log.warning(
                        "the broker does not answer (%s); the sweeper will find what is pending", error
                    )
            return False
        return True

    def _connect(self) -> None:
        quick = {
            "socket_connect_timeout": BROKER_SECONDS,
            "socket_timeout": BROKER_SECONDS,
            "max_retries": 0,
            "interval_start": 0,
            "interval_step": 0,
            "interval_max": 0,
        }
        options = {**(current_app.conf.broker_transport_options or {}), **quick}
        connection = current_app.connection_for_write(transport_options=options)
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=BROKER_SECONDS)
        self._connection = connection
        self._producer = current_app.amqp.Producer(connection)

    def _drop(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            try:
                connection.collapse()
            except Exception:
                log.debug("closing a broken connection failed", exc_info=True)


_sender = _Sender()


def enqueue_drain(session_id: str) -> None:
    """Asks for a drain of the session. Never raises; a broker that is down costs only the sweeper's delay."""
    send_drain(session_id)


def send_drain(session_id: str, *continuation: str) -> bool:
    """The same; whether the broker took it."""
    try:
        return _sender.send(str(session_id), *continuation)
    except Exception:
        log.exception("enqueueing a drain failed")
        return False


def drain_now(session_id: str, seconds: float = DRAIN_SECONDS) -> bool:
    """Drains in this process and publishes; True: the time was up and something is left."""
    from memory.store.drain import drain

    return drain(session_id, stream.publish, seconds)


class _Continued:
    """Sessions whose time was up and whose continuation stands in a queue, as far as this process knows.

    Every append asks for a drain, so an import leaves many messages. Each of them would take its turn of
    ``DRAIN_SECONDS`` before a live session's; as long as a continuation is on its way, they do nothing.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, float]] = {}  # session → (which continuation, not after)

    def new(self, session_id: str) -> str:
        name = secrets.token_hex(4)
        self._kept[session_id] = (name, time.monotonic() + CONTINUED_SECONDS)
        return name

    def waits_for(self, session_id: str, name: str) -> bool:
        """Whether another message than ``name`` will go on with the session."""
        awaited, end = self._kept.get(session_id, (name, 0.0))
        return awaited != name and time.monotonic() < end

    def forget(self, session_id: str) -> None:
        self._kept.pop(session_id, None)


_continued = _Continued()


@shared_task(name="memory.drain_session", acks_late=True, ignore_result=True)
def drain_session(session_id: str, continuation: str = "") -> None:
    """Drains one session. Repeating it, or running it twice at once, applies nothing twice."""
    from memory.store.errors import UnknownSession

    if _continued.waits_for(session_id, continuation):
        return
    _continued.forget(session_id)
    try:
        left = drain_now(session_id)
    except UnknownSession:
        log.warning("asked to drain a session that does not exist: %r", session_id)
        return
    if left and not send_drain(session_id, _continued.new(session_id)):
        _continued.forget(session_id)  # the sweeper goes on


# The sweeper's signals are connected where the worker imports its tasks.
from memory import sweeper  # noqa: E402

sweeper.connect()
