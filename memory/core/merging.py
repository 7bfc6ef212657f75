"""What a commit does to a page's fields: the merge rules, and the fields as they were committed."""

from __future__ import annotations

from typing import Any, Final

from memory.core import codec
from memory.core.events import Update
from memory.core.types import WriteOp

MAX_PAGE_BYTES: Final = 1024 * 1024  # of the committed fields of one page, as canonical JSON
MAX_BYTES: Final = 64 * 1024 * 1024  # of one session's
MAX_FIELDS: Final = 1_000  # of one page
MAX_MERGED: Final = 65_536  # bytes of a field that ``merge`` goes into: each one looks at all that it holds
_GROW: Final = (WriteOp.APPEND, WriteOp.MERGE)


def merged(op: str, held: Any, value: Any) -> Any:
    """The field after an update of this kind; ``held`` is ``None`` where it has no value yet.

    ``append``: text is joined, a list grows by the value (by its entries, if it is a list), and anything else
    becomes a list of both. ``merge``: objects key by key, of lists what is not there yet, else the new value.
    Whatever else sets the field.
    """
    if held is None or op not in _GROW:
        return value
    if op == WriteOp.MERGE:
        return _merged(held, value)
    if isinstance(held, str) and isinstance(value, str):
        return held + value
    begin = held if isinstance(held, list) else [held]
    return [*begin, *(value if isinstance(value, list) else [value])]


def _merged(held: Any, value: Any) -> Any:
    if isinstance(held, dict) and isinstance(value, dict):
        both = {key: _merged(held[key], value[key]) if key in held else value[key] for key in value}
        return {**held, **both}
    if isinstance(held, list) and isinstance(value, list):
        there = {codec.canonical(entry) for entry in held}
        found = list(held)
        for entry in value:
            key = codec.canonical(entry)
            if key not in there:
                there.add(key)
                found.append(entry)
        return found
    return value


class Fields:
    """The committed fields of a side's pages, by table order. Values are never changed in place."""

    __slots__ = ("_held", "_size", "size")

    def __init__(self) -> None:
        # field → value, and the bytes that it takes at most: appends are added up, so that none measures anew
        # all that stands there
        self._held: dict[int, dict[str, tuple[Any, int]]] = {}
        self._size: dict[int, int] = {}  # bytes of a page's
        self.size = 0

    def of(self, order: int) -> dict[str, Any]:
        return {name: value for name, (value, _) in self._held.get(order, {}).items()}

    def no_room(self, update: Update, order: int) -> str:
        """Why the page has no room for the update, '' if it has."""
        held = self._held.get(order, {})
        if update.field not in held and len(held) >= MAX_FIELDS:
            return f"the page has {MAX_FIELDS} fields already"
        if update.op == WriteOp.MERGE and update.field in held and held[update.field][1] > MAX_MERGED:
            return f"the field takes more than {MAX_MERGED} bytes, which is too much to merge into"
        size = _bytes(update.field, update.value)
        if update.op not in _GROW and update.field in held:
            size -= held[update.field][1]
        if self._size.get(order, 0) + size > MAX_PAGE_BYTES:
            return f"the page's fields would take more than {MAX_PAGE_BYTES} bytes"
        if self.size + size > MAX_BYTES:
            return f"the session's fields would take more than {MAX_BYTES} bytes"
        return ""

    def commit(self, update: Update, order: int) -> None:
        """Apply the update to its page's field."""
        value, before = self._held.get(order, {}).get(update.field, (None, 0))
        new = merged(update.op, value, update.value)
        if update.op == WriteOp.APPEND:
            size = _bytes(update.field, update.value) + before
        else:  # a merge may add nothing, however often it comes
            size = _bytes(update.field, new)
        self._put(order, update.field, new, size)

    def replace(self, order: int, fields: dict[str, Any]) -> None:
        """The page's fields as another session committed them."""
        self._held.pop(order, None)
        self.size -= self._size.pop(order, 0)
        for name, value in fields.items():
            self._put(order, name, value, _bytes(name, value))

    def _put(self, order: int, name: str, value: Any, size: int) -> None:
        held = self._held.setdefault(order, {})
        grown = size - held.get(name, (None, 0))[1]
        held[name] = (value, size)
        self._size[order] = self._size.get(order, 0) + grown
        self.size += grown

    def copy(self) -> Fields:
        other = Fields()
        other._held = {order: dict(fields) for order, fields in self._held.items()}
        other._size, other.size = dict(self._size), self.size
        return other

    def to_json(self) -> list[Any]:
        return [
            [order, [[name, value, size] for name, (value, size) in sorted(fields.items())]]
            for order, fields in sorted(self._held.items())
        ]

    @classmethod
    def from_json(cls, rows: list[Any]) -> Fields:
        made = cls()
        for order, fields in rows:
            for name, value, size in fields:
                made._put(order, name, value, size)
        return made


def _bytes(name: str, value: Any) -> int:
    return len(codec.canonical(value)) + len(name) + 4
