"""JSON as replay's files are read: no key twice, no NaN, no infinity, nothing but UTF-8."""

from __future__ import annotations

import json
from typing import Any

from memory.core.errors import EventError

WHOLE = "file"  # where an error of the whole text stands


class _Twice(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Twice(f"has the key {key[:80]!r} twice in one object")
            seen.add(key)
    return found


def _constant(name: str) -> Any:
    raise _Twice(f"holds {name}, which is no number of JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def read(raw: bytes | str) -> Any:
    """What the text holds; ``EventError`` (field ``file``) for anything that is not strictly JSON."""
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8")
        if text.startswith("\ufeff"):
            raise EventError(WHOLE, "begins with a byte order mark: save it without")
        return _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise EventError(WHOLE, f"is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise EventError(WHOLE, "is nested too deep") from None
    except _Twice as error:
        raise EventError(WHOLE, str(error)) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise EventError(WHOLE, f"is not JSON ({error.msg}: {where})") from None
    except ValueError:  # a whole number of more digits than Python reads
        raise EventError(WHOLE, "is not JSON (a number has too many digits)") from None
