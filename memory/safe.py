"""Text made safe for display: what agents write is hostile input.

What comes out holds no NUL, no control character but newline and tab, no lone surrogate, and no invisible
direction mark; each of these is replaced by a visible symbol of one character, so that offsets stay right.
Escaping for HTML is the template's work, not done here.
"""

from __future__ import annotations

import re
from typing import Final

#: Direction controls become visible marks: none of them can reorder what stands around it on screen.
_BIDI: Final = {
    0x061C: "⟨",
    0x200E: "→",
    0x200F: "←",
    0x202A: "⟨",
    0x202B: "⟨",
    0x202C: "⟩",
    0x202D: "⟨",
    0x202E: "⟨",
    0x2066: "⟨",
    0x2067: "⟨",
    0x2068: "⟨",
    0x2069: "⟩",
}


def _table() -> dict[int, str]:
    table = {code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)}
    table[0x7F] = "␡"
    table |= dict.fromkeys(range(128, 160), "�")
    table |= {0x2028: "␤", 0x2029: "␤", 0xFEFF: "·", 0x200B: "·", 0x2060: "·"}
    table |= _BIDI
    return table


_TABLE: Final = _table()
_HOSTILE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f" + "".join(map(chr, _BIDI)) + "\u2028\u2029\ufeff\u200b\u2060\ud800-\udfff]"
)


def _replace(match: re.Match[str]) -> str:
    return _TABLE.get(ord(match[0]), "\N{REPLACEMENT CHARACTER}")


def display(text: str, limit: int | None = None) -> str:
    """``text`` for a text column or a template; at most ``limit`` characters, cut with ``…`` at the end.

    A carriage return before a newline is dropped (it is only a line ending); alone it is shown as a symbol.
    """
    if limit is not None and len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…" if limit > 0 else ""
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
    return _HOSTILE.sub(_replace, text)


def one_line(text: str, limit: int | None = None) -> str:
    """``display`` for titles and reasons: line breaks and tabs become spaces."""
    if limit is not None:
        text = text[: limit * 2 + 8]
    return display(" ".join(text.split()), limit)


def is_plain(text: str) -> bool:
    """Whether ``display`` would leave ``text`` as it is and
    it stands on one line: what an identity must be.
    """
    return not _HOSTILE.search(text) and "\n" not in text and "\t" not in text
