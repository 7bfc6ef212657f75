"""Text helpers of the representations: deterministic, linear, and never inventing words of the page."""

from __future__ import annotations

import re
from typing import Final

ELISION: Final = "…"
_ANSI = re.compile(r"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)|[@-Z\\-_])")
_BLANKS = re.compile(r"(?<![^\S\n])[^\S\n]++$", re.MULTILINE)  # starts at the head of a run only: linear
_EMPTY_LINES = re.compile(r"\n{3,}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_SENTENCE_END = re.compile(r"[.!?。](?=\s)|\n")


def one_line(text: str, limit: int) -> str:
    """The text on one line without control characters, cut to ``limit`` characters with an ellipsis."""
    flat = " ".join(_CONTROL.sub(" ", text[: limit * 4]).split())
    if len(flat) <= limit and len(text) <= limit * 4:
        return flat
    return flat[: max(limit - 1, 0)] + ELISION


def cut(line: str, limit: int) -> str:
    """A long line's head and tail, with the number of characters left out between them."""
    if len(line) <= limit:
        return line
    head, tail = limit * 2 // 3, limit // 4
    return f"{line[:head]} {ELISION}[{len(line) - head - tail} characters]{ELISION} {line[-tail:]}"


def plain(text: str) -> str:
    """Without ANSI sequences, blanks at line ends and runs of empty lines; ``\\r\\n`` becomes ``\\n``."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    return _EMPTY_LINES.sub("\n\n", _BLANKS.sub("", text))


def repeats_folded(lines: list[str]) -> list[str]:
    """Runs of one same line as the line and how often it stood there."""
    out: list[str] = []
    index = 0
    while index < len(lines):
        end = index + 1
        while end < len(lines) and lines[end] == lines[index]:
            end += 1
        out.append(lines[index])
        if end - index > 1 and lines[index]:
            out.append(f"{ELISION}[the line above {end - index} times]")
        index = end
    return out


def head_tail(
    lines: list[str], head: int, tail: int, line_limit: int, between: list[str] | None = None
) -> str:
    """First and last lines, an elision line that says how many are missing, and lines kept from between."""
    if len(lines) <= head + tail + 1:
        return "\n".join(cut(line, line_limit) for line in lines)
    kept = [cut(line, line_limit) for line in lines[:head]]
    kept.append(f"{ELISION}[{len(lines) - head - tail} lines]{ELISION}")
    kept.extend(cut(line, line_limit) for line in between or ())
    kept.extend(cut(line, line_limit) for line in lines[-tail:] if tail)
    return "\n".join(kept)


def first_sentences(text: str, limit: int) -> str:
    """Whole sentences from the start while they fit ``limit`` characters; at least a cut first line."""
    head = text.strip()[: limit * 2]
    end = 0
    for match in _SENTENCE_END.finditer(head):
        if match.end() > limit:
            break
        end = match.end()
    if len(head) <= limit:
        return head
    return head[:end].strip() if end else one_line(head, limit)
