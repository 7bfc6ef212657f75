"""What a worker keeps warm between drains: engine states, adapters, texts. Always droppable.

A mutable thing is *taken out* while it is worked on and put back only after its transaction has committed. So
a failure loses it, and two threads never share it.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

_T = TypeVar("_T")
MAX_SESSIONS: Final = 32
MAX_TEXT_BYTES: Final = 32 * 1024 * 1024


@dataclass
class LiveState:
    """An engine state at ``seq``, with what the projection needs beside it."""

    state: Any
    seq: int
    snapshot_seq: int
    #: side → page id → fidelity number (above absent), as of ``seq``
    resident: dict[str, dict[str, int]] = field(default_factory=dict)
    #: side → pages that changed since its last prompt; changes stored since its last keyframe
    moved: dict[str, set[str]] = field(default_factory=dict)
    since_keyframe: dict[str, int] = field(default_factory=dict)
    #: the last batch failed: the next one is tried on a copy, so that failing again costs no refold
    wary: bool = False

    def copy(self) -> LiveState:
        """An independent copy, to go back to when a batch fails."""
        from memory import core

        return LiveState(
            core.clone(self.state),
            self.seq,
            self.snapshot_seq,
            {side: dict(held) for side, held in self.resident.items()},
            {side: set(pages) for side, pages in self.moved.items()},
            dict(self.since_keyframe),
            self.wary,
        )


@dataclass
class LiveAdapter:
    """An adapter that was fed the records up to ``n``."""

    adapter: Any
    n: int


class Shelf(Generic[_T]):
    """At most ``size`` things by session, the least recently used dropped first."""

    def __init__(self, size: int = MAX_SESSIONS) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._things: OrderedDict[uuid.UUID, _T] = OrderedDict()

    def take(self, pk: uuid.UUID) -> _T | None:
        with self._lock:
            return self._things.pop(pk, None)

    def put(self, pk: uuid.UUID, thing: _T) -> None:
        with self._lock:
            self._things[pk] = thing
            self._things.move_to_end(pk)
            while len(self._things) > self._size:
                self._things.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._things.clear()


class Texts:
    """Representations by the event that brought them (immutable), bounded by the bytes of their text."""

    def __init__(self, max_bytes: int = MAX_TEXT_BYTES) -> None:
        self._max = max_bytes
        self._size = 0
        self._lock = threading.Lock()
        # By the UUID's number: a prompt looks up hundreds, and a UUID hashes slowly.
        self._kept: OrderedDict[tuple[int, int], tuple[int, dict[str, Any]]] = OrderedDict()

    def get_many(self, pk: uuid.UUID, seqs: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Those that are kept, by seq."""
        number, found = pk.int, {}
        with self._lock:
            for seq in seqs:
                kept = self._kept.get((number, seq))
                if kept is not None:
                    self._kept.move_to_end((number, seq))
                    found[seq] = kept[1]
        return found

    def put(self, pk: uuid.UUID, seq: int, reps: dict[str, Any]) -> None:
        size = 100 + sum(len(rep.get("text", "")) for rep in reps.values())
        key = (pk.int, seq)
        with self._lock:
            if key in self._kept or size > self._max // 4:
                return
            self._kept[key] = (size, reps)
            self._size += size
            while self._size > self._max:
                _, (gone, _reps) = self._kept.popitem(last=False)
                self._size -= gone

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._size = 0


states: Shelf[LiveState] = Shelf()
adapters: Shelf[LiveAdapter] = Shelf()
texts = Texts()


def clear() -> None:
    """Forgets everything; what comes next is rebuilt from rows."""
    states.clear()
    adapters.clear()
    texts.clear()
