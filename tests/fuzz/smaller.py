"""The smallest input that still shows a finding, as far as some seconds of trying get."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from .streams import NOTHING, Given
from .trees import Pairs, at, paths, put, text_of, without

Shows = Callable[[bytes], bool]
SECONDS = 8.0


class Enough(Exception):
    """The time for trying is over."""


def _within(seconds: float, shows: Callable[[Any], bool]) -> Callable[[Any], bool]:
    end = time.monotonic() + seconds

    def asked(candidate: Any) -> bool:
        if time.monotonic() > end:
            raise Enough
        return shows(candidate)

    return asked


def text(raw: bytes, shows: Shows, seconds: float = SECONDS) -> bytes:
    """A JSON text by its tree, if its tree's text shows the same; anything else by its bytes."""
    best = raw
    asked = _within(seconds, shows)
    try:
        tree = _tree(raw)
        if tree is not None and asked(text_of(tree).encode()):
            best = text_of(tree).encode()
            for smaller in _shrunk(tree, asked):
                best = text_of(smaller).encode()
            return best
        for piece in _cut(raw, asked):
            best = piece
    except (Enough, RecursionError):
        pass
    return best


def _tree(raw: bytes) -> Any:
    """The tree, objects with a key twice kept as they are."""

    def pairs(found: list[tuple[str, Any]]) -> Any:
        return dict(found) if len(dict(found)) == len(found) else Pairs(found)

    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return None


def _shrunk(tree: Any, asked: Shows) -> Iterator[Any]:
    """Ever smaller trees that show it."""
    again = True
    while again:
        again = False
        for candidate in _less(tree):
            if asked(text_of(candidate).encode()):
                tree, again = candidate, True
                yield tree
                break


def _less(tree: Any) -> Iterator[Any]:
    """Halves of what is long, then everything less one thing, then halves of the rest."""
    places = [path for path in paths(tree) if path]
    for path in places:
        value = at(tree, path)
        if isinstance(value, str | list | dict) and len(value) > 8:
            yield from (put(tree, path, half) for half in _halves(value))
    for path in places:
        if not isinstance(at(tree, path[:-1]), Pairs):
            yield without(tree, path)
    for path in places:
        value = at(tree, path)
        if isinstance(value, str) and len(value) > 1:
            yield from (put(tree, path, half) for half in _halves(value))


def _halves(value: Any) -> list[Any]:
    half = len(value) // 2
    if isinstance(value, dict):
        entries = list(value.items())
        return [dict(entries[:half]), dict(entries[half:])]
    return [value[:half], value[half:]]


def _cut(raw: bytes, asked: Shows) -> Iterator[bytes]:
    size = max(1, len(raw) // 2)
    while size:
        start = 0
        while start < len(raw):
            candidate = raw[:start] + raw[start + size :]
            if asked(candidate):
                raw = candidate
                yield raw
            else:
                start += size
        size //= 2


def stream(
    given: list[Given], shows: Callable[[list[Given]], bool], seconds: float = SECONDS * 2
) -> list[Given]:
    """A stream with all that is not needed made into notes, and its end cut off."""
    asked = _within(seconds, shows)
    try:
        given = _beginning(given, asked)
        size = max(1, len(given) // 2)
        while size:
            for start in range(1, len(given), size):
                chunk = given[start : start + size]
                candidate = [*given[:start], *[NOTHING] * len(chunk), *given[start + size :]]
                if chunk != [NOTHING] * len(chunk) and asked(candidate):
                    given = candidate
            size //= 2
        given = _without_notes(given, asked)
        for number, one in enumerate(given):
            for key in list(one.body):
                body = {name: value for name, value in given[number].body.items() if name != key}
                candidate = [*given[:number], Given(one.kind, body, one.actor), *given[number + 1 :]]
                if asked(candidate):
                    given = candidate
    except Enough:
        pass
    return given


def _beginning(given: list[Given], asked: Callable[[list[Given]], bool]) -> list[Given]:
    """The shortest beginning that shows it: what comes after the fault does not matter."""
    low, high = 0, len(given)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if asked(given[:middle]) else (middle, high)
    return given[:high]


def _without_notes(given: list[Given], asked: Callable[[list[Given]], bool]) -> list[Given]:
    """The notes that can go; what refers to an act after one of them by its number follows."""
    for number in range(len(given) - 1, 0, -1):
        if given[number] == NOTHING:
            candidate = given[:number] + [_earlier(one, number + 1) for one in given[number + 1 :]]
            if asked(candidate):
                given = candidate
    return given


def _earlier(one: Given, seq: int) -> Given:
    """With its references to events after ``seq`` one less."""
    body = dict(one.body)
    for name in ("act_seq", "based_on_seq"):
        if isinstance(body.get(name), int) and body[name] > seq:
            body[name] -= 1
    return Given(one.kind, body, one.actor)
