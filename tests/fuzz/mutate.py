"""Changes of valid examples: one to four places of a JSON tree, or some of its bytes."""

from __future__ import annotations

from random import Random
from typing import Any

from .trees import Pairs, Path, Raw, at, paths, put, text_of, without

NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 100, 101, 10**8, 10**8 + 1, 10**9, 10**15, 10**15 + 1, 2**31, 2**63, 10**30, 0.5, 1.0,
    1e12, 1.1e12,
    5e-324, True, False, "1", Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("1e400"), Raw("-1e400"),
    Raw("-0.0"), Raw("-0"), Raw("1e-400"), Raw("1E5"), Raw("9" * 4300), Raw("9" * 5000),
    Raw("0." + "1" * 400),
)  # fmt: skip
STRINGS: tuple[Any, ...] = (
    "", " ", "\0", "a\0b", "\n", "\r", "\ud800", "\udfff x", "\x1b[31m", "\u202e", "\u2028", "\ufeff", "é",
    "e\u0301",
    "💥", "<script>", "'; DROP TABLE", "__proto__", "null", "*", "a*", "absent", "pointer", "structured",
    "compressed", "full", "hard", "none", "project", "observed", "oracle", "clawweb", "clawvm", "all",
    "NO_MATCH", "no match",
    "nobody", "x" * 80, "x" * 81, "x" * 512, "x" * 513, "\u202e" * 512, "x" * 1001, "x" * 8193,
    "x" * 100_001,
    Raw('"\\ud83d"'), Raw('"\\ud83d\\ude00"'), Raw('"\\u0000"'), Raw('"\\x"'), Raw('"\n"'), Raw("'a'"),
)  # fmt: skip
OTHERS: tuple[Any, ...] = (
    None, [], {}, [None], [[]], [{}], {"": None}, {"a": 1}, [0] * 10_001, Raw(""), Raw("nul"), Raw("[1,]"),
    Raw("{\"a\":}"), Raw("[" * 70 + "]" * 70), Raw("[" * 64 + "]" * 64), Raw("[" * 20_000 + "]" * 20_000),
    Raw("[" * 50_000), Raw('{"a":' * 20_000 + "1" + "}" * 20_000),
)  # fmt: skip
LENGTHS = (2, 2, 3, 17, 33, 101, 1_001, 10_000, 10_001)


def tree(rng: Random, example: Any, others: list[Any]) -> str:
    """The example's text after some changes. ``others``: examples to take parts from."""
    changed = example
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
        changed = _change(rng, changed, others)
    return text_of(changed)


def _change(rng: Random, example: Any, others: list[Any]) -> Any:
    places = list(paths(example))
    path = rng.choice(places)
    if len(path) < 2 and rng.randrange(3):
        path = rng.choice(places)
    return rng.choice(_CHANGES)(rng, example, path, others)


def _hostile(rng: Random, example: Any, path: Path, others: list[Any]) -> Any:
    """A value of the same kind more often than not."""
    value = at(example, path)
    if rng.randrange(3) == 0:
        return put(example, path, rng.choice(rng.choice((NUMBERS, STRINGS, OTHERS))))
    if isinstance(value, str):
        return put(example, path, rng.choice(STRINGS))
    if isinstance(value, int | float):
        return put(example, path, rng.choice(NUMBERS))
    return put(example, path, rng.choice(OTHERS))


def _near(rng: Random, example: Any, path: Path, others: list[Any]) -> Any:
    """A little beside what stood there."""
    value = at(example, path)
    if isinstance(value, bool):
        return put(example, path, not value)
    if isinstance(value, int | float):
        return put(example, path, rng.choice((value + 1, value - 1, -value, value * 2, 0.5, -value - 1)))
    if isinstance(value, str):
        place = rng.randrange(len(value) + 1)
        piece = rng.choice(STRINGS[:16])
        return put(
            example, path, rng.choice((value[:place] + piece + value[place:], value[:place], value.upper()))
        )
    if isinstance(value, list):
        return put(example, path, value[::-1])
    return put(example, path, dict(reversed(value.items())) if isinstance(value, dict) else {})


def _gone(rng: Random, example: Any, path: Path, others: list[Any]) -> Any:
    return without(example, path) if path and not isinstance(at(example, path[:-1]), Pairs) else example


