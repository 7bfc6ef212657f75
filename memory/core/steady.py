"""``clawweb``, the steady policy: what stands stays while there is room, so that little moves and a cached
prefix lasts.

``docs/model.md`` defines the choice step by step, in the same words; it depends on the previous prompt.
Whenever the minimum of every live page and all that is demanded fit the budget, they are in the prompt. What
a choice costs follows what changed; only a press (above the high-water mark), a fill where much room is, and
a floor that does not fit look at more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from memory.core.needs import Need, Required, required_pages
from memory.core.page_table import PageTable
from memory.core.pages import AT, NEXT, PREV, Page
from memory.core.policies import Policy
from memory.core.selector import Selection
from memory.core.types import ChangeReason, Pin

if TYPE_CHECKING:
    from memory.core.state import SideState


class SteadySelector:
    """The selector of one side under a steady policy. Tokens everywhere are whole tokens."""

    __slots__ = ("above", "below", "least", "policy", "short", "side", "table")

    def __init__(self, policy: Policy, table: PageTable, side: SideState) -> None:
        self.policy, self.table, self.side = policy, table, side
        self.above: set[int] = set()  # live pages that stand above their minimum
        self.below: set[int] = set()  # below it
        self.short: set[int] = set()  # above absent and below their top
        self.least = 0  # no page in `short` can be raised by fewer tokens than this
        for order in table.live:
            self._place(table.pages[order])

    # -- what the engine tells --

    def enter(self, page: Page) -> None:
        self._place(page)

    def leave(self, page: Page) -> None:
        self.above.discard(page.order)
        self.below.discard(page.order)
        self.short.discard(page.order)

    def warm(self, page: Page) -> None:
        """Recency is read when it is needed."""

    def chill(self, page: Page) -> None:
        """Recency is read when it is needed."""

    def decayed(self) -> None:
        """Recency is read when it is needed."""

    def settled(self, table: PageTable, side: SideState, selection: Selection) -> None:
        """The prompt stands: arrivals gain their recency, and the pages that moved find their places."""
        for order in sorted(side.retext):  # a set's own order is not the same after a reload
            if order in table.live:
                side.hot[order] = side.hot.get(order, 0.0) + 1.0
        for order, _, _ in selection.moves:
            page = table.pages[order]
            self.leave(page)
            self._place(page)

    def copy(self, table: PageTable, side: SideState) -> SteadySelector:
        other = SteadySelector.__new__(SteadySelector)
        other.policy, other.table, other.side, other.least = self.policy, table, side, self.least
        other.above, other.below, other.short = set(self.above), set(self.below), set(self.short)
        return other

    def _place(self, page: Page) -> None:
        order, at = page.order, self.side.fidelity[page.order]
        if at > page.served:
            self.above.add(order)
        elif at < page.served:
            self.below.add(order)
        step = NEXT[page.mask][at] if at else 0
        if step:
            self.short.add(order)
            self.least = min(self.least, page.tokens[step] - page.tokens[at])

    # -- the choice --

    def choose(self, table: PageTable, side: SideState, need: Need, budget: int) -> Selection:
        """One fidelity per page for a budget in tokens. Changes nothing but ``least``, which saves work."""
        choice = _Choice(self.policy, table, side, need)
        if need.floor <= budget:
            choice.look_at({*side.touched, *side.retext, *side.asked, *choice.asked, *self.below})
        else:
            choice.install(budget)
            choice.look_at(table.live)
        policy = self.policy
        low = budget * policy.low_water_percent // 100
        if choice.total > budget * policy.high_water_percent // 100:
            choice.press(self.above, low)
        elif choice.total <= budget * policy.refill_percent // 100:
            others = self.short if low - choice.total >= self.least else set()
            least = choice.fill(others, low, roomy=True)
            if others and least is not None:
                self.least = least
        elif side.retext:
            choice.fill(set(), low, roomy=False)
        return choice.selection()


class _Choice:
    """One choice in the making: what each page looked at wants; the others want what they have."""

    def __init__(self, policy: Policy, table: PageTable, side: SideState, need: Need) -> None:
        self.policy, self.table, self.side, self.need = policy, table, side, need
        self.asked = {required.order: required for required in need.asked}
        self.installed: dict[int, int] | None = None  # order → floor, where the whole floor does not fit
        self.unmet: list[int] = []
        self.wants: dict[int, int] = {}
        self.total = side.standing

    def floor(self, page: Page) -> int:
        if self.installed is not None:
            return self.installed.get(page.order, 0)
        asked = self.asked.get(page.order)
        return page.served if asked is None else page.at(asked.level)

    def install(self, budget: int) -> None:
        """The floor does not fit: hard minima and rules due, then what is asked for, then other minima."""
        pages, hard, asked = self.table.pages, self.table.hard, self.asked
        after, room = self.need.after_boundary, budget
        installed: dict[int, int] = {}

        def raise_to(order: int, form: int) -> None:
            nonlocal room
            row = pages[order].tokens
            extra = row[form] - row[installed.get(order, 0)]
            if extra <= room:
                room -= extra
                installed[order] = form

        declared = {order: (level, reason) for order, level, reason in self.need.asked}
        required = required_pages(self.table, declared, auto_pins=True, after_boundary=after)
        for order, _, _ in required:
            if order in hard or (after and order in self.table.rules):
                raise_to(order, pages[order].served)
        for order, level, _ in required:
            if order in asked:
                raise_to(order, pages[order].at(level))
        rest = (order for order in self.table.live if order not in installed)
        for order in sorted(rest, key=lambda o: (-pages[o].recompute_cost, -pages[o].base_utility, o)):
            raise_to(order, pages[order].served)
        self.installed = installed
        self.unmet = [o for o, level, _ in required if installed.get(o, 0) < pages[o].at(level)]

    def look_at(self, orders: Iterable[int]) -> None:
        """What each of these pages wants, and what the prompt would take with it."""
        side, live, pages = self.side, self.table.live, self.table.pages
        fidelity, lately, wants, total = side.fidelity, side.asked, self.wants, self.total
        for order in orders:
            if order in live:
                page, stood = pages[order], fidelity[order]
                want = stands = AT[page.mask][stood] if stood else 0
                floor = self.floor(page)
                if order in lately and side.hot.get(order, 0.0) > self.policy.raise_above:
                    want = max(want, AT[page.mask][lately[order]])
                if want < floor or not floor:
                    want = floor
                wants[order] = want
                total += page.tokens[want] - page.tokens[stands]
        self.total = total

    def worth(self, page: Page) -> float:
        recency = self.side.hot.get(page.order, 0.0) + (1.0 if page.order in self.side.retext else 0.0)
        return self.policy.utility(page.base_utility, page.pin, recency, page.recompute_cost)

    def _wanting(self, orders: set[int]) -> list[tuple[Page, int, int]]:
        """Page, want and floor of these pages and of those looked at."""
        pages, fidelity, wants = self.table.pages, self.side.fidelity, self.wants
        found = [(pages[order], want, self.floor(pages[order])) for order, want in wants.items()]
        others = (pages[order] for order in orders if order not in wants)
        return found + [(page, fidelity[page.order], self.floor(page)) for page in others]

    def press(self, above: set[int], low: int) -> None:
        """Steps go back, least worth first, until ``low`` tokens; then what still fits is granted again."""
        able = [
            (self.worth(p), p.order, p, want, floor)
            for p, want, floor in self._wanting(above)
            if want > floor
        ]
        able.sort(key=lambda entry: entry[:2])
        given: list[tuple[Page, int, int]] = []
        for _, order, page, want, floor in able:
            while want > floor and self.total > low:
                below = max(PREV[page.mask][want], floor)
                self.total -= page.tokens[want] - page.tokens[below]
                given.append((page, want, below))
                want = self.wants[order] = below
            if self.total <= low:
                break
        for page, step, below in reversed(given):
            extra = page.tokens[step] - page.tokens[below]
            if self.wants[page.order] == below and self.total + extra <= low:
                self.wants[page.order] = step
                self.total += extra

    def fill(self, short: set[int], low: int, *, roomy: bool) -> int | None:
        """Arrivals, and where it is ``roomy`` every page, are raised as far as ``low`` tokens reach, highest
        worth first; ``short``: those below their top that were not looked at. Where none could be, gives the
        tokens of the cheapest step.
        """
        arrivals = self.side.retext
        able = [
            (self.worth(page), page.order, page, want)
            for page, want, floor in self._wanting(short)
            if floor and want < page.top and (roomy or page.order in arrivals)
        ]
        able.sort(key=lambda entry: entry[:2], reverse=True)
        raised = False
        for _, order, page, want in able:
            room = low - self.total + page.tokens[want]
            best = page.top
            while best > want and page.tokens[best] > room:
                best = PREV[page.mask][best]
            if best > want:
                raised = True
                self.total += page.tokens[best] - page.tokens[want]
                self.wants[order] = best
        if raised or not able:
            return None
        return min(p.tokens[NEXT[p.mask][want]] - p.tokens[want] for _, _, p, want in able)

    def selection(self) -> Selection:
        fidelity, retext = self.side.fidelity, self.side.retext
        moves = [
            (order, want, self._reason(order, want))
            for order, want in sorted(self.wants.items())
            if want != fidelity[order] or (order in retext and want)
        ]
        return Selection(moves, self.total, self.unmet)

    def _reason(self, order: int, want: int) -> ChangeReason:
        if want < self.side.fidelity[order]:
            return ChangeReason.UNMET if order in self.unmet else ChangeReason.DISPLACED
        page = self.table.pages[order]
        if want > self.floor(page):
            return ChangeReason.UPGRADED
        asked: Required | None = self.asked.get(order)
        if asked is not None and asked.level > page.minimum:
            return asked.reason
        if page.pin is Pin.HARD:
            return ChangeReason.PINNED
        if self.need.after_boundary and order in self.table.rules:
            return ChangeReason.RESTORED
        return ChangeReason.PREFETCHED if asked is None else asked.reason
