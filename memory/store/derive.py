"""Step one of a drain: records → the adapter → completed events at the end of the log, each record once."""

from __future__ import annotations

import contextlib
import logging
import math
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from memory.core.errors import EventError
from memory.core.versions import event_version
from memory.models import Event, Record, Session
from memory.safe import one_line
from memory.store import cache
from memory.store.append import session_pk
from memory.store.lately import happened_at, later
from memory.store.pack import canonical, event_sha256, pack, unpack

log = logging.getLogger(__name__)
MAX_RECORDS: Final = 500  # of one step
MAX_BYTES: Final = 4 * 1024 * 1024  # of one step, as kept
_TRIES: Final = 8
_CHUNK: Final = 50  # rows


@dataclass
class Step:
    """What one step did: ``done`` records or events; ``seq``:
    the cursor it left; ``more``: there is more to do.
    """

    done: int = 0
    seq: int = 0
    more: bool = False


@dataclass
class _Derived:
    """What a batch of records gave."""

    n: int
    version: str = ""  # the adapter's
    events: list[Event] = field(default_factory=list)
    problems: list[tuple[str, int]] = field(default_factory=list)  # (problem, record's row id)
    unknown: int = 0
    broken: int = 0
    truncated: bool = False  # by the step's limits


def derive_pending(session_id: str, until: float = math.inf) -> Step:
    """Derives the next batch of the session's records, which ends at the time ``until`` (monotonic) if not
    before. Nothing pending: ``Step.done`` is 0.
    """
    pk = session_pk(session_id)
    for _ in range(_TRIES):
        columns = ("adapter", "adapter_version", "derived_n", "record_count")
        found = Session.objects.filter(pk=pk).values_list(*columns).first()
        if found is None or not found[0] or found[2] >= found[3]:
            return Step()
        name, version, old, count = found
        live = _adapter_at(pk, name, old)
        made = _derive(pk, live, count, until)
        if version and version != made.version:
            made.events.insert(0, _upgrade(pk, name, version, made.version, old + 1))
        if _store(pk, old, made):
            cache.adapters.put(pk, live)
            return Step(made.n - old, made.n, made.n < count)
        # Another worker was faster: this adapter has seen records that it will be fed again, so it is
        # dropped.
    return Step(more=True)


def _adapter_at(pk: uuid.UUID, name: str, n: int) -> cache.LiveAdapter:
    live = cache.adapters.take(pk)
    if live is not None and live.n == n:
        return live
    from memory.harness import get_adapter

    live = cache.LiveAdapter(get_adapter(name), 0)
    for row in _records(pk, 0, n):
        _feed(live, row)
    return live


def _records(pk: uuid.UUID, after: int, upto: int) -> Iterator[Record]:
    while after < upto:
        rows = Record.objects.filter(session_id=pk, n__gt=after, n__lte=min(after + _CHUNK, upto)).order_by(
            "n"
        )
        yield from rows.only("n", "raw", "truncated", "length")
        after += _CHUNK


def _feed(live: cache.LiveAdapter, row: Record) -> Any:
    """The adapter's ``Derived``, or a text that says how it
    failed (in the same way each time it is fed again).
    """
    from memory.harness import RawRecord

    live.n = row.n
    try:
        return live.adapter.feed(RawRecord(row.n, unpack(row.raw), row.truncated))
    except Exception as error:
        log.exception("adapter %s failed on record %d", type(live.adapter).__name__, row.n)
        return f"internal error: {type(error).__name__}: {error}"


def _upgrade(pk: uuid.UUID, name: str, before: str, now: str, n: int) -> Event:
    """A note in the log that records from ``n`` on are read by another version of the adapter.

    It was fed the earlier records too, but the events that its predecessor made of them stand. Where the two
    do not fit together, events are rejected and say so; the session goes on.
    """
    told = {"adapter": name, "before": before, "now": now, "from_record": n}
    return _event(pk, n, "noted", {"what": "adapter_version", "data": told}, "")


def _derive(pk: uuid.UUID, live: cache.LiveAdapter, count: int, until: float) -> _Derived:
    made = _Derived(live.n, one_line(str(live.adapter.version), 40))
    size = 0
    for taken, row in enumerate(_records(pk, live.n, count), 1):
        derived = _feed(live, row)
        made.n = row.n
        if isinstance(derived, str):
            made.broken += 1
            made.problems.append((one_line(derived, 200), row.pk))
        else:
            _take(pk, row, derived, made)
        size += min(row.length, MAX_BYTES)
        if taken >= MAX_RECORDS or size >= MAX_BYTES or time.monotonic() >= until:
            break
    return made


def _take(pk: uuid.UUID, row: Record, derived: Any, made: _Derived) -> None:
    problem = derived.problem or ""
    for kind, body, at in derived.events:
        try:
            made.events.append(_event(pk, row.n, kind, body, at))
        except ValueError as error:
            problem = problem or f"an event could not be kept: {error}"
    if derived.unknown:
        made.unknown += 1
    elif problem:
        made.broken += 1
    if problem:
        made.problems.append((one_line(problem, 200), row.pk))


def _event(pk: uuid.UUID, record_n: int, kind: str, body: dict[str, Any], at: str) -> Event:
    from memory.complete import complete

    with contextlib.suppress(
        EventError
    ):  # kept as it is, then; it will be applied as rejected, with the reason
        body = complete(kind, body)
    raw = canonical(body)
    return Event(
        session_id=pk,
        kind=kind,
        body=pack(raw),
        body_sha256=event_sha256(kind, raw),
        version=event_version(kind),
        record_n=record_n,
        at=one_line(at or "", 40),
    )


def _store(pk: uuid.UUID, old: int, made: _Derived) -> bool:
    """Whether the batch is in the log now; False: another
    worker moved the cursor first, and nothing was stored.
    """
    with transaction.atomic():
        found = Session.objects.filter(pk=pk).values_list("arrived_at", "replayed").first()
        arrived, replayed = found or (None, False)
        told = [event.at for event in made.events]
        happened = happened_at(told, arrived or timezone.now(), replayed=replayed)
        moved = Session.objects.filter(pk=pk, derived_n=old).update(
            derived_n=made.n,
            **({"last_event_at": later(happened)} if told else {}),
            adapter_version=made.version,
            last_seq=F("last_seq") + len(made.events),
            unknown_records=F("unknown_records") + made.unknown,
            broken_records=F("broken_records") + made.broken,
        )
        if not moved:
            return False
        last = Session.objects.values_list("last_seq", flat=True).get(pk=pk)
        for seq, event in enumerate(made.events, last - len(made.events) + 1):
            event.seq = seq
        Event.objects.bulk_create(made.events, batch_size=500)
        if made.problems:
            with connection.cursor() as cursor:
                cursor.executemany("UPDATE memory_record SET problem = %s WHERE id = %s", made.problems)
    return True
