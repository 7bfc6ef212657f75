"""Two-phase selection: the floor first, then upgrades by gain. Table look-up and arithmetic in a fixed order.

What a step costs follows what must be looked at. The floor of a table at rest stands ready; steps of pages
without recency stand ready sorted; only pages demanded of late are weighed anew.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Mapping
from itertools import compress
from operator import attrgetter, itemgetter, ne
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from memory.core.needs import Need, required_pages
from memory.core.page_table import PageTable
from memory.core.pages import AT, NEXT, POINTER_TYPES, PREV, Page
from memory.core.policies import Policy
from memory.core.steps import Step, Steps
from memory.core.types import ChangeReason, PageStatus, Pin

if TYPE_CHECKING:
    from memory.core.state import SideState

#: Chain[fidelity]: the steps (fidelity, fidelity above, extra tokens) that can still be taken from there.
Chain = tuple[tuple[tuple[int, int, int], ...], ...]
#: gain, page_id, (fidelity, order, fidelity below, tokens)
Ranked = tuple[float, str, tuple[int, int, int, int]]
Warm = tuple[float, float, str, Chain]  # utility before and after recency's part, page_id, chain

UNLIMITED: Final = 10**15  # tokens, where no budget is known
_FEW: Final = 192  # steps: up to so many they are all ranked as the turn closes
_CHANGED: Final = re.compile(rb"[^\0]")
_NARROW: Final = 64  # pages
_UNMET, _DISPLACED = ChangeReason.UNMET, ChangeReason.DISPLACED
_UPGRADED, _PREFETCHED = ChangeReason.UPGRADED, ChangeReason.PREFETCHED


class Selection(NamedTuple):
    """What the next prompt changes. ``moves``: (table order, fidelity, reason) in table order, of every live
    page whose fidelity differs from that in the last prompt or, above absent, whose text does.
    """

    moves: list[tuple[int, int, ChangeReason]]
    tokens_used: int
    unmet: list[int]  # required pages that did not fit, in order of installation


class Selector(Protocol):
    """Chooses for one side. Kept up page by page, so that a choice need not look at all of them.

    ``enter`` comes after the table's, ``leave`` before; ``warm`` before ``side.hot`` has the page, ``chill``
    after it lost it, ``decayed`` when a turn has closed and every recency has moved. ``choose`` changes
    nothing; ``settled`` is told what became of it. All that it keeps follows from the table and the side, so
    that a snapshot holds nothing of it.
    """

    policy: Policy

    def enter(self, page: Page) -> None: ...
    def leave(self, page: Page) -> None: ...
    def warm(self, page: Page) -> None: ...
    def chill(self, page: Page) -> None: ...
    def decayed(self) -> None: ...
    def choose(self, table: PageTable, side: SideState, need: Need, budget: int) -> Selection: ...
    def settled(self, table: PageTable, side: SideState, selection: Selection) -> None: ...
    def copy(self, table: PageTable, side: SideState) -> Selector: ...


_page_id, _third = attrgetter("page_id"), itemgetter(2)


class SelectionIndex:
    """The published policies. ``base``: each page's fidelity in a floor that fits and that nobody asks more
    of, with ``base_tokens``; ``steps``: upgrades of pages without recency; ``warmed``: the others, prepared.
    """

    __slots__ = (
        "_least",
        "_prefetch",
        "_ranked",
        "_walk",
        "base",
        "base_tokens",
        "hot",
        "pages",
        "policy",
        "steps",
        "warmed",
    )

    def __init__(self, policy: Policy, table: PageTable, hot: Mapping[int, float]) -> None:
        self.policy = policy
        self.hot = hot  # order → recency above 0; those pages have no entry in ``steps``
        self.pages = table.pages
        self.base = bytearray(len(table.pages))
        self.base_tokens = 0
        self.warmed: dict[int, Warm] = {}
        self._prefetch: list[int] | None = None
        self._walk: list[tuple[int, int, int, int]] = []  # the same, without what they were ranked by
        self._least = 0  # tokens of the cheapest of these
        self._ranked: list[Ranked] | None = None  # of few pages: all steps, as of the last decay
        self.steps = Steps(table.pages)
        self._fill()

    def _fill(self) -> None:
        """Everything for the live pages as they stand; a large table at once."""
        live = [page for page in self.pages if page.status is PageStatus.LIVE]
        for page in live:
            self._count(page, 1)
        losses: list[float] = []
        codes: list[int] = []
        extras: list[int] = []
        if self.policy.upgrades:
            live.sort(key=_page_id, reverse=True)
        for page in live:
            if page.order in self.hot:
                self.warmed[page.order] = self._prepared(page)
            elif self.policy.upgrades:
                worth, row, below = self._worth(page), page.tokens, PREV[page.mask]
                first, step = self._first(page), page.mask.bit_length() - 1
                while step > first:
                    at = below[step]
                    extra = row[step] - row[at]
                    losses.append(-(worth / extra))
                    codes.append(page.order << 6 | at << 3 | step)
                    extras.append(extra)
                    step = at
        self.steps.fill(losses, codes, extras)

    def _worth(self, page: Page, recency: float = 0.0, future: float = 0.0) -> float:
        return self.policy.utility(page.base_utility, page.pin, recency, page.recompute_cost, future)

    # --- kept up ---

    def enter(self, page: Page) -> None:
        self._ranked = None
        self._count(page, 1)
        if self._prefetch is not None and page.type in POINTER_TYPES:
            insort(self._prefetch, page.order, key=self._dearness)
        if page.order in self.hot:
            self.warmed[page.order] = self._prepared(page)
        else:
            self.chill(page)

    def leave(self, page: Page) -> None:
        self._ranked = None
        self._count(page, -1)
        if self._prefetch is not None and page.type in POINTER_TYPES:
            del self._prefetch[bisect_left(self._prefetch, self._dearness(page.order), key=self._dearness)]
        if self.warmed.pop(page.order, None) is None:
            for step in self._candidates(page):
                self.steps.remove(step)

    def warm(self, page: Page) -> None:
        self._ranked = None
        for step in self._candidates(page):
            self.steps.remove(step)
        self.warmed[page.order] = self._prepared(page)

    def chill(self, page: Page) -> None:
        self._ranked = None
        self.warmed.pop(page.order, None)
        for step in self._candidates(page):
            self.steps.add(step)

    def decayed(self) -> None:
        if self.policy.upgrades and self.steps.count + 3 * len(self.warmed) <= _FEW:
            self._ranked = self._rank()
            self._walk = list(map(_third, self._ranked))

    def _rank(self) -> list[Ranked]:
        """All steps of few pages, by gain. Little changes from turn to turn: the sort has little to do."""
        weight, hot = self.policy.recency_weight, self.hot
        worth = {
            order: before + weight * hot[order] + after
            for order, (before, after, _, _) in self.warmed.items()
        }
        if self._ranked is not None and not self.steps.count:
            ranked = [(worth[step[1]] / step[3], page_id, step) for _, page_id, step in self._ranked]
        else:
            ranked = [(one[0], one[1], one[2:]) for one in self.steps]
            for order in worth:
                for _, name, step, _, at, extra in self._candidates(self.pages[order]):
                    ranked.append((worth[order] / extra, name, (step, order, at, extra)))
            self._least = min((step[3] for _, _, step in ranked), default=0)
        ranked.sort(reverse=True)
        return ranked

    def _count(self, page: Page, by: int) -> None:
        policy = self.policy
        if policy.auto_pins and page.pin is Pin.HARD:
            at = page.served
        elif policy.prefetch and page.type in POINTER_TYPES:
            at = NEXT[page.mask][0]
        else:
            at = 0
        if page.order >= len(self.base):
            self.base.extend(bytes(page.order + 1 - len(self.base)))
        self.base[page.order] = at if by > 0 else 0
        self.base_tokens += by * page.tokens[at]

    def _dearness(self, order: int) -> tuple[float, float, int]:
        page = self.pages[order]
        return (-page.recompute_cost, -page.base_utility, order)

    @property
    def prefetch(self) -> list[int]:
        """Pages whose path ends in a pointer, in the order of prefetch; sorted when first it matters."""
        if self._prefetch is None:
            live = (p.order for p in self.pages if p.status is PageStatus.LIVE and p.type in POINTER_TYPES)
            self._prefetch = sorted(live, key=self._dearness)
        return self._prefetch

    def _first(self, page: Page) -> int:
        """Below this no step can be taken: a page whose pointer is prefetched, and that does not get it,
        cannot get it later, for the room only shrinks.
        """
        return NEXT[page.mask][0] if self.policy.prefetch and page.type in POINTER_TYPES else 0

    def _candidates(self, page: Page, recency: float = 0.0, future: float = 0.0) -> list[Step]:
        """Every single step up through the representations the page has that can be taken at all."""
        policy = self.policy
        if not policy.upgrades:
            return []
        row, after, found = page.tokens, NEXT[page.mask], []
        at = self._first(page)
        step = after[at]
        if step:
            worth = self._worth(page, recency, future)
            while step:
                extra = row[step] - row[at]
                found.append((worth / extra, page.page_id, step, page.order, at, extra))
                at, step = step, after[step]
        return found

    def _prepared(self, page: Page) -> Warm:
        """Parts of the utility, and the steps that can be taken from each fidelity: a step that is no dearer
        than the one below it is visited before it, and so lost, whatever the page is worth.
        """
        policy = self.policy
        if not policy.upgrades:
            return (0.0, 0.0, page.page_id, ((),) * 5)
        pinned = 0.0
        if page.pin is not Pin.NONE:
            pinned = policy.hard_weight if page.pin is Pin.HARD else policy.soft_weight
        before = policy.base_weight * page.base_utility + pinned
        row, after, first = page.tokens, NEXT[page.mask], self._first(page)
        chain = []
        for start in range(5):
            steps, at, step, last = [], start, after[start], 0
            while step and start >= first and row[step] - row[at] > last:
                last = row[step] - row[at]
                steps.append((at, step, last))
                at, step = step, after[step]
            chain.append(tuple(steps))
        return (before, policy.recompute_weight * page.recompute_cost, page.page_id, tuple(chain))

    # --- choosing ---

    def choose(self, table: PageTable, side: SideState, need: Need, budget: int) -> Selection:
        """One fidelity per page for a budget in tokens, as moves from the last prompt."""
        fidelity, room, unmet, how = self._floor(table, need, budget)
        floor = bytes(fidelity)
        policy = self.policy
        if policy.upgrades and room > 0:
            if policy.future_weight and side.future:
                room = self._upgrade_all(side.future, fidelity, room)
            elif self._ranked is not None:
                room = self._visit(fidelity, room)
            else:
                room = self.steps.walk(self._weighed(fidelity, room), fidelity, room)
        old, moved = side.fidelity, differing(side.fidelity, fidelity)
        if side.ghosts:
            moved = [order for order in moved if order not in side.ghosts]
        if side.retext:
            moved = sorted({*moved, *(order for order in side.retext if fidelity[order])})
        moves = []
        for order in moved:
            now = fidelity[order]
            if now < old[order]:
                reason = _UNMET if order in unmet else _DISPLACED
            elif now > floor[order]:
                reason = _UPGRADED
            elif how is None:
                reason = self._why(table, need, order)
            else:
                reason = how.get(order, _PREFETCHED)
            moves.append((order, now, reason))
        return Selection(moves, budget - room, unmet)

    def _visit(self, fidelity: bytearray, room: int) -> int:
        """Phase 2 of few pages."""
        least = self._least
        if room >= least:
            for fidelity_above, order, at, extra in self._walk:
                if extra <= room and fidelity[order] == at:
                    room -= extra
                    fidelity[order] = fidelity_above
                    if room < least:
                        break
        return room

    def settled(self, table: PageTable, side: SideState, selection: Selection) -> None:
        """Nothing to remember: every prompt is chosen anew."""

    def _floor(
        self, table: PageTable, need: Need, budget: int
    ) -> tuple[bytearray, int, list[int], dict[int, ChangeReason] | None]:
        """Phase 1. Where all of it fits, the order of installation does not matter."""
        pages = self.pages
        fidelity, used = bytearray(self.base), self.base_tokens
        if need.after_boundary and self.policy.auto_pins:
            for order in table.rules:
                if not fidelity[order]:
                    page = pages[order]
                    fidelity[order] = page.served
                    used += page.tokens[page.served]
        for order, level, _ in need.asked:
            page = pages[order]
            at = AT[page.mask][level]
            used += page.tokens[at] - page.tokens[fidelity[order]]
            fidelity[order] = at
        if used <= budget:
            return fidelity, budget - used, [], None
        return self._tight_floor(table, need, budget)

    def _tight_floor(
        self, table: PageTable, need: Need, budget: int
    ) -> tuple[bytearray, int, list[int], dict[int, ChangeReason] | None]:
        """Phase 1 as published: required pages whole in their order, then pointers in theirs."""
        pages, pins, room = self.pages, self.policy.auto_pins, budget
        fidelity = bytearray(len(pages))
        how: dict[int, ChangeReason] | None = None
        unmet: list[int] = []
        if pins and need.tokens <= budget:  # all of the required set fits, in whatever order
            for order in table.hard | table.rules if need.after_boundary else table.hard:
                fidelity[order] = pages[order].served
            for order, level, _ in need.asked:
                fidelity[order] = AT[pages[order].mask][level]
            room -= need.tokens
        else:
            how = {}
            asked = {order: (level, reason) for order, level, reason in need.asked}
            after = need.after_boundary
            for order, level, reason in required_pages(table, asked, auto_pins=pins, after_boundary=after):
                page = pages[order]
                at = AT[page.mask][level]
                if page.tokens[at] <= room:
                    room -= page.tokens[at]
                    fidelity[order] = at
                    how[order] = reason
                else:
                    unmet.append(order)
        if self.policy.prefetch:
            for order in self.prefetch:
                if not fidelity[order]:
                    page = pages[order]
                    lowest = NEXT[page.mask][0]
                    if page.tokens[lowest] <= room:
                        room -= page.tokens[lowest]
                        fidelity[order] = lowest
        return fidelity, room, unmet, how

    def _why(self, table: PageTable, need: Need, order: int) -> ChangeReason:
        """What put a page there in a floor that fits."""
        reason = ChangeReason.PREFETCHED
        minimum = 0
        if self.policy.auto_pins:
            if order in table.hard:
                reason, minimum = ChangeReason.PINNED, self.pages[order].minimum
            elif need.after_boundary and order in table.rules:
                reason, minimum = ChangeReason.RESTORED, self.pages[order].minimum
        for asked in need.asked:
            if asked.order == order and asked.level > minimum:
                return asked.reason
        return reason

    def _weighed(self, fidelity: bytearray, room: int) -> list[Step]:
        """Steps of pages with recency that can still be taken from where they stand."""
        weight, hot = self.policy.recency_weight, self.hot
        found: list[Step] = []
        for order, (before, after, page_id, chain) in self.warmed.items():
            steps = chain[fidelity[order]]
            if steps and steps[0][2] <= room:
                worth = before + weight * hot[order] + after
                for at, step, extra in steps:
                    if extra > room:
                        break
                    found.append((worth / extra, page_id, step, order, at, extra))
        return found

    def _upgrade_all(self, future: Mapping[int, float], fidelity: bytearray, room: int) -> int:
        """Phase 2 where the future is known: every page weighed (replay only)."""
        every: list[Step] = []
        for page in self.pages:
            if page.status is PageStatus.LIVE:
                every += self._candidates(page, self.hot.get(page.order, 0.0), future.get(page.order, 0.0))
        return Steps(self.pages).walk(every, fidelity, room)

    # --- copies ---

    def copy(self, table: PageTable, side: SideState) -> SelectionIndex:
        """For a copied table and side."""
        other = SelectionIndex.__new__(SelectionIndex)
        other.policy, other.hot, other.pages = self.policy, side.hot, table.pages
        other.base, other.base_tokens = bytearray(self.base), self.base_tokens
        other.steps, other.warmed = self.steps.copy(table.pages), dict(self.warmed)
        other._least, other._walk = self._least, list(self._walk)
        other._ranked = None if self._ranked is None else list(self._ranked)
        other._prefetch = None if self._prefetch is None else list(self._prefetch)
        return other


def differing(old: bytearray, new: bytearray) -> list[int]:
    """Places where two rows of equal length differ, ascending."""
    size = len(old)
    if size <= _NARROW:
        return list(compress(range(size), map(ne, old, new)))
    differs = int.from_bytes(old, "little") ^ int.from_bytes(new, "little")
    return [found.start() for found in _CHANGED.finditer(differs.to_bytes(size, "little"))]
