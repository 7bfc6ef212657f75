"""How JSON values are checked: one function a kind of value, and ``Form`` for a dataclass of them.

Each check takes a value and where it stands (dotted path), and gives the value to keep or raises
``EventError`` that names the place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from enum import StrEnum
from typing import Any, cast

from memory.core.errors import EventError
from memory.core.types import MAX_LIST, MAX_PAGE_ID, MAX_TITLE, Fidelity

#: Characters of a free string (reason, rule, evidence, signature); page texts are not bound by it.
MAX_STRING = 100_000
MAX_RESOURCE = 8_192  # characters of one resource name
MAX_MAP = 1_000  # entries of a map of counts
MAX_DEPTH = 64  # of free JSON (settings, values, notes)
MAX_FIELD_DEPTH = MAX_DEPTH + 2  # of a page's fields: values by name, and ``append`` may put one into a list
MAX_BITS = 14_000  # of a whole number in free JSON: Python writes and reads 4,300 digits
MAX_COUNT = 10**15  # of any count
MAX_UTILITY = 1e12  # of base_utility and recompute_cost

_BAD_ID = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
LABELS: dict[str, Fidelity] = {f.label: f for f in Fidelity}

Check = Callable[[Any, str], Any]


def fail(where: str, why: str) -> Any:
    """Raises ``EventError``; its type lets it stand where a value is wanted."""
    raise EventError(where, why)


def identifier(value: Any, where: str) -> str:
    """A name of at most ``MAX_PAGE_ID`` characters, none of them a control character."""
    if type(value) is not str:
        fail(where, "must be a string")
    if not value:
        fail(where, "is empty")
    if len(value) > MAX_PAGE_ID:
        fail(where, f"is longer than {MAX_PAGE_ID} characters")
    if _BAD_ID.search(value):
        fail(where, "holds a control character or half a surrogate pair")
    return cast(str, value)


def string(value: Any, where: str) -> str:
    """Any string of at most ``MAX_STRING`` characters."""
    if type(value) is not str:
        fail(where, "must be a string")
    if len(value) > MAX_STRING:
        fail(where, f"is longer than {MAX_STRING} characters")
    return cast(str, value)


def filled(value: Any, where: str) -> str:
    """The same, not empty."""
    return string(value, where) or cast(str, fail(where, "is empty"))


def title(value: Any, where: str) -> str:
    """A string for one line."""
    if len(string(value, where)) > MAX_TITLE:
        fail(where, f"is longer than {MAX_TITLE} characters")
    return cast(str, value)


def boolean(value: Any, where: str) -> bool:
    """True or false; 0 and 1 are neither."""
    return value if type(value) is bool else cast(bool, fail(where, "must be true or false"))


def count(value: Any, where: str) -> int:
    """A whole number from 0."""
    if type(value) is not int:
        fail(where, "must be a whole number")
    if not 0 <= value <= MAX_COUNT:
        fail(where, f"must be from 0 to {MAX_COUNT}")
    return cast(int, value)


def worth(value: Any, where: str) -> float:
    """A finite number from 0: a utility, cost or weight."""
    if type(value) is not float and type(value) is not int:
        fail(where, "must be a number")
    if not (math.isfinite(value) if type(value) is float else abs(value) <= MAX_UTILITY):
        fail(where, "must be finite")
    if not 0 <= value <= MAX_UTILITY:
        fail(where, f"must be from 0 to {MAX_UTILITY:g}")
    return float(value) + 0.0  # never -0.0, whose text would tell apart what is equal


def fidelity(value: Any, where: str) -> Fidelity:
    """A fidelity by its label."""
    found = LABELS.get(value) if type(value) is str else None
    return found if found is not None else fail(where, f"must be one of {', '.join(LABELS)}")


def present(value: Any, where: str) -> Fidelity:
    """The same, above absent."""
    found = fidelity(value, where)
    return found if found else fail(where, "must be above absent")


def enum_of(cls: type[StrEnum]) -> Check:
    """A check for the members' values."""
    members = {m.value: m for m in cls}

    def check(value: Any, where: str) -> Any:
        found = members.get(value) if type(value) is str else None
        return found if found is not None else fail(where, f"must be one of {', '.join(members)}")

    return check


