"""Errors of the core. A *fault* is never an exception; these are for input that cannot be used."""

from __future__ import annotations


class CoreError(Exception):
    """Base of the core's errors."""


def _printable(name: str) -> str:
    """The name of a field as a sender may have made it up: what cannot be printed or stored is escaped."""
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)
    return "".join(shown) or '""'


class EventError(CoreError):
    """An event's body is malformed: ``where`` names the field (dotted path), ``why`` says what is wrong.

    Occurs while decoding, before the engine sees the event; nothing was applied.
    """

    def __init__(self, where: str, why: str) -> None:
        where = _printable(where)
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why


class PolicyError(CoreError):
    """A declared policy was refused: ``source``, ``field`` and ``why``."""

    def __init__(self, source: str, field: str, why: str) -> None:
        super().__init__(f"{source}: {field}: {why}")
        self.source, self.field, self.why = source, field, why


class WorkloadError(CoreError):
    """A workload file was refused: ``source``, ``turn`` (counted from 0, ``None`` outside the turns),
    ``field`` (dotted path) and ``why``. Nothing was run.
    """

    def __init__(self, source: str, turn: int | None, field: str, why: str) -> None:
        place = source if turn is None else f"{source}: turn {turn}"
        super().__init__(f"{place}: {field}: {why}")
        self.source, self.turn, self.field, self.why = source, turn, field, why


class LogError(CoreError):
    """An event log's file was refused: ``source``, ``line`` (from 1), ``field``, ``why``. Nothing was run."""

    def __init__(self, source: str, line: int, field: str, why: str) -> None:
        super().__init__(f"{source}: line {line}: {field}: {why}")
        self.source, self.line, self.field, self.why = source, line, field, why


class TraceError(CoreError):
    """A trace does not verify: ``turn`` at which it differs (0: the head), and ``what`` differs."""

    def __init__(self, turn: int, what: str) -> None:
        super().__init__(f"{f'turn {turn}' if turn else 'head'}: {what}")
        self.turn, self.what = turn, what
