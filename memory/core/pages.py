"""A page as the engine holds it: what it is and how many tokens each form takes, never its text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from memory.core.events import PageSpec, Representation
from memory.core.types import (
    DEFAULT_MIN,
    DEFAULT_PIN,
    DEGRADATION_PATH,
    Fidelity,
    PageStatus,
    PageType,
    Pin,
    Scope,
)

Tokens = tuple[int, int, int, int, int]  # by fidelity; 0: no such representation

#: Types whose path ends in a pointer.
POINTER_TYPES: Final = frozenset(t for t, path in DEGRADATION_PATH.items() if path[0] is Fidelity.POINTER)
RULE_TYPES: Final = frozenset((PageType.BOOTSTRAP, PageType.CONSTRAINT))
MAX_VERSIONS: Final = 32  # kept a page, to return to

#: SERVES[mask][fidelity]: the lowest representation at or above the fidelity (0: none). Bit f: f exists.
SERVES: Final = tuple(
    tuple(next((f for f in range(max(q, 1), 5) if m >> f & 1), 0) for q in range(5)) for m in range(32)
)
#: NEXT[mask][fidelity]: the next representation above it (0: none).
NEXT: Final = tuple(
    tuple(next((f for f in range(q + 1, 5) if m >> f & 1), 0) for q in range(5)) for m in range(32)
)
#: PREV[mask][fidelity]: the next representation below it (0: none).
PREV: Final = tuple(
    tuple(next((f for f in range(q - 1, 0, -1) if m >> f & 1), 0) for q in range(5)) for m in range(32)
)
#: AT[mask][fidelity]: the representation that serves a demand; where all are lower (a cap), the highest.
AT: Final = tuple(tuple(SERVES[m][q] or max(m.bit_length() - 1, 0) for q in range(5)) for m in range(32))


def token_row(reps: Mapping[Fidelity, Representation]) -> Tokens:
    """Token counts by fidelity, 0 where there is no representation."""
    row = [0, 0, 0, 0, 0]
    for fidelity, rep in reps.items():
        row[fidelity] = rep.tokens
    return (row[0], row[1], row[2], row[3], row[4])


def full_mask(tokens: Tokens) -> int:
    """Which representations there are, as bits."""
    _, pointer, structured, compressed, full = tokens
    return (2 if pointer else 0) | (4 if structured else 0) | (8 if compressed else 0) | (16 if full else 0)


class Page:
    """One page. ``pin`` and ``minimum``: what holds now; ``own_*``: what holds without an operator's act."""

    __slots__ = (
        "base_utility",
        "cap",
        "created_seq",
        "inferred",
        "left_seq",
        "left_turn",
        "mask",
        "minimum",
        "order",
        "own_minimum",
        "own_pin",
        "page_id",
        "pin",
        "provenance",
        "recompute_cost",
        "resolvable",
        "resources",
        "scope",
        "served",
        "status",
        "text_seq",
        "title",
        "tokens",
        "type",
        "versions",
    )

    def __init__(self, page_id: str, page_type: PageType, order: int) -> None:
        self.page_id = page_id
        self.type = page_type
        self.order = order
        self.scope = Scope.SESSION
        self.title = ""
        self.pin = self.own_pin = DEFAULT_PIN[page_type]
        self.minimum = self.own_minimum = DEFAULT_MIN[page_type]
        self.cap: Fidelity | None = None
        self.status = PageStatus.LIVE
        self.inferred = False
        self.resolvable = True
        self.provenance: tuple[str, str, int | None] = ("import", "", None)
        self.base_utility = 0.0
        self.recompute_cost = 0.0
        self.tokens: Tokens = (0, 0, 0, 0, 0)
        self.mask = 0  # which representations selection may use: those under the cap, and the minimum's
        self.served = 0  # the representation that serves the minimum
        self.resources: tuple[str, ...] = ()
        self.created_seq = 0
        self.text_seq = 0
        self.left_seq = 0  # the event by which it left the table
        self.left_turn = -1
        self.versions: tuple[
            tuple[int, int, Tokens], ...
        ] = ()  # (version, text_seq, tokens) committed on the primary side

    def refit(self) -> None:
        """Work out what follows from tokens, minimum and cap."""
        full = full_mask(self.tokens)
        self.served = SERVES[full][self.minimum]
        self.mask = full
        if self.cap is not None:  # the floor wins over the cap
            self.mask = full & (2 << self.cap) - 1 | 1 << self.served

    @property
    def own_served(self) -> int:
        """The representation that serves the minimum the page has without an operator."""
        return SERVES[full_mask(self.tokens)][self.own_minimum]

    def at(self, level: int) -> int:
        """The fidelity at which the page stands where this one is asked for: the next higher
        representation where it is missing, the highest under an operator's cap.
        """
        return AT[self.mask][level]

    @property
    def top(self) -> int:
        """The highest representation that selection may use."""
        return self.mask.bit_length() - 1

    def demanded_tokens(self, fidelity: int) -> int:
        """Tokens of the representation that serves the fidelity, the next higher one where it is missing."""
        row = self.tokens
        return next((row[f] for f in range(max(fidelity, 1), 5) if row[f]), row[4])

    @classmethod
    def from_spec(cls, spec: PageSpec, order: int, seq: int) -> Page:
        page = cls(spec.page_id, spec.type, order)
        page.scope = spec.scope
        page.title = spec.title
        if spec.pin is not None:
            page.pin = spec.pin
        page.inferred = spec.inferred
        if spec.inferred and page.pin is Pin.HARD:
            page.pin = Pin.SOFT  # a guess is never pinned hard before someone confirms it
        page.own_pin = page.pin
        if spec.min_fidelity is not None:
            page.minimum = page.own_minimum = spec.min_fidelity
        page.resolvable = spec.resolvable
        page.provenance = (spec.provenance.kind, spec.provenance.ref, spec.provenance.record)
        page.base_utility = spec.base_utility
        page.recompute_cost = spec.recompute_cost
        page.tokens = token_row(spec.representations)
        page.resources = spec.resources
        page.created_seq = page.text_seq = seq
        page.refit()
        return page

    def copy(self) -> Page:
        other = Page.__new__(Page)
        for name in Page.__slots__:
            setattr(other, name, getattr(self, name))
        return other
