"""Rules and procedures: keep every normative sentence word for word, and the headings for their place.

It errs on the side of keeping: a sentence that may be a rule is kept, also an imperative without a normative
word, and every item of a list whose introducing line is kept.
"""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final = (
    "must", "never", "always", "don't", "dont", "don’t", "do not", "should", "shall", "required", "require",
    "requires", "only", "ask", "cannot", "can't", "can’t", "may not", "mustn't", "mustn’t", "shouldn't",
    "shouldn’t", "won't", "won’t", "not allowed", "forbidden", "prohibited", "mandatory", "important",
    "critical", "warning", "avoid", "ensure", "make sure", "no longer", "unless", "without", "before",
    "after", "need to", "needs to", "has to", "have to", "prefer", "instead of", "under no circumstances",
    "at all times", "at least", "at most", "remember", "except", "until",
)  # fmt: skip
_IMPERATIVES: Final = (
    "add", "apply", "be", "begin", "call", "check", "choose", "close", "commit", "confirm", "copy", "create",
    "delete", "do", "edit", "explain", "fix", "follow", "format", "give", "ignore", "include", "keep",
    "leave", "let", "limit", "list", "log", "mark", "move", "name", "note", "open", "pass", "pin", "put",
    "read", "refer", "remove", "rename", "replace", "report", "return", "review", "run", "save", "say", "see",
    "send", "set", "show", "start", "stop", "store", "tell", "test", "treat", "try", "update", "use",
    "validate", "verify", "wait", "wrap", "write",
)  # fmt: skip
NORMATIVE: Final = re.compile(
    r"\b(?:" + "|".join(re.escape(w) for w in _WORDS) + r")\b|\bNO\b|\bNOT\b", re.IGNORECASE
)
_IMPERATIVE = re.compile(r"(?:please\s+|then\s+)?(?:" + "|".join(_IMPERATIVES) + r")\b", re.IGNORECASE)
_HEADING = re.compile(r"#{1,6}\s|[A-Z][A-Z \-/&]{3,60}:?$")
_ITEM = re.compile(r"(\s*)(?:[-*+•]|\d{1,3}[.)]|[a-z][.)])\s+")
_SENTENCE = re.compile(r"[^.!?]*(?:[.!?]+(?=\s|$)|[.!?]+|$)")
_FENCE = re.compile(r"\s*(?:```|~~~)")


def is_normative(sentence: str) -> bool:
    """Whether a sentence may state a rule (generous on purpose)."""
    if NORMATIVE.search(sentence):
        return True
    item = _ITEM.match(sentence)
    bare = sentence[item.end() if item else 0 :].lstrip(" \t\n*_`>\"'")
    return _IMPERATIVE.match(bare) is not None


def sentences(block: str) -> list[str]:
    """A block's sentences, whole and in order; joined they are the block."""
    if len(block) > 20_000:
        return [block]
    parts: list[str] = []
    for match in _SENTENCE.finditer(block):
        piece = match.group()
        if not piece:
            continue
        # A dot inside a word (a path, a version) or before a small letter (e.g. this) ends no sentence.
        if parts and (not piece[0].isspace() or piece.lstrip()[:1].islower()):
            parts[-1] += piece
        else:
            parts.append(piece)
    return parts


def _blocks(text: str) -> list[tuple[str, str]]:
    """The text as (kind, block): ``heading``, ``item`` and ``text``
    with their continuation lines, ``code`` lines, ``gap``.
    """
    out: list[tuple[str, list[str]]] = []
    fenced = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
            out.append(("fence", [line]))
        elif fenced:
            out.append(("code", [line]))
        elif not line.strip():
            out.append(("gap", []))
        elif _HEADING.match(line):
            out.append(("heading", [line]))
        elif _ITEM.match(line):
            out.append(("item", [line]))
        elif out and out[-1][0] in (
            "item",
            "text",
        ):  # a wrapped line belongs to the sentence that began above
            out[-1][1].append(line)
        else:
            out.append(("text", [line]))
    return [(kind, "\n".join(lines)) for kind, lines in out]


def _level(heading: str) -> int:
    return len(heading) - len(heading.lstrip("#")) or 7


def structured(text: str) -> str | None:
    """Headings and every normative sentence word for word;
    ``None`` where no sentence is one (full serves then).
    """
    kept: list[str] = []
    found = False
    pending: list[str] = []  # headings that are kept once something under them is
    whole = False  # under a kept introduction: the list or code that follows stays whole
    for kind, block in _blocks(text):
        if kind == "heading":
            pending = [h for h in pending if _level(h) < _level(block)] + [block]
            whole = is_normative(block)  # a heading may be the rule itself or introduce the list of them
            if whole:
                kept.extend(pending)
                pending, found = [], True
            continue
        if kind == "gap":
            continue
        if whole and kind != "text":
            kept.append(block)
            continue
        whole = False
        if kind in ("fence", "code"):
            chosen = block if kind == "code" and NORMATIVE.search(block) else ""
        else:
            chosen = "".join(s for s in sentences(block) if is_normative(s)).strip("\n")
        if not chosen:
            continue
        kept.extend(pending)
        pending, found = [], True
        kept.append(chosen)
        whole = block.rstrip().endswith(":")
    return "\n".join(kept) if found else None
