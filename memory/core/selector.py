"""Two-phase selection: the floor first, then upgrades by gain. Table look-up and arithmetic in a fixed order.

The candidates of pages without recency stand ready sorted; only pages demanded of late are weighed anew.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from memory.core.page_table import PageTable
from memory.core.pages import NEXT, POINTER_TYPES, SERVES, TYPE_RANK, Page
from memory.core.policies import Policy
from memory.core.types import PIN_RANK, ChangeReason, PageStatus

Candidate = tuple[
    float, str, int, int, int, int
]  # gain, page_id, fidelity, table order, fidelity below, tokens
Place = tuple[float, float, int, int, int]  # -recompute_cost, -base_utility, table order, fidelity, tokens

UNLIMITED = 10**15  # tokens, where no budget is known


class Required(NamedTuple):
    """A page that must stand at ``level`` (a fidelity), and why."""

    order: int
    level: int
    reason: ChangeReason


class Selection(NamedTuple):
    """What is resident, by table order. ``floor``: after phase 1. ``how``: why what is required is there."""

    fidelity: bytearray
    tokens_used: int
    unmet: list[int]
    how: dict[int, ChangeReason]
    floor: bytes


def required_pages(
    table: PageTable,
    declared: Mapping[int, tuple[int, ChangeReason]],
    *,
    auto_pins: bool,
    after_boundary: bool,
    own: bool = False,
) -> list[Required]:
    """The required set, in the order of installation. ``own``: without operators' pins and minima."""
    found: dict[int, tuple[int, ChangeReason]] = {}
    if auto_pins:
        for order in table.own_hard if own else table.hard:
            page = table.pages[order]
            found[order] = (page.own_minimum if own else page.minimum, ChangeReason.PINNED)
        if after_boundary:
            for order in table.rules:
                page = table.pages[order]
                found.setdefault(order, (page.own_minimum if own else page.minimum, ChangeReason.RESTORED))
    for order, (fidelity, reason) in declared.items():
        if order in table.live:
            page = table.pages[order]
            level = max(fidelity, page.own_minimum if own else page.minimum)
            if level > found.get(order, (0, reason))[0]:
                found[order] = (level, reason)
    pages = table.pages

    def rank(order: int) -> tuple[int, int, float, int]:
        page = pages[order]
        pin = page.own_pin if own else page.pin
        return (-PIN_RANK[pin], -TYPE_RANK[page.type], -page.base_utility, order)

    return [Required(order, *found[order]) for order in sorted(found, key=rank)]


class SelectionIndex:
    """Sorted candidates and prefetch order of one side under one policy."""

    __slots__ = ("cold", "hot", "policy", "prefetch")

    def __init__(self, policy: Policy, table: PageTable, hot: Mapping[int, float]) -> None:
        self.policy = policy
        self.hot = hot  # order → recency above 0; those pages have no entry in ``cold``
        pages = [page for page in table.pages if page.status is PageStatus.LIVE]
        self.prefetch = sorted(self._place(page) for page in pages if page.type in POINTER_TYPES)
        self.cold = sorted(c for page in pages if page.order not in hot for c in self.candidates(page, 0.0))

    @staticmethod
    def _place(page: Page) -> Place:
        lowest = NEXT[page.mask][0]
        return (-page.recompute_cost, -page.base_utility, page.order, lowest, page.tokens[lowest])

    def candidates(self, page: Page, recency: float, future: float = 0.0) -> list[Candidate]:
        """Every single step up through the representations the page has, from absent on."""
        policy = self.policy
        if not policy.upgrades:
            return []
        worth = policy.utility(page.base_utility, page.pin, recency, page.recompute_cost, future)
        row, after, page_id, order = page.tokens, NEXT[page.mask], page.page_id, page.order
        found = []
        at, step = 0, after[0]
        while step:
            extra = row[step] - row[at]
            found.append((worth / extra, page_id, step, order, at, extra))
            at, step = step, after[step]
        return found

    def enter(self, page: Page) -> None:
        if page.type in POINTER_TYPES:
            insort(self.prefetch, self._place(page))
        if page.order not in self.hot:
            self.chill(page)

    def leave(self, page: Page) -> None:
        """Before the page changes: its entries are found by working them out again."""
        if page.type in POINTER_TYPES:
            del self.prefetch[bisect_left(self.prefetch, self._place(page))]
        if page.order not in self.hot:
            self.chill(page, away=True)

    def chill(self, page: Page, *, away: bool = False) -> None:
        """The page lost its recency (``away``: got some): its candidates come to (leave) the sorted ones."""
        for candidate in self.candidates(page, 0.0):
            if away:
                del self.cold[bisect_left(self.cold, candidate)]
            else:
                insort(self.cold, candidate)

    def select(
        self,
        table: PageTable,
        required: Iterable[Required],
        budget: int,
        future: Mapping[int, float] | None = None,
    ) -> Selection:
        """One fidelity per page for a budget in tokens."""
        pages = table.pages
        fidelity = bytearray(len(pages))
        how: dict[int, ChangeReason] = {}
        unmet: list[int] = []
        room = budget
        for order, level, reason in required:
            page = pages[order]
            at = SERVES[page.mask][level] or page.mask.bit_length() - 1  # under the cap
            if page.tokens[at] <= room:
                room -= page.tokens[at]
                fidelity[order] = at
                how[order] = reason
            else:
                unmet.append(order)
        if self.policy.prefetch:
            for _, _, order, lowest, extra in self.prefetch:
                if extra <= room and not fidelity[order]:
                    room -= extra
                    fidelity[order] = lowest
        floor = bytes(fidelity)
        if self.policy.upgrades and room > 0:
            for _, _, step, order, at, extra in reversed(self._ordered(table, future)):
                if extra <= room and fidelity[order] == at:
                    room -= extra
                    fidelity[order] = step
                    if not room:
                        break
        return Selection(fidelity, budget - room, unmet, how, floor)

    def _ordered(self, table: PageTable, future: Mapping[int, float] | None) -> list[Candidate]:
        """All candidates, ascending; those of pages with recency (or a known future) weighed now."""
        cold, warm = self.cold, self.hot
        if future:
            cold = [candidate for candidate in cold if candidate[3] not in future]
            warm = {**dict.fromkeys(future, 0.0), **self.hot}
        if not warm:
            return cold
        pages, live = table.pages, table.live
        weighed: list[Candidate] = []
        for order, recency in warm.items():
            if order in live:
                bonus = future.get(order, 0.0) if future else 0.0
                weighed += self.candidates(pages[order], recency, bonus)
        weighed.sort()
        merged: list[Candidate] = []
        start = 0
        for candidate in weighed:
            end = bisect_left(cold, candidate, start)
            merged += cold[start:end]
            merged.append(candidate)
            start = end
        merged += cold[start:]
        return merged


def reason_of(selection: Selection, order: int, fell: bool) -> ChangeReason:
    """Why a page's fidelity changed: by the last thing that moved it."""
    if fell:
        return ChangeReason.UNMET if order in selection.unmet else ChangeReason.DISPLACED
    if selection.fidelity[order] > selection.floor[order]:
        return ChangeReason.UPGRADED
    return selection.how.get(order, ChangeReason.PREFETCHED)
