"""Dialogue, preferences and plans."""

from __future__ import annotations

import re
from typing import Any

from memory.representations import rules
from memory.representations.text import ELISION, cut, first_sentences, head_tail, one_line, plain

_BOX = re.compile(r"(?:(?:[-*+]|\d{1,3}[.)])[ \t]{0,8})?\[([ xX~>\-])\] ?(.*)")
_STEP = re.compile(r"(?:[-*+]|\d{1,3}[.)])[ \t](.*)")
_FENCE = re.compile(r"(?:```|~~~)")


def compressed(text: str) -> str:
    """Cleaned, code blocks and long paragraphs shortened, the middle of a very long text left out."""
    out: list[str] = []
    block: list[str] = []
    fenced = False
    for line in plain(text).split("\n"):
        if _FENCE.match(line.lstrip()):
            if fenced:
                out.extend([head_tail(block, 3, 1, 160), line])
                block = []
            else:
                out.append(line)
            fenced = not fenced
        elif fenced:
            block.append(line)
        else:
            out.append(line if len(line) <= 600 else first_sentences(line, 400) + f" {ELISION}")
    if block:
        out.append(head_tail(block, 3, 1, 160))
    lines = "\n".join(out).split("\n")
    keep = max(len(lines) // 2, 12)
    return head_tail(lines, min(keep * 2 // 3, 80), min(keep // 3, 40), 600)


def conversation(text: str, hint: dict[str, Any]) -> str:
    """The first sentences; of an answer also which tools it called."""
    calls = hint.get("calls") or []
    first = first_sentences(text, 280)
    if not calls:
        return first
    return "\n".join([first, "calls: " + ", ".join(one_line(str(call), 80) for call in calls[:12])])


def preference(text: str) -> str:
    """Rules and statements: the normative sentences, else the first ones."""
    return rules.structured(text) or first_sentences(text, 280)


def plan(text: str, hint: dict[str, Any]) -> str:
    """Goal, current step, counts. Steps are boxes (``[x]``, ``[>]``, ``[ ]``) or the items of a list."""
    lines = [line.strip()[:1_000] for line in text.split("\n")]
    boxes = [m for line in lines if (m := _BOX.match(line))]
    goal = str(
        hint.get("goal")
        or next((x.strip("# ").strip() for x in lines if x.strip() and not _BOX.match(x)), "")
    )
    out = [f"goal: {cut(one_line(goal, 200), 200)}"] if goal else []
    if boxes:
        done = sum(m.group(1) in "xX" for m in boxes)
        doing = [m.group(2) for m in boxes if m.group(1) in ">~"]
        waiting = [m.group(2) for m in boxes if m.group(1) in " -"]
        current = (doing or waiting or [""])[0]
        out.append(f"current step: {one_line(current, 200)}" if current else "current step: none, all done")
        out.append(f"steps: {done} of {len(boxes)} done, {len(doing)} in progress")
        return "\n".join(out)
    steps = [m.group(1) for line in lines if (m := _STEP.match(line))]
    if steps:
        out.append(f"first step: {one_line(steps[0], 200)}")
        out.append(f"steps: {len(steps)}")
    return "\n".join(out)
