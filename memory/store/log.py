"""A session's own log as the engine was fed it, to run it again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from django.db.models import Q

from memory import core
from memory.core.errors import EventError
from memory.core.events import Noted
from memory.models import Session
from memory.store.fold import _rows, malformed
from memory.store.pack import unpack_json


class LogName(NamedTuple):
    """One session that goes by a name. ``applied_seq`` of its ``last_seq`` events are complete and folded."""

    id: str
    key: str
    project: str
    applied_seq: int
    last_seq: int


def logs_named(name: str) -> list[LogName]:
    """Sessions whose id or key the name is; keys are unique in a project only."""
    found = Q(key=name)
    with suppress(ValueError):
        found |= Q(pk=uuid.UUID(name))
    rows = Session.objects.filter(found).order_by("project__slug")
    fields = ("pk", "key", "project__slug", "applied_seq", "last_seq")
    return [LogName(str(pk), *rest) for pk, *rest in rows.values_list(*fields)]


def log_events(session_id: str, upto: int) -> Iterator[core.Event]:
    """Events 1 to ``upto`` of a session, complete as the engine got them.

    One that could not be fed (malformed, or the engine failed on it) stands as a note that says why.
    """
    for row in _rows(uuid.UUID(session_id), 0, upto):
        why = row.rejected
        if not row.skipped:
            try:
                body = core.decode_body(row.kind, unpack_json(row.completed or row.body), row.version)
            except EventError as error:
                why = malformed(error)
            else:
                yield core.Event(row.seq, body, row.actor)
                continue
        note = Noted("an event that could not be applied", {"kind": row.kind, "why": why})
        yield core.Event(row.seq, note, row.actor)