def _unknown(rng: Random, example: Any, path: Path, others: list[Any]) -> Any:
    """A field more, or one under another name."""
    value = at(example, path)
    if not isinstance(value, dict):
        return example
    name = rng.choice(
        ("nonsense", "x" * 600, "", "\ud800", "a\0", "\x1b[2J", "page_id", "tokens", "kind", "created")
    )
    if value and rng.randrange(2):
        old = rng.choice(list(value))
        return put(example, path, {name if key == old else key: entry for key, entry in value.items()})
    return put(example, path, {**value, name: rng.choice((1, "x", None, {}, []))})


def _many(rng: Random, example: Any, path: Path, others: list[Any]) -> Any:
    """Many fields or entries."""
    value, count = at(example, path), rng.choice(LENGTHS)
    if isinstance(value, list):
        return put(example, path, (value or [0]) * (count if len(value) < 50 else 2))
    if isinstance(value, dict):
        return put(example, path, {**value, **{f"k{number}": number for number in range(count)}})
    return put(example, path, [value] * count)


def _twice(rng: Random, example: Any, path: Path, others: list[Any]) -> Any:
    value = at(example, path)
    if not isinstance(value, dict) or not value:
        return example
    key = rng.choice(list(value))
    pairs = [*value.items(), (key, rng.choice((value[key], None, "x", 1)))]
    rng.shuffle(pairs)
    return put(example, path, Pairs(pairs))


def _wrapped(rng: Random, example: Any, path: Path, others: list[Any]) -> Any:
    value, depth = at(example, path), rng.choice((1, 1, 2, 63, 64, 65, 400, 30_000))
    for _ in range(min(depth, 400)):
        value = [value] if rng.randrange(2) else {"a": value}
    if depth > 400:
        value = Raw("[" * depth + text_of(value) + "]" * depth)
    return put(example, path, value)


def _spliced(rng: Random, example: Any, path: Path, others: list[Any]) -> Any:
    """A part of another example, from anywhere or from under the same key."""
    other = rng.choice(others)
    places = list(paths(other))
    same = [place for place in places if place[-1:] == path[-1:]] or places
    return put(example, path, at(other, rng.choice(same if rng.randrange(3) else places)))


def _swapped(rng: Random, example: Any, path: Path, others: list[Any]) -> Any:
    """Two places of the same tree change their values."""
    other = rng.choice(list(paths(example)))
    shorter = min(len(path), len(other))
    if path[:shorter] == other[:shorter]:
        return example  # one holds the other
    return put(put(example, path, at(example, other)), other, at(example, path))


def _doubled(rng: Random, example: Any, path: Path, others: list[Any]) -> Any:
    """An entry of a list once more."""
    value = at(example, path)
    if not isinstance(value, list) or not value:
        return example
    value = [*value, rng.choice(value)]
    rng.shuffle(value)
    return put(example, path, value)


_CHANGES = (
    *(_hostile, _near) * 4,
    *(_gone, _spliced, _doubled) * 2,
    *(_unknown, _many, _twice, _wrapped, _swapped),
)


def raw(rng: Random, whole: bytes) -> bytes:
    """The bytes after one to three changes."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        start = rng.randrange(len(whole) + 1)
        end = min(len(whole), start + rng.choice((0, 1, 1, 2, 5, 40)))
        piece = whole[start:end]
        match rng.randrange(8):
            case 0:
                whole = whole[:start]
            case 1:
                whole = rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b" ", b"\r\n", b"\x1e")) + whole
            case 2:
                whole = whole[:start] + rng.choice(_BYTES) + whole[end:]
            case 3:
                whole = whole[:start] + whole[end:]
            case 4:
                whole = whole[:start] + piece * rng.choice((2, 3, 50)) + whole[end:]
            case 5:
                whole = whole.replace(b",", b",\r\n" if rng.randrange(2) else b"\r,", rng.choice((1, -1)))
            case 6:
                whole += rng.choice((b"\0", b"}", b"{}", b"\n\n", b" " * 5_000, b"\xc3"))
            case _:
                flipped = bytes(byte ^ (1 << rng.randrange(8)) for byte in piece)
                whole = whole[:start] + flipped + whole[end:]
    return whole


_BYTES = (
    b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\0", b"\n", b"\r", b"\x1b", b'"',
    b"\\",
    b"\\u0000", b"\\ud800", b"{", b"[", b",", b"1e999", b"-", b"NaN", b"true",
)  # fmt: skip
