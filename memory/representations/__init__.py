"""A page's text at every fidelity of its path, with token
counts: made once, when the page is ingested or updated.

Deterministic given the text, the page type, the hint and the vocabulary. Nothing is invented: below full,
every line is the page's own, a shortened form of it, a field's name or an elision that says how much is
missing. Each representation below full begins with the handle. Token counts strictly grow with fidelity; a
representation that is not smaller than the next higher one is not kept.
"""

from __future__ import annotations

from typing import Any, Final

from memory.core.events import Representation
from memory.core.types import DEGRADATION_PATH, Fidelity, PageType
from memory.representations import evidence, prose, rules
from memory.representations.text import one_line
from memory.tokens import VERSION as TOKENS_VERSION
from memory.tokens import count

VERSION: Final = f"reps/1 {TOKENS_VERSION}"
SMALL: Final = 24  # tokens; nothing below full is tried for a page that is as small as a handle

__all__ = ["VERSION", "build", "handle"]


def handle(page_id: str) -> str:
    """What resolves to the page: ``[page:<id>]``."""
    return f"[page:{one_line(page_id, 512)}]"


def build(
    page_type: PageType | str, text: str, *, page_id: str, title: str = "", hint: dict[str, Any] | None = None
) -> dict[Fidelity, Representation]:
    """Every representation of ``text`` along the type's path; full is always there, with at least one token.

    ``hint`` may hold what the sender knows of the text: ``tool``, ``command``,
    ``path``, ``range``, ``pattern``, ``url``, ``query``, ``exit``, ``error``
    (evidence), ``goal`` (plan), ``calls`` (an answer's tool calls).
    """
    kind = PageType(page_type)
    full = Representation(max(count(text), 1), text)
    made = {Fidelity.FULL: full}
    if full.tokens <= SMALL:
        return made
    ceiling = full.tokens
    for fidelity in reversed(DEGRADATION_PATH[kind][:-1]):
        body = _text(kind, fidelity, text, title, hint or {}, full.tokens)
        if body is None:
            continue
        shown = (
            f"[page:{one_line(page_id, 512)}{body}]"
            if fidelity is Fidelity.POINTER
            else f"{handle(page_id)}\n{body}"
        )
        if len(shown) >= len(text) * 2:
            continue
        tokens = count(shown)
        if 0 < tokens < ceiling:
            made[fidelity] = Representation(tokens, shown)
            ceiling = tokens
    return dict(sorted(made.items()))


def _text(
    kind: PageType, fidelity: Fidelity, text: str, title: str, hint: dict[str, Any], tokens: int
) -> str | None:
    if fidelity is Fidelity.POINTER:
        return _pointer(kind, title, tokens)
    if kind in (PageType.BOOTSTRAP, PageType.CONSTRAINT):
        return rules.structured(text)
    if kind is PageType.PLAN:
        return prose.plan(text, hint)
    if kind is PageType.EVIDENCE:
        return (
            evidence.compressed(text) if fidelity is Fidelity.COMPRESSED else evidence.structured(text, hint)
        )
    if fidelity is Fidelity.COMPRESSED:
        return prose.compressed(text)
    return prose.preference(text) if kind is PageType.PREFERENCE else prose.conversation(text, hint)


def _pointer(kind: PageType, title: str, tokens: int) -> str:
    """What stands in the handle after the id: the type, the size and the title."""
    name = one_line(title, 80)
    return f" {kind.value} {tokens} tokens" + (f": {name}" if name else "")
