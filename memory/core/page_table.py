"""The page table: every page of a session in order of creation, with the sums and indexes that steps need."""

from __future__ import annotations

from collections.abc import Iterable

from memory.core.pages import RULE_TYPES, Page
from memory.core.resources import Readers
from memory.core.types import PageStatus, PageType, Pin


class PageTable:
    """Pages by order and id; which are live, pinned hard or rules; tokens of all live minima."""

    __slots__ = ("by_id", "hard", "live", "minima", "own_hard", "own_minima", "pages", "readers", "rules")

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self.by_id: dict[str, Page] = {}
        self.live: set[int] = set()
        self.hard: set[int] = set()  # live, pinned hard
        self.own_hard: set[int] = set()  # the same without operators' acts
        self.rules: set[int] = set()  # live bootstrap and constraint pages
        self.minima = 0  # tokens of the minima of all live pages
        self.own_minima = 0
        self.readers: Readers[int] = Readers()  # live evidence pages by what they depend on

    def add(self, page: Page) -> None:
        """Append a page; its order must be the table's length."""
        self.pages.append(page)
        self.by_id[page.page_id] = page
        if page.status is PageStatus.LIVE:
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
        self.minima += page.tokens[page.served]
        self.own_minima += page.tokens[page.served if page.own_minimum == page.minimum else page.own_served]
        if page.type is PageType.EVIDENCE:
            self.readers.add(order, page.resources)

    def leave(self, page: Page) -> None:
        """Take a live page out of the indexes."""
        order = page.order
        self.live.discard(order)
        self.hard.discard(order)
        self.own_hard.discard(order)
        self.rules.discard(order)
        self.minima -= page.tokens[page.served]
        self.own_minima -= page.tokens[page.served if page.own_minimum == page.minimum else page.own_served]
        if page.type is PageType.EVIDENCE:
            self.readers.remove(order, page.resources)

    def written(self, writes: Iterable[str]) -> list[tuple[Page, str]]:
        """Live evidence pages whose answer a write may have changed, in table order, each with the write."""
        hit = self.readers.hit(writes)
        return [(self.pages[order], hit[order]) for order in sorted(hit)]

    def copy(self) -> PageTable:
        other = PageTable()
        other.pages = [page.copy() for page in self.pages]
        other.by_id = {page.page_id: page for page in other.pages}
        other.live, other.hard, other.own_hard = set(self.live), set(self.hard), set(self.own_hard)
        other.rules = set(self.rules)
        other.minima, other.own_minima = self.minima, self.own_minima
        other.readers = self.readers.copy()
        return other
