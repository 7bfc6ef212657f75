"""The prompt that an enforced session's agent gets: the selected pages' texts, as canonical bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from memory.store.pack import canonical


@dataclass(frozen=True, slots=True)
class Section:
    """One page in a prompt. ``fidelity`` is a label; ``tokens`` those of ``text``."""

    page_id: str
    type: str
    title: str
    fidelity: str
    tokens: int
    text: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt's bytes (ASCII JSON: keys sorted, lone surrogates as escapes) and their SHA-256."""

    body: bytes
    sha256: str
    tokens: int


def render(turn: int, request_id: str, sections: Iterable[Section], tokens: int) -> Rendered:
    """The prompt of ``turn``: ``sections`` in table order; ``tokens`` is the selector's own count."""
    body = canonical(
        {
            "turn": turn,
            "request_id": request_id,
            "tokens": tokens,
            "sections": [
                {
                    "page_id": s.page_id,
                    "type": s.type,
                    "title": s.title,
                    "fidelity": s.fidelity,
                    "tokens": s.tokens,
                    "text": s.text,
                }
                for s in sections
            ],
        }
    )
    return Rendered(body, hashlib.sha256(body).hexdigest(), tokens)
