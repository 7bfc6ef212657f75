"""Lines of JSON as harnesses really write them: two objects
on a line, a byte order mark, half a line, bad UTF-8.
"""

from __future__ import annotations

import json
import re
from typing import Any

_decoder = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\r\n\x00\ufeff]*")


def decode_line(raw: bytes, truncated: bool = False) -> tuple[list[Any], str | None]:
    """Every JSON value of a line, and what was wrong with it (``None``: nothing).

    A value that is whole is used even where the rest of the line is not. An empty line is no problem.
    """
    problem: str | None = "over the size limit: only its head was kept" if truncated else None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        text = raw.decode("utf-8", "replace")
        problem = problem or f"not UTF-8 at byte {error.start}: read with replacement signs"
    try:
        return [json.loads(text)], problem  # the quick way, nearly always
    except (ValueError, RecursionError):
        pass
    values: list[Any] = []
    position = _end_of_blank(text, 0)
    if position == len(text) and "\0" in text:  # what a crashed machine leaves of a line
        problem = problem or "no JSON: nothing but NUL bytes"
    while position < len(text):
        try:
            value, position = _decoder.raw_decode(text, position)
        except ValueError as error:
            problem = problem or f"no JSON from character {position} on: {str(error)[:80]}"
            break
        except RecursionError:
            problem = problem or "nested too deeply"
            break
        values.append(value)
        position = _end_of_blank(text, position)
    return values, problem


def _end_of_blank(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position
