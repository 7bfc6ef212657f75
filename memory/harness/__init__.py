"""Adapters: foreign records become events.

An adapter reads a session's records in their order and gives the events of each. It is streaming (it never
needs the end) and deterministic: the same records in the same order give the same events, however they are
batched. It keeps no clock and never raises for a record: what cannot be read is a *problem*, what is not
known is *unknown*, and both leave the rest alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

EventTuple = tuple[str, dict[str, Any], str]  # kind, body, at (the sender's time, for display)

__all__ = [
    "ADAPTERS", "Adapter", "Derived", "EventTuple", "RawRecord", "UnknownAdapter", "get_adapter", "recognises"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record as it came: ``n`` from 1 in the session; ``truncated`` where only its head was kept."""

    n: int
    raw: bytes
    truncated: bool = False


@dataclass(slots=True)
class Derived:
    """What one record gave. ``problem``: why (a part of) it
    could not be read. ``unknown``: a type nobody knows.
    """

    events: list[EventTuple] = field(default_factory=list)
    problem: str | None = None
    unknown: bool = False


class Adapter(Protocol):
    """One session's reader; a new instance for every session."""

    name: str
    version: str

    def recognises(self, record: RawRecord) -> bool:
        """Whether it is a record of this harness, as far as
        one record tells; changes nothing. Never raises.
        """
        ...

    def feed(self, record: RawRecord) -> Derived:
        """The events of the next record. Never raises."""
        ...


class UnknownAdapter(LookupError):
    """No adapter has this name; the message lists those there are."""


def _claude_code() -> Adapter:
    from memory.harness.claude_code import ClaudeCode

    return ClaudeCode()


ADAPTERS: Final[dict[str, Callable[[], Adapter]]] = {"claude-code": _claude_code}


def get_adapter(name: str) -> Adapter:
    """A new adapter; raises ``UnknownAdapter``."""
    try:
        return ADAPTERS[name]()
    except KeyError:
        raise UnknownAdapter(f"no adapter {name[:60]!r}; there are {', '.join(sorted(ADAPTERS))}") from None


def recognises(name: str, record: RawRecord) -> bool:
    """Whether the record is one of that adapter's harness; raises ``UnknownAdapter``."""
    return get_adapter(name).recognises(record)
