"""Appending to a session's log: records and events, gapless, idempotent, all or nothing."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from memory import safe
from memory.core.errors import EventError
from memory.core.events import KINDS
from memory.core.versions import event_version
from memory.models import Event, Project, Record, Session
from memory.store import limits, wake
from memory.store.errors import (
    BadEvent,
    EventConflict,
    LimitExceeded,
    NoAdapter,
    UnknownProject,
    UnknownSession,
)
from memory.store.lately import happened_at, later
from memory.store.pack import canonical, event_sha256, pack
from memory.store.rows import Appended, AppendedRecords, NewEvent, NewRecord, SessionRow

MAX_KEY: Final = limits.MAX_ID
_MIB: Final = 1024 * 1024
_T = TypeVar("_T")


def _limit(name: str, default: int) -> int:
    return int(getattr(settings, name, default))


def max_event_bytes() -> int:
    """Bytes of one event's body, as canonical JSON."""
    return _limit("CLAWWEB_MAX_EVENT_BYTES", 8 * _MIB)


def max_record_bytes() -> int:
    """Bytes kept of one record; of a longer one the head is kept, with length and hash of the whole."""
    return _limit("CLAWWEB_MAX_RECORD_BYTES", 8 * _MIB)


def max_batch() -> int:
    """Events or records of one call."""
    return _limit("CLAWWEB_MAX_BATCH", 1000)


def session_pk(session_id: str) -> uuid.UUID:
    """The primary key; raises UnknownSession where the text is no UUID."""
    try:
        return session_id if isinstance(session_id, uuid.UUID) else uuid.UUID(str(session_id))
    except ValueError:
        raise UnknownSession(str(session_id)) from None


def find_or_create_session(
    project: str,
    key: str,
    *,
    name: str,
    harness: str,
    mode: str,
    adapter: str = "",
    parent_key: str | None = None,
    started: dict[str, Any] | None = None,
    actor: str = "harness",
) -> tuple[SessionRow, bool]:
    """The project's session with that key, made if need be; ``started`` is then its first event.

    Raises UnknownProject, LimitExceeded (a key over 200
    characters), BadEvent (an unusable key or ``started``).
    """
    from memory.store.reads import session_row

    _check_key(0, "key", key)
    first = _prepare(0, NewEvent("session_started", started)) if started is not None else None
    owner = Project.objects.filter(slug=project).first()
    if owner is None:
        raise UnknownProject(project)
    parent = Session.objects.filter(project=owner, key=parent_key).first() if parent_key else None
    replayed = _says_replayed(started) or (parent is not None and parent.replayed)
    with transaction.atomic():
        row, created = Session.objects.get_or_create(
            project=owner,
            key=key,
            defaults={
                "name": safe.one_line(name or key, 200),
                "harness": safe.one_line(harness, 40),
                "mode": safe.one_line(mode, 16),
                "adapter": safe.one_line(adapter, 40),
                "parent": parent,
                "replayed": replayed,
            },
        )
        if created and first is not None:
            _insert_events(row.pk, [first], actor, 0)
            now = timezone.now()
            # Whose records are still to come may be of long ago.
            happened = None if adapter and not replayed else now
            Session.objects.filter(pk=row.pk).update(last_seq=1, last_event_at=happened, arrived_at=now)
            wake.wake_on_commit(str(row.pk))
    found = session_row(str(row.pk))
    assert found is not None
    return found, created


def _says_replayed(started: dict[str, Any] | None) -> bool:
    settings = started.get("settings") if started is not None else None
    return isinstance(settings, dict) and settings.get("replayed") is True


def append_events(session_id: str, items: Sequence[NewEvent], *, actor: str = "harness") -> list[Appended]:
    """Appends events in one transaction; their places in the log, in order of ``items``.

    An event whose ``client_event_id`` is known and whose kind and body are the same is answered with its
    first place. Raises UnknownSession, LimitExceeded, BadEvent (malformed), EventConflict; then nothing of
    the batch was stored.
    """
    pk = session_pk(session_id)
    if len(items) > max_batch():
        raise LimitExceeded("events in a batch", max_batch(), len(items))
    prepared = [_prepare(i, item) for i, item in enumerate(items)]
    return _retry_once(lambda: _append_prepared(pk, prepared, actor))


