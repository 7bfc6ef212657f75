"""An event log as JSON lines: one event a line, ``{"actor", "body", "kind", "seq", "v"}``, keys sorted.

``seq`` is gapless from 1. ``v`` is the version of the kind (1 where it is left out); bodies of older versions
are migrated as they are read. ``actor`` is ``harness`` where it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from memory.core import codec, forms, strict_json
from memory.core.errors import EventError, LogError
from memory.core.events import Event
from memory.core.versions import event_version

MAX_EVENTS: Final = 5_000_000
MAX_LINE: Final = 256 * 2**20  # bytes


def _line(value: Any) -> Event:
    if type(value) is not dict:
        forms.fail("line", "must be an object")
    for key in value:
        if key not in ("seq", "kind", "v", "actor", "body"):
            forms.fail(str(key)[:80], "is not a field of an event; there are seq, kind, v, actor, body")
    for key in ("seq", "kind", "body"):
        if key not in value:
            forms.fail(key, "is missing")
    seq, kind = forms.count(value["seq"], "seq"), forms.filled(value["kind"], "kind")
    body = forms.an_object(value["body"], "body")
    try:
        decoded = codec.decode_body(kind, body, value.get("v", 1))
    except EventError as error:
        outside = error.where in ("kind", "body", "version")
        place = {"version": "v"}.get(error.where, error.where) if outside else f"body.{error.where}"
        raise EventError(place, error.why) from None
    return Event(seq, decoded, forms.filled(value.get("actor", "harness"), "actor"))


def read_log(lines: Iterable[bytes], source: str = "log") -> list[Event]:
    """The events of a log, from its lines (with or without their newlines).

    Raises ``LogError`` naming ``source``, line and field at the first thing wrong: not JSON, an unknown field
    or kind, a body that its kind does not take, or a ``seq`` that is not its line's number.
    """
    found: list[Event] = []
    for number, raw in enumerate(lines, 1):
        try:
            if number > MAX_EVENTS:
                forms.fail("line", f"there are more than {MAX_EVENTS} events")
            if len(raw) > MAX_LINE:
                forms.fail("line", f"is longer than {MAX_LINE} bytes")
            event = _line(strict_json.read(raw))
            if event.seq != number:
                forms.fail("seq", f"is {event.seq}, not {number}: it is gapless from 1")
        except EventError as error:
            where = "line" if error.where == strict_json.WHOLE else error.where
            raise LogError(source, number, where, error.why) from None
        found.append(event)
    return found


def write_log(events: Iterable[Event]) -> Iterator[bytes]:
    """The events as canonical lines, each with its newline; ``read_log`` gives the same events back."""
    for event in events:
        kind = event.body.KIND
        line = {
            "seq": event.seq,
            "kind": kind,
            "v": event_version(kind),
            "actor": event.actor,
            "body": codec.body_to_json(event.body),
        }
        yield codec.canonical(line) + b"\n"
