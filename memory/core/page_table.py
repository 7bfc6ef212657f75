"""The page table: every page of a session in order of creation, with the sums and indexes that steps need."""

from __future__ import annotations

from collections.abc import Iterable

from memory.core.pages import RULE_TYPES, Page
from memory.core.resources import Readers
from memory.core.types import PageStatus, PageType, Pin


class PageTable:
    """Pages by order and id; which are live, pinned hard or rules; sums of their minima in tokens.

    ``own_*``: the same without operators' acts.
    """

    __slots__ = (
        "by_id",
        "hard",
        "hard_minima",
        "live",
        "loose_rules",
        "minima",
        "own_hard",
        "own_hard_minima",
        "own_loose_rules",
        "own_minima",
        "pages",
        "readers",
        "rules",
    )

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self.by_id: dict[str, Page] = {}
        self.live: set[int] = set()
        self.hard: set[int] = set()  # live, pinned hard
        self.own_hard: set[int] = set()
        self.rules: set[int] = set()  # live bootstrap and constraint pages
        self.minima = self.own_minima = 0  # of all live pages
        self.hard_minima = self.own_hard_minima = 0  # of those pinned hard
        self.loose_rules = self.own_loose_rules = 0  # of rules not pinned hard
        self.readers: Readers[int] = Readers()  # live evidence pages by what they depend on

    def add(self, page: Page) -> None:
        """Append a page; its order must be the table's length."""
        self.pages.append(page)
        self.by_id[page.page_id] = page
        if page.status is PageStatus.LIVE:
            self.enter(page)

    def fill(self) -> None:
        """Work out the indexes of a table whose pages have just been put there."""
        pages = self.pages
        self.by_id = {page.page_id: page for page in pages}
        live = [page for page in pages if page.status is PageStatus.LIVE]
        plain = [p for p in live if p.pin is not Pin.HARD and p.own_pin is not Pin.HARD]
        plain = [
            p
            for p in plain
            if p.type is not PageType.BOOTSTRAP
            and p.type is not PageType.CONSTRAINT
            and p.own_minimum is p.minimum
            and not p.resources
        ]
        self.live = {page.order for page in plain}  # nothing of these but their minimum counts
        self.minima = self.own_minima = sum([page.tokens[page.served] for page in plain])
        for page in live:
            if page.order not in self.live:
                self.enter(page)

    def enter(self, page: Page) -> None:
        """Index a live page. Every change of a live page stands between ``leave`` and ``enter``."""
        order = page.order
        self.live.add(order)
        if page.pin is Pin.HARD:
            self.hard.add(order)
        if page.own_pin is Pin.HARD:
            self.own_hard.add(order)
        if page.type in RULE_TYPES:
            self.rules.add(order)
        elif page.resources and page.type is PageType.EVIDENCE:
            self.readers.add(order, page.resources)
        self._sum(page, 1)

    def leave(self, page: Page) -> None:
        """Take a live page out of the indexes."""
        order = page.order
        self.live.discard(order)
        self.hard.discard(order)
        self.own_hard.discard(order)
        self.rules.discard(order)
        if page.resources and page.type is PageType.EVIDENCE:
            self.readers.remove(order, page.resources)
        self._sum(page, -1)

    def _sum(self, page: Page, by: int) -> None:
        """Count its minimum in (1) or out (-1)."""
        tokens = by * page.tokens[page.served]
        own = tokens if page.own_minimum == page.minimum else by * page.tokens[page.own_served]
        self.minima += tokens
        self.own_minima += own
        rule = page.type in RULE_TYPES
        if page.pin is Pin.HARD:
            self.hard_minima += tokens
        elif rule:
            self.loose_rules += tokens
        if page.own_pin is Pin.HARD:
            self.own_hard_minima += own
        elif rule:
            self.own_loose_rules += own

    def written(self, writes: Iterable[str]) -> list[tuple[Page, str]]:
        """Live evidence pages whose answer a write may have changed, in table order, each with the write."""
        hit = self.readers.hit(writes)
        return [(self.pages[order], hit[order]) for order in sorted(hit)]

    def copy(self) -> PageTable:
        other = PageTable()
        for name in PageTable.__slots__:
            value = getattr(self, name)
            setattr(other, name, value.copy() if isinstance(value, (set, Readers)) else value)
        other.pages = [page.copy() for page in self.pages]
        other.by_id = {page.page_id: page for page in other.pages}
        return other
