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

Candidate = tuple[float, str, int, int]  # gain, page_id, fidelity it leads to, table order

UNLIMITED = 10**15  # tokens, where no budget is known


class Required(NamedTuple):
    """A page that must stand at ``level`` (a fidelity), and why."""

    order: int
    level: int
    reason: ChangeReason


class Selection(NamedTuple):
    """What is resident: by table order. ``how``: reason of every page above absent, by order."""

    fidelity: bytearray
    tokens_used: int
    unmet: list[int]
    how: dict[int, ChangeReason]
    upgraded: set[int]


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
    def _place(page: Page) -> tuple[float, float, int]:
        return (-page.recompute_cost, -page.base_utility, page.order)

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
            found.append((worth / (row[step] - row[at]), page_id, step, order))
            at, step = step, after[step]
        return found

    def enter(self, page: Page) -> None:
        if page.type in POINTER_TYPES:
            insort(self.prefetch, self._place(page))
        if page.order not in self.hot:
            for candidate in self.candidates(page, 0.0):
                insort(self.cold, candidate)

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
        policy, pages = self.policy, table.pages
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
        if policy.prefetch:
            for _, _, order in self.prefetch:
                if not fidelity[order]:
                    page = pages[order]
                    lowest = NEXT[page.mask][0]
                    extra = page.tokens[lowest]
                    if extra <= room:
                        room -= extra
                        fidelity[order] = lowest
                        how[order] = ChangeReason.PREFETCHED
        upgraded: set[int] = set()
        if policy.upgrades and room > 0:
            room = self._upgrade(table, fidelity, room, upgraded, future)
        return Selection(fidelity, budget - room, unmet, how, upgraded)

    def _upgrade(
        self,
        table: PageTable,
        fidelity: bytearray,
        room: int,
        upgraded: set[int],
        future: Mapping[int, float] | None,
    ) -> int:
        """Phase 2; gives the room left. A candidate applies if the page stands exactly one step below it."""
        pages, live = table.pages, table.live
        ordered = self.cold
        warm = self.hot
        if future:
            cold = [c for c in ordered if c[3] not in future]
            warm = {**self.hot, **{order: self.hot.get(order, 0.0) for order in future}}
        else:
            cold = ordered
        if warm:
            weighed = [
                c
                for order, recency in warm.items()
                if order in live
                for c in self.candidates(pages[order], recency, future.get(order, 0.0) if future else 0.0)
            ]
            weighed.sort()
            ordered = cold + weighed
            ordered.sort()  # two sorted runs: one merge
        for _, _, step, order in reversed(ordered):
            at = fidelity[order]
            if at < step:
                page = pages[order]
                if NEXT[page.mask][at] == step:
                    extra = page.tokens[step] - page.tokens[at]
                    if extra <= room:
                        room -= extra
                        fidelity[order] = step
                        upgraded.add(order)
                        if not room:
                            break
        return room


def reason_of(selection: Selection, order: int, fell: bool) -> ChangeReason:
    """Why a page's fidelity changed: by the last thing that moved it."""
    if fell:
        return ChangeReason.UNMET if order in selection.unmet else ChangeReason.DISPLACED
    if order in selection.upgraded:
        return ChangeReason.UPGRADED
    return selection.how.get(order, ChangeReason.UPGRADED)
