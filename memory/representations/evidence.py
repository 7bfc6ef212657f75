"""Tool results: what was called, how it ended, what counts in it."""

from __future__ import annotations

import re
from typing import Any, Final

from memory.representations.text import cut, head_tail, one_line, plain, repeats_folded

_WEAK = re.compile(r"warning|cannot|assert|undefined|\bpassed\b|\bexit|\btotal\b", re.IGNORECASE)
_KEY = re.compile(r"error|fail|exception|traceback|panic|fatal|denied|not found", re.IGNORECASE)
_OUTLINE = re.compile(
    r"(?:\d+[→\t: ]\s?)?\s{0,8}(?:export |public |private |static |async |pub |abstract )*"
    r"(?:def|class|func|function|fn|struct|interface|enum|trait|impl|type|module|namespace|const|#{1,4}) "
    r".{0,140}"
)
_NUMBERED = re.compile(r"\s*\d+→")
KEY_LINES: Final = 6
OUTLINE_LINES: Final = 16
SCAN_LIMIT: Final = 400_000  # characters searched for key lines from each end


def key_lines(text: str, limit: int = KEY_LINES) -> list[str]:
    """The lines that say how it went: errors and failures, then warnings and totals while there is room."""
    if len(text) > 2 * SCAN_LIMIT:
        text = text[:SCAN_LIMIT] + "\n" + text[-SCAN_LIMIT:]
    found = _lines_with(_KEY, text, limit)
    if len(found) < limit:
        found += [line for line in _lines_with(_WEAK, text, limit) if line not in found][: limit - len(found)]
    return found


def _lines_with(pattern: re.Pattern[str], text: str, limit: int) -> list[str]:
    """The first ``limit`` different lines with a match; the last makes way for later ones (a summary)."""
    out: list[str] = []
    position = 0
    while (match := pattern.search(text, position)) is not None:
        start = text.rfind("\n", 0, match.start()) + 1
        end = text.find("\n", match.end())
        end = len(text) if end < 0 else end
        line = text[max(start, match.start() - 80) : min(end, match.start() + 120)].strip()
        if line not in out:
            if len(out) == limit:
                out.pop()
            out.append(line)
        position = end + 1
        if len(out) == limit and len(text) - position > 20_000:
            position = len(text) - 20_000
    return out


def outline(lines: list[str]) -> list[str]:
    """Lines that define or head something, for text that looks like a file."""
    out: list[str] = []
    for line in lines[:20_000]:
        if _OUTLINE.match(line):
            out.append(one_line(line, 110))
            if len(out) == OUTLINE_LINES:
                break
    return out


def compressed(text: str) -> str:
    """Same kind of text, less of it: cleaned, repeats folded, the middle left out but for its key lines."""
    lines = repeats_folded(plain(text).split("\n"))
    if len(lines) <= 12:
        return "\n".join(cut(line, 400) for line in lines)
    keep = min(max(len(lines) // 3, 10), 60)
    head, tail = keep * 2 // 3, keep // 3
    middle = "\n".join(lines[head:-tail])
    between = [] if _NUMBERED.match(lines[0]) else key_lines(middle, 4)
    return head_tail(lines, head, tail, 300, between)


def structured(text: str, hint: dict[str, Any]) -> str:
    """Typed fields: ``tool``, ``command``, ``path`` …, ``error``, ``lines``, and key lines or an outline."""
    fields: list[str] = []
    for name in ("tool", "command", "path", "range", "pattern", "url", "query", "exit"):
        value = hint.get(name)
        if value not in (None, ""):
            fields.append(f"{name}: {one_line(str(value), 160)}")
    if hint.get("error"):
        fields.append("error: yes")
    lines = text.split("\n")
    fields.append(f"lines: {len(lines)}, characters: {len(text)}")
    if hint.get("tool") in ("Read", "read") or _NUMBERED.match(lines[0]):
        found, label = outline(lines), "outline"
    else:
        found, label = key_lines(text), "key lines"
    if not found:
        found, label = [one_line(line, 120) for line in lines if line.strip()][:3], "begins"
    return "\n".join([*fields, f"{label}:", *(f"  {one_line(line, 140)}" for line in found)])
