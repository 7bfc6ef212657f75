"""The journal of one side: typed updates staged, validated, then committed or parked with a reason."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from memory.core import codec
from memory.core.events import Update
from memory.core.merging import Fields
from memory.core.pages import Tokens

MAX_ENTRIES: Final = 10_000  # staged and parked at one time

Text = tuple[int, Tokens]  # of a page: the event that brought it, and its sizes

__all__ = ["MAX_ENTRIES", "Entry", "Journal", "Text", "digest"]


def digest(update: Update) -> str:
    """Tells whether an update that comes again is the same one."""
    return hashlib.sha256(codec.canonical(codec.plain(update))).hexdigest()[:16]


class Entry:
    """One update. ``state``: staged or parked; what is committed or lost leaves only its id and digest.

    ``validator`` and ``detail``: which check parked it, and in what words. ``verdicts``: plug-in → (allow or
    deny, reason), as logged. ``ours``: an operator's act or a conflict staged it, not the harness; ``text``:
    it is a page's text, and which one was refused: an answer commits that, whatever stands there by then.
    """

    __slots__ = (
        "detail", "order", "ours", "reason", "seq", "state", "text", "update", "validator", "verdicts",
    )  # fmt: skip

    def __init__(self, update: Update, order: int, seq: int, *, ours: bool = False) -> None:
        self.update, self.order, self.seq, self.ours = update, order, seq, ours
        self.state, self.reason, self.validator, self.detail = "staged", "", "", ""
        self.verdicts: dict[str, tuple[str, str]] = {}
        self.text: Text | None = None

    def copy(self) -> Entry:
        other = Entry(self.update, self.order, self.seq, ours=self.ours)
        other.state, other.reason = self.state, self.reason
        other.validator, other.detail = self.validator, self.detail
        other.verdicts, other.text = dict(self.verdicts), self.text
        return other

    def to_json(self) -> list[Any]:
        told = [[name, *verdict] for name, verdict in self.verdicts.items()]
        plain = codec.plain(self.update)
        words = [self.state, self.reason, self.validator, self.detail]
        return [plain, self.order, self.seq, self.ours, *words, told, self.text]

    @classmethod
    def from_json(cls, row: list[Any]) -> Entry:
        entry = cls(codec.update_from_json(row[0]), row[1], row[2], ours=row[3])
        entry.state, entry.reason, entry.validator, entry.detail = row[4:8]
        entry.verdicts = {name: (verdict, reason) for name, verdict, reason in row[8]}
        if row[9] is not None:
            seq, tokens = row[9]
            entry.text = seq, (tokens[0], tokens[1], tokens[2], tokens[3], tokens[4])
        return entry


class Journal:
    """Staged and parked updates, each in journal order, the ids of all that ever were, and what they made."""

    __slots__ = ("_parked", "_per_page", "_staged", "agreed", "closed", "fields")

    def __init__(self) -> None:
        self._staged: dict[str, Entry] = {}
        self._parked: dict[str, Entry] = {}
        self._per_page: dict[int, int] = {}  # order → staged updates
        self.closed: dict[str, str] = {}  # committed, dropped or lost: id → digest
        self.fields = Fields()
        self.agreed: dict[int, int] = {}  # order → the project's version that came last from elsewhere

    def find(self, update_id: str) -> Entry | None:
        return self._staged.get(update_id) or self._parked.get(update_id)

    def known_as(self, update_id: str) -> str | None:
        """The digest of the update that has or had this id."""
        entry = self.find(update_id)
        return self.closed.get(update_id) if entry is None else digest(entry.update)

    def full(self) -> bool:
        return len(self._staged) + len(self._parked) >= MAX_ENTRIES

    def stage(self, update: Update, order: int, seq: int, *, ours: bool = False) -> None:
        self._wait(Entry(update, order, seq, ours=ours))

    def _wait(self, entry: Entry) -> None:
        entry.state = "staged"
        self._staged[entry.update.update_id] = entry
        self._per_page[entry.order] = self._per_page.get(entry.order, 0) + 1

    def staged(self) -> list[Entry]:
        return list(self._staged.values())

    def has_staged(self, order: int) -> bool:
        return order in self._per_page

    def parked(self) -> list[Entry]:
        return list(self._parked.values())

    def _take(self, entry: Entry) -> None:
        if self._staged.pop(entry.update.update_id, None) is None:
            del self._parked[entry.update.update_id]
            return
        left = self._per_page.pop(entry.order) - 1
        if left:
            self._per_page[entry.order] = left

    def close(self, entry: Entry) -> None:
        self._take(entry)
        self.closed[entry.update.update_id] = digest(entry.update)

    def park(self, entry: Entry, reason: str, validator: str, detail: str) -> None:
        """Put aside with the reason; parked again, it only gets the new one."""
        if entry.state == "staged":
            self._take(entry)
        entry.state, entry.reason, entry.validator, entry.detail = "parked", str(reason), validator, detail
        self._parked[entry.update.update_id] = entry

    def stage_again(self, entry: Entry) -> None:
        """A parked update stands at the journal's end once more."""
        self._take(entry)
        entry.reason = entry.validator = entry.detail = ""
        self._wait(entry)

    def copy(self) -> Journal:
        other = Journal()
        other._staged = {update_id: entry.copy() for update_id, entry in self._staged.items()}
        other._parked = {update_id: entry.copy() for update_id, entry in self._parked.items()}
        other._per_page, other.closed = dict(self._per_page), dict(self.closed)
        other.fields, other.agreed = self.fields.copy(), dict(self.agreed)
        return other

    def to_json(self) -> list[Any]:
        rows = [entry.to_json() for entry in (*self._staged.values(), *self._parked.values())]
        return [rows, sorted(self.closed.items()), self.fields.to_json(), sorted(self.agreed.items())]

    @classmethod
    def from_json(cls, row: list[Any]) -> Journal:
        journal = cls()
        for entry in map(Entry.from_json, row[0]):
            if entry.state == "staged":
                journal._wait(entry)
            else:
                journal._parked[entry.update.update_id] = entry
        journal.closed, journal.fields = dict(row[1]), Fields.from_json(row[2])
        journal.agreed = dict(row[3])
        return journal
