"""The fold: a session's events, in order, into the engine's
state. The same rows give the same state anywhere.

An event that cannot be fed (malformed, or the engine failed on it) is marked ``skipped`` in its row. The
engine is fed a note in its place, so that its seq stays gapless, and the row's reason is its one outcome.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from typing import Any, Final

from memory import core
from memory.core.errors import EventError
from memory.core.events import Event as CoreEvent
from memory.core.outcomes import Outcome
from memory.models import Event, Snapshot
from memory.safe import one_line
from memory.store.pack import unpack, unpack_json

log = logging.getLogger(__name__)
_CHUNK: Final = 200  # rows
MAX_WHY: Final = 400  # characters


def skip(state: Any, seq: int, why: str) -> list[Outcome]:
    """Applies event ``seq`` as rejected because of ``why``, without feeding it."""
    return core.reject(state, seq, why)


def malformed(error: EventError) -> str:
    """Why an event with that error was skipped."""
    return one_line(f"malformed: {error.where}: {error.why}", MAX_WHY)


def load_state(pk: uuid.UUID, upto: int) -> tuple[Any, int]:
    """The state after event ``upto``, and the seq of the
    snapshot that it was made from (0: from the start).
    """
    state, seq = _from_snapshot(pk, upto)
    fold_rows(state, pk, seq, upto)
    return state, seq


def fold_rows(state: Any, pk: uuid.UUID, after: int, upto: int) -> None:
    """Feeds the stored, already applied events after ``after`` up to ``upto``.

    An event that a newer decoder refuses is fed as rejected: an upgrade must not stall the session.
    """
    for row in _rows(pk, after, upto):
        if row.skipped:
            skip(state, row.seq, row.rejected)
            continue
        try:
            body = core.decode_body(row.kind, unpack_json(row.completed or row.body), row.version)
        except EventError as error:
            log.warning("session %s: event %d was applied once and no longer decodes: %s", pk, row.seq, error)
            skip(state, row.seq, malformed(error))
            continue
        core.step(state, CoreEvent(row.seq, body, row.actor))


def _from_snapshot(pk: uuid.UUID, upto: int) -> tuple[Any, int]:
    kept = Snapshot.objects.filter(session_id=pk, seq__lte=upto, engine_version=core.ENGINE_VERSION).first()
    if kept is not None:
        try:
            return core.load_state(unpack(kept.blob)), kept.seq
        except Exception:  # a snapshot is only a short cut: the log is the truth
            log.exception("snapshot of session %s at %d cannot be read; folding from the start", pk, kept.seq)
    return core.new_state(), 0


def _rows(pk: uuid.UUID, after: int, upto: int) -> Iterator[Event]:
    fields = ("seq", "kind", "actor", "body", "completed", "version", "rejected", "skipped")
    while after < upto:
        rows = Event.objects.filter(session_id=pk, seq__gt=after, seq__lte=min(after + _CHUNK, upto))
        yield from rows.order_by("seq").only(*fields)
        after += _CHUNK
