"""Is a trace as it was written? Every line's seal, the chain, the turns' numbers, the residency and its hash.

It proves that nothing was changed by accident or by hand since the trace was written, not who wrote it:
whoever recomputes every hash after a change makes another trace that holds together. Lines cut off at the end
are found where the head says how many turns there are (a workload's does); else only by ``trace_sha256``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any, Final

from memory.core.errors import TraceError
from memory.core.trace import digest

_SEAL: Final = re.compile(rb',"verify":"([0-9a-f]{64})"}\Z')
_SEAL_BYTES: Final = len(b',"verify":"') + 64 + len(b'"}')
_WORD: Final = 1 << 256
_LEVELS: Final = ("absent", "pointer", "structured", "compressed", "full")


def verify_trace(lines: Iterable[bytes]) -> int:
    """Check a trace, line by line, each with its newline or all without; gives the number of its turns.

    Raises ``TraceError`` with the first turn that is not as it was written (0: the head), and what differs.
    """
    reader = _Trace()
    for raw in lines:
        reader.take(raw)
    return reader.end()


class _Trace:
    """What was read so far."""

    def __init__(self) -> None:
        self.turn = -1  # of the last line; 0: the head
        self.turns: int | None = None  # as the head says
        self.newlines = False
        self.side: str | None = None
        self.hash = ""  # of the last line
        self.resident: dict[str, str] = {}
        self.residency = 0

    def take(self, raw: bytes) -> None:
        turn = self.turn + 1
        line = raw.removesuffix(b"\n")
        if turn == 0:
            self.newlines = line != raw
        elif self.newlines and line == raw:
            raise TraceError(turn, "the line is cut off: its newline is missing")
        value = _unsealed(line, turn)
        try:
            if turn == 0:
                self._head(value)
            else:
                self._record(value, turn)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise TraceError(turn, "lacks what a line of a trace holds") from None
        self.turn, self.hash = turn, hashlib.sha256(line).hexdigest()

    def _head(self, head: dict[str, Any]) -> None:
        if head.get("trace") != "clawweb":
            raise TraceError(0, "this is no head of a trace")
        session = head["session"]
        if session.get("harness") == "workload":
            turns = session.get("settings", {}).get("turns")
            if type(turns) is not int:
                raise TraceError(0, "a workload's head says how many turns there are; this one does not")
            self.turns = turns

    def _record(self, record: dict[str, Any], turn: int) -> None:
        found = record.get("turn")
        if found != turn:
            missing = isinstance(found, int) and found > turn
            what = f"turn {found} stands in its place"
            raise TraceError(turn, f"is missing: {what}" if missing else what)
        if record["prev"] != self.hash:
            raise TraceError(turn - 1, f"was replaced: turn {turn} follows another line than this one")
        if self.side not in (None, record["side"]):
            raise TraceError(turn, f"is of side {record['side']!r}, the turns before of {self.side!r}")
        self.side = record["side"]
        self._move(record, turn)

    def _move(self, record: dict[str, Any], turn: int) -> None:
        for page_id, label, _ in record["changes"]:
            before = self.resident.pop(page_id, "absent")
            if label not in _LEVELS or label == before:
                raise TraceError(turn, f"changes: {page_id!r} cannot go from {before} to {label}")
            if label != "absent":
                self.resident[page_id] = label
            self.residency -= digest(page_id, _LEVELS.index(before))
            self.residency += digest(page_id, _LEVELS.index(label))
        if record["residency"] != f"{self.residency % _WORD:064x}":
            raise TraceError(turn, "the residency's hash is not that of its changes")
        if record.get("keyframe", self.resident) != self.resident:
            raise TraceError(turn, "the keyframe is not what the changes lead to")

    def end(self) -> int:
        if self.turn < 0:
            raise TraceError(0, "the trace is empty")
        if self.turns is not None and self.turn < self.turns:
            last = f"it and those after it are cut off: there were {self.turns} turns"
            raise TraceError(self.turn + 1, last)
        if self.turns is not None and self.turn > self.turns:
            raise TraceError(self.turns + 1, f"was added: there were {self.turns} turns")
        return self.turn


def _unsealed(line: bytes, turn: int) -> dict[str, Any]:
    """The object of a line whose bytes are those that were written."""
    seal = _SEAL.search(line)
    if seal is None:
        raise TraceError(turn, "the line is cut off, or is no line of a trace")
    if hashlib.sha256(line[:-_SEAL_BYTES]).hexdigest().encode("ascii") != seal[1]:
        raise TraceError(turn, "was changed: its bytes are not those that were written")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise TraceError(turn, "is not JSON") from None
    if not isinstance(value, dict):
        raise TraceError(turn, "is no JSON object")
    return value