class _Prepared:
    """A checked event, its body canonical."""

    __slots__ = ("at", "body", "client_event_id", "kind", "sha256", "version")

    def __init__(self, item: NewEvent, body: bytes) -> None:
        self.kind = item.kind
        self.body = body
        self.sha256 = event_sha256(item.kind, body)
        self.client_event_id = item.client_event_id
        self.at = safe.one_line(item.at, 40)
        self.version = event_version(item.kind) if item.version is None else item.version


def _prepare(index: int, item: NewEvent) -> _Prepared:
    from memory import complete

    if item.kind not in KINDS:
        raise BadEvent(
            index, "kind", f"unknown kind {safe.one_line(item.kind, 40)!r}; there are {', '.join(KINDS)}"
        )
    if item.client_event_id is not None:
        _check_key(index, "client_event_id", item.client_event_id)
    if (
        isinstance(item.body, bytes) and len(item.body) > 6 * max_event_bytes()
    ):  # escapes take up to six bytes
        raise LimitExceeded("bytes of an event", max_event_bytes(), len(item.body))
    try:
        body = json.loads(item.body) if isinstance(item.body, bytes) else item.body
        raw = canonical(body)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadEvent(index, "body", f"not JSON: {safe.one_line(str(error), 200)}") from None
    if len(raw) > max_event_bytes():
        raise LimitExceeded("bytes of an event", max_event_bytes(), len(raw))
    if not isinstance(body, dict):
        raise BadEvent(index, "body", "must be an object")
    try:
        complete.check(item.kind, body, item.version)
        limits.check(item.kind, body)
    except EventError as error:
        raise BadEvent(index, error.where, error.why) from None
    return _Prepared(item, raw)


def _check_key(index: int, where: str, key: str) -> None:
    if len(key) > MAX_KEY:
        raise LimitExceeded(f"characters of {where}", MAX_KEY, len(key))
    if not key or not safe.is_plain(key):
        raise BadEvent(index, where, "must be non-empty and hold no control characters")


def _append_prepared(pk: uuid.UUID, prepared: list[_Prepared], actor: str) -> list[Appended]:
    with transaction.atomic():
        session = locked(pk)
        last_seq = session.last_seq
        known = _known_events(pk, prepared)
        places: list[Appended] = []
        fresh: list[_Prepared] = []
        for item in prepared:
            before = known.get(item.client_event_id) if item.client_event_id else None
            if before is not None:
                if before[1] != item.sha256:
                    raise EventConflict(str(item.client_event_id))
                places.append(Appended(before[0], True))
                continue
            fresh.append(item)
            seq = last_seq + len(fresh)
            places.append(Appended(seq, False))
            if item.client_event_id:
                known[item.client_event_id] = (seq, item.sha256)
        if fresh:
            _insert_events(pk, fresh, actor, last_seq)
            now = timezone.now()
            moved: dict[str, Any] = {"last_seq": last_seq + len(fresh), "arrived_at": now}
            # An operator's act is no sign of life of the agent.
            if session.last_event_at is None or not actor.startswith("operator:"):
                happened = happened_at([item.at for item in fresh], now, replayed=session.replayed)
                moved["last_event_at"] = later(happened)
            Session.objects.filter(pk=pk).update(**moved)
        wake.wake_on_commit(str(pk))
    return places


def _known_events(pk: uuid.UUID, prepared: list[_Prepared]) -> dict[str, tuple[int, str]]:
    ids = [item.client_event_id for item in prepared if item.client_event_id]
    found: dict[str, tuple[int, str]] = {}
    for some in chunks(ids, 500):
        rows = Event.objects.filter(session_id=pk, client_event_id__in=some)
        for event_id, seq, sha256 in rows.values_list("client_event_id", "seq", "body_sha256"):
            found[str(event_id)] = (seq, sha256)
    return found


