"""Rules that a user states in a prompt. Only what is marked as a rule counts as stated; the rest is a guess,
and says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_PROMPT: Final = 6_000  # characters; in a longer prompt (pasted logs, documents) nothing is guessed
MAX_RULES: Final = 40  # of one prompt
_INTRODUCTION = re.compile(
    r"\b(?:rules?|constraints?|requirements?|guidelines?|conventions?)\b[^\n]{0,80}:\s*$", re.IGNORECASE
)
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+\S")
_MARKED = re.compile(
    r"\s*(?:[-*+•]\s+)?(?:#\s+\S|(?:rule|constraint|hard rule|from now on|for this whole session)\b[ :,])",
    re.IGNORECASE,
)
_STATED = re.compile(
    r"\s*(?:[-*+•]\s+)?(?:please\s+|and\s+|but\s+)?"
    r"(?:always|never|you must|you may not|you should never|under no circumstances|don't ever|do not ever|"
    r"make sure (?:to|you) (?:always|never))\b",
    re.IGNORECASE,
)  # fmt: skip
_FENCE = re.compile(r"\s*(?:```|~~~)")


@dataclass(frozen=True, slots=True)
class Rule:
    text: str  # word for word, as it stands in the prompt
    inferred: bool


def find_rules(prompt: str) -> tuple[list[Rule], list[str]]:
    """The rules of a prompt, and the prompt's lines without
    them (each rule's lines give one ``\\0k`` mark, k from 1).
    """
    if len(prompt) > MAX_PROMPT:
        return [], [prompt]
    rules: list[Rule] = []
    rest: list[str] = []
    fenced = listing = False
    inside = False  # the line before belongs to a listed rule
    for line in prompt.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        if fenced or len(rules) >= MAX_RULES:
            rest.append(line)
            continue
        item = bool(_ITEM.match(line))
        if listing and inside and line[:1].isspace() and not item and line.strip():
            rules[-1] = Rule(f"{rules[-1].text}\n{line}", False)
            continue
        inside = False
        if listing and item:
            rules.append(Rule(line, False))
            rest.append(f"\0{len(rules)}")
            inside = True
            continue
        if line.strip():
            listing = bool(_INTRODUCTION.search(line))
        if not listing and _MARKED.match(line) and len(line) <= 600 and not line.startswith("##"):
            rules.append(Rule(line, False))
            rest.append(f"\0{len(rules)}")
        elif not listing and len(prompt) <= 2_000 and len(line) <= 300 and _STATED.match(line):
            rules.append(Rule(line, True))
            rest.append(f"\0{len(rules)}")
        else:
            rest.append(line)
    return rules, rest