def one_of(*words: str) -> Check:
    """A check for these words."""

    def check(value: Any, where: str) -> Any:
        return (
            value
            if type(value) is str and value in words
            else fail(where, f"must be one of {', '.join(words)}")
        )

    return check


def optional(inner: Check) -> Check:
    """``None`` passes, the rest is ``inner``'s."""

    def check(value: Any, where: str) -> Any:
        return None if value is None else inner(value, where)

    return check


def list_of(inner: Check, minimum: int = 0, maximum: int = MAX_LIST) -> Check:
    """A list of so many entries, as a tuple."""

    def check(value: Any, where: str) -> tuple[Any, ...]:
        if type(value) is not list and type(value) is not tuple:
            fail(where, "must be a list")
        if len(value) > maximum:
            fail(where, f"has more than {maximum} entries")
        if len(value) < minimum:
            fail(where, "is empty")
        return tuple([inner(entry, f"{where}[{i}]") for i, entry in enumerate(value)])

    return check


def resource(value: Any, where: str) -> str:
    """The name of a resource."""
    if len(filled(value, where)) > MAX_RESOURCE:
        fail(where, f"is longer than {MAX_RESOURCE} characters")
    return cast(str, value)


def an_object(value: Any, where: str) -> dict[str, Any]:
    """A JSON object."""
    if type(value) is not dict:
        fail(where, "must be an object")
    for key in value:
        if type(key) is not str:
            fail(where, "has a key that is no string")
    return cast(dict[str, Any], value)


def counts(value: Any, where: str) -> dict[str, int]:
    """An object of counts."""
    if len(an_object(value, where)) > MAX_MAP:
        fail(where, f"has more than {MAX_MAP} entries")
    return {string(key, where): count(entry, f"{where}.{key[:80]}") for key, entry in value.items()}


def json_value(value: Any, where: str, deepest: int = MAX_DEPTH) -> Any:
    """Any JSON value without infinities, nested at most so deep."""
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if kind is int:
        return value if value.bit_length() <= MAX_BITS else fail(where, "is a number of too many digits")
    if kind is float:
        return value if math.isfinite(value) else fail(where, "must be finite")
    if deepest <= 0:
        fail(where, "is nested too deep")
    if kind is list:
        for entry in value:
            json_value(entry, where, deepest - 1)
        return value
    for entry in an_object(value, where).values():
        json_value(entry, where, deepest - 1)
    return value


def json_object(value: Any, where: str) -> Any:
    """The same, an object."""
    return json_value(an_object(value, where), where)


def page_fields(value: Any, where: str) -> Any:
    """What updates made of a page's fields: as deep as their values can get."""
    return json_value(an_object(value, where), where, MAX_FIELD_DEPTH)


class Form:
    """How one dataclass is read: field → check; what must be there and what serves else, it says itself."""

    __slots__ = ("checks", "cls", "defaults", "name", "required")

    def __init__(self, cls: type, checks: dict[str, Check]) -> None:
        self.cls, self.checks = cls, checks
        self.name = getattr(cls, "KIND", cls.__name__)
        bare = [f for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
        self.required = tuple(f.name for f in bare)
        self.defaults: dict[str, Any] = {}
        for f in fields(cls):
            if f.default is not MISSING:
                self.defaults[f.name] = f.default
            elif f.default_factory is not MISSING:
                self.defaults[f.name] = f.default_factory()
        assert {f.name for f in fields(cls)} == set(checks), cls

    def read(self, value: dict[str, Any], prefix: str = "") -> Any:
        """An instance of the class from an object's entries."""
        checks = self.checks
        kept = {}
        for key, entry in value.items():
            check = checks.get(key)
            if check is None:
                fail(f"{prefix}{str(key)[:80]}", f"is not a field of {self.name}")
            kept[key] = cast(Check, check)(entry, prefix + key)
        missing = [key for key in self.required if key not in kept]
        if missing:
            more = ", ".join(missing[1:])
            fail(prefix + missing[0], f"is missing, and so is: {more}" if more else "is missing")
        return self.cls(**kept)

    def nested(self, value: Any, where: str) -> Any:
        """The same, as a check."""
        return self.read(an_object(value, where), where + ".")
