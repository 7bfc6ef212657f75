"""The journal of one side: typed updates staged, validated, then committed or parked with a reason."""

from __future__ import annotations

from typing import Any

from memory.core import codec
from memory.core.events import Update
from memory.core.page_table import PageTable
from memory.core.pages import Page
from memory.core.types import Fidelity, Pin, RejectReason, WriteOp

MAX_VALUE_BYTES = 65_536  # of one update's value, as JSON
MAX_FIELD = 200  # characters of a field's name
_OPS = frozenset(op.value for op in WriteOp)


def validate(
    update: Update, page: Page, version: int, table: PageTable, grants: frozenset[str], seq: int
) -> str:
    """The reason of the first check that fails, '' if all pass. ``version``: last committed one of the page.

    ``seq``: when the update was staged; its evidence must have been known by then.
    """
    if _malformed(update):
        return RejectReason.SCHEMA_INVALID
    evidence = table.by_id.get(update.evidence_ref)
    if evidence is None or evidence.created_seq > seq:
        return RejectReason.PROVENANCE_UNRESOLVED
    if update.scope != page.scope or update.scope not in grants:
        return RejectReason.SCOPE_DENIED
    if update.op not in _OPS or (update.op == WriteOp.SET_WITH_VERSION and update.base_version != version):
        return RejectReason.DESTRUCTIVE_OP
    return RejectReason.POLICY_DENIED if _lowers(update, page) else ""


def _malformed(update: Update) -> bool:
    if not update.field or len(update.field) > MAX_FIELD or update.value is None or update.base_version < 0:
        return True
    return len(codec.canonical(update.value)) > MAX_VALUE_BYTES


def _lowers(update: Update, page: Page) -> bool:
    """Would it lower the pin or minimum of a page pinned hard? A value that is none counts as lower."""
    if page.pin is not Pin.HARD:
        return False
    if update.field == "pin":
        return bool(update.value != Pin.HARD)
    if update.field == "min_fidelity":
        value = codec.LABELS.get(update.value) if isinstance(update.value, str) else None
        return (value or Fidelity.ABSENT) < page.minimum
    return False


class Entry:
    """One update. ``state``: staged or parked; what is committed or lost leaves only its id."""

    __slots__ = ("order", "reason", "seq", "state", "update")

    def __init__(self, update: Update, order: int, seq: int, state: str = "staged", reason: str = "") -> None:
        self.update, self.order, self.seq, self.state, self.reason = update, order, seq, state, reason

    def copy(self) -> Entry:
        return Entry(self.update, self.order, self.seq, self.state, self.reason)


class Journal:
    """Staged and parked updates in journal order, and the ids of all that ever were."""

    __slots__ = ("closed", "entries")

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.closed: set[str] = set()  # committed, dropped or lost

    def knows(self, update_id: str) -> bool:
        return update_id in self.entries or update_id in self.closed

    def stage(self, update: Update, order: int, seq: int) -> None:
        self.entries[update.update_id] = Entry(update, order, seq)

    def staged(self) -> list[Entry]:
        return [entry for entry in self.entries.values() if entry.state == "staged"]

    def has_staged(self, order: int) -> bool:
        return any(e.order == order and e.state == "staged" for e in self.entries.values())

    def parked(self) -> list[Entry]:
        return [entry for entry in self.entries.values() if entry.state == "parked"]

    def close(self, entry: Entry) -> None:
        del self.entries[entry.update.update_id]
        self.closed.add(entry.update.update_id)

    def park(self, entry: Entry, reason: str) -> None:
        entry.state, entry.reason = "parked", str(reason)

    def copy(self) -> Journal:
        other = Journal()
        other.entries = {update_id: entry.copy() for update_id, entry in self.entries.items()}
        other.closed = set(self.closed)
        return other

    def to_json(self) -> list[Any]:
        rows = [
            [codec.plain(entry.update), entry.order, entry.seq, entry.state, entry.reason]
            for entry in self.entries.values()
        ]
        return [rows, sorted(self.closed)]

    @classmethod
    def from_json(cls, row: list[Any]) -> Journal:
        journal = cls()
        for plain, order, seq, state, reason in row[0]:
            update = codec.update_from_json(plain)
            journal.entries[update.update_id] = Entry(update, order, seq, state, reason)
        journal.closed = set(row[1])
        return journal
