"""Celery tasks: they carry a session's id, never data, and every one may be repeated without harm."""

from __future__ import annotations

import logging
import os
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
DRAIN_SECONDS: Final = 20.0  # of one task; what is left goes to the queue's end


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

    def send(self, session_id: str) -> bool:
        """Whether the broker took it."""
        if not self._lock.acquire(timeout=BROKER_SECONDS):
            return False
        try:
            if self._pid != os.getpid():
                self._pid, self._connection, self._silent_until = os.getpid(), None, 0.0
            if time.monotonic() < self._silent_until:
                return False
            # A connection that the broker closed while idle fails once: one more try with a new one.
            done = self._try(session_id) if self._connection is None else self._try(session_id, last=False)
            done = done or (self._silent_until <= time.monotonic() and self._try(session_id))
            if done:
                self._warned = False
            return done
        finally:
            self._lock.release()

    def _try(self, session_id: str, *, last: bool = True) -> bool:
        try:
            if self._connection is None:
                self._connect()
            drain_session.apply_async(
                (session_id,), queue=queue_of(session_id), producer=self._producer, retry=False
            )
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


def send_drain(session_id: str) -> bool:
    """The same; whether the broker took it."""
    try:
        return _sender.send(str(session_id))
    except Exception:
        log.exception("enqueueing a drain failed")
        return False


def drain_now(session_id: str, seconds: float = DRAIN_SECONDS) -> bool:
    """Drains in this process and publishes; True: the time was up and something is left."""
    from memory.store.drain import drain

    return drain(session_id, stream.publish, seconds)


@shared_task(name="memory.drain_session", acks_late=True, ignore_result=True)
def drain_session(session_id: str) -> None:
    """Drains one session. Repeating it, or running it twice at once, applies nothing twice."""
    from memory.store.errors import UnknownSession

    try:
        left = drain_now(session_id)
    except UnknownSession:
        log.warning("asked to drain a session that does not exist: %r", session_id)
        return
    if left:
        send_drain(session_id)


# The sweeper's signals are connected where the worker imports its tasks.
from memory import sweeper  # noqa: E402

sweeper.connect()
