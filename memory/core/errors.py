"""Errors of the core. A *fault* is never an exception; these are for input that cannot be used."""

from __future__ import annotations


class CoreError(Exception):
    """Base of the core's errors."""


class EventError(CoreError):
    """An event's body is malformed: ``where`` names the field (dotted path), ``why`` says what is wrong.

    Occurs while decoding, before the engine sees the event; nothing was applied.
    """

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why


class WorkloadError(CoreError):
    """A workload file was refused; the message names file, turn and field. Nothing was run."""


class TraceError(CoreError):
    """A trace does not verify; the message says at which turn and what differs."""