def _insert_events(pk: uuid.UUID, fresh: list[_Prepared], actor: str, last_seq: int) -> None:
    who = safe.one_line(actor, 120)
    Event.objects.bulk_create(
        [
            Event(
                session_id=pk,
                seq=last_seq + i,
                kind=item.kind,
                actor=who,
                client_event_id=item.client_event_id,
                body=pack(item.body),
                body_sha256=item.sha256,
                version=item.version,
                at=item.at,
            )
            for i, item in enumerate(fresh, 1)
        ],
        batch_size=200,
    )


def append_records(session_id: str, items: Sequence[NewRecord]) -> AppendedRecords:
    """Appends raw records in one transaction; a known ``record_key`` is a duplicate and changes nothing.

    Raises UnknownSession, NoAdapter, LimitExceeded (batch or key), BadEvent (an unusable key).
    """
    pk = session_pk(session_id)
    if len(items) > max_batch():
        raise LimitExceeded("records in a batch", max_batch(), len(items))
    rows = [_record_row(pk, i, item) for i, item in enumerate(items)]
    return _retry_once(lambda: _append_rows(pk, rows))


def _record_row(pk: uuid.UUID, index: int, item: NewRecord) -> Record:
    _check_key(index, "record_key", item.record_key)
    keep = max_record_bytes()
    length = len(item.raw) if item.length is None else item.length
    return Record(
        session_id=pk,
        record_key=item.record_key,
        source=safe.one_line(item.source, 400),
        offset=item.offset,
        content_type=safe.one_line(item.content_type, 60),
        raw=pack(item.raw[:keep]),
        length=length,
        sha256=item.sha256 or hashlib.sha256(item.raw).hexdigest(),
        truncated=length > min(len(item.raw), keep),
    )


def _append_rows(pk: uuid.UUID, rows: list[Record]) -> AppendedRecords:
    with transaction.atomic():
        session = locked(pk)
        if not session.adapter:
            raise NoAdapter(f"session {session.key} takes events, not records")
        known = _known_records(pk, [row.record_key for row in rows])
        fresh: list[Record] = []
        changed = 0
        for row in rows:
            before = known.get(row.record_key)
            if before is not None:
                changed += before != row.sha256
                continue
            known[row.record_key] = row.sha256
            row.pk = None
            row.n = session.record_count + len(fresh) + 1
            fresh.append(row)
        if fresh:
            Record.objects.bulk_create(fresh, batch_size=200)
            Session.objects.filter(pk=pk).update(
                record_count=F("record_count") + len(fresh),
                record_bytes=F("record_bytes") + sum(row.length for row in fresh),
                arrived_at=timezone.now(),  # when they happened is known once they are derived
            )
        wake.wake_on_commit(str(pk))
    return AppendedRecords(session.record_count + 1, len(fresh), len(rows) - len(fresh), changed)


def _known_records(pk: uuid.UUID, keys: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for some in chunks(keys, 500):
        rows = Record.objects.filter(session_id=pk, record_key__in=some)
        found |= dict(rows.values_list("record_key", "sha256"))
    return found


def locked(pk: uuid.UUID) -> Session:
    """The session's cursors under its row lock, till the end of the transaction; raises UnknownSession.

    SQLite has no row locks: its transactions begin IMMEDIATE, so that there is one writer at a time.
    """
    columns = ("key", "adapter", "record_count", "last_seq", "derived_n", "applied_seq", "replayed")
    rows = Session.objects.only(*columns, "last_event_at")
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    try:
        return rows.get(pk=pk)
    except Session.DoesNotExist:
        raise UnknownSession(str(pk)) from None


def chunks(items: Iterable[_T], size: int) -> Iterable[list[_T]]:
    """``items`` in lists of at most ``size``: a database takes only so many parameters."""
    some: list[_T] = []
    for item in items:
        some.append(item)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def _retry_once(work: Callable[[], _T]) -> _T:
    """Runs ``work`` again if another writer won a race that
    the lock did not cover (a unique index said so).
    """
    try:
        return work()
    except IntegrityError:
        return work()
