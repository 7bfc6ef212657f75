"""Upgrade steps in descending order of gain, in blocks of columns: 18 bytes a step, cheap to walk and change.

The order is that of the visit: ``(gain, page_id, fidelity)``, descending.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import itemgetter
from typing import Final

from memory.core.pages import Page

#: gain, page_id, fidelity, table order, fidelity below, tokens
Step = tuple[float, str, int, int, int, int]

_BLOCK: Final = 512  # steps; a block is cut in two at twice that
_FEW: Final = 192  # steps: up to so many they stand ready as tuples
_PART: Final = 16  # steps: so many of a block are sorted in among others
_tokens = itemgetter(5)


class _Block:
    """Steps side by side. ``losses``: gains below zero, so that they ascend; ``belows`` and ``ups``: the
    fidelity a step is taken from and to; ``least``: tokens, of which no step takes fewer.
    """

    __slots__ = ("belows", "extras", "least", "losses", "orders", "ups")

    def __init__(
        self,
        losses: array[float],
        orders: array[int],
        belows: bytearray,
        ups: bytearray,
        extras: array[int],
    ) -> None:
        self.losses, self.orders, self.belows, self.ups, self.extras = losses, orders, belows, ups, extras
        self.least = min(extras)

    def part(self, start: int, end: int) -> _Block:
        """A copy of some."""
        some = slice(start, end)
        return _Block(
            self.losses[some], self.orders[some], self.belows[some], self.ups[some], self.extras[some]
        )


class Steps:
    """A sorted multiset of steps. ``pages``: the table's, for ids where gains are equal."""

    __slots__ = ("_blocks", "_heads", "_rows", "count", "pages")

    def __init__(self, pages: list[Page]) -> None:
        self.pages = pages
        self._blocks: list[_Block] = []
        self._heads: list[float] = []  # each block's first loss
        self._rows: list[Step] | None = None
        self.count = 0

    def fill(self, losses: list[float], codes: list[int], extras: list[int]) -> None:
        """All steps at once, into none: those of equal gain in the order of the visit already. ``codes``:
        table order, fidelity below and fidelity, in 3 bits each but the first.
        """
        places = sorted(range(len(losses)), key=losses.__getitem__)
        self.count = len(places)
        for start in range(0, len(places), _BLOCK):
            some = places[start : start + _BLOCK]
            block = _Block(
                array("d", [losses[at] for at in some]),
                array("i", [codes[at] >> 6 for at in some]),
                bytearray([codes[at] >> 3 & 7 for at in some]),
                bytearray([codes[at] & 7 for at in some]),
                array("i", [extras[at] for at in some]),
            )
            self._blocks.append(block)
            self._heads.append(block.losses[0])

    def __iter__(self) -> Iterator[Step]:
        """In the order of the visit."""
        for block in self._blocks:
            columns = (block.losses, block.orders, block.belows, block.ups, block.extras)
            for loss, order, below, up, extra in zip(*columns, strict=True):
                yield (-loss, self.pages[order].page_id, up, order, below, extra)

    def _after(self, block: _Block, at: int, page_id: str, fidelity: int) -> bool:
        """Does the step there come after one of equal gain?"""
        other = self.pages[block.orders[at]].page_id
        return other < page_id if other != page_id else block.ups[at] < fidelity

    def _find(self, loss: float, page_id: str, fidelity: int) -> tuple[int, int]:
        """Block and place of a step, or where it would stand."""
        heads, blocks = self._heads, self._blocks
        low, high = bisect_left(heads, loss), bisect_right(heads, loss)
        while low < high:  # blocks that begin with this very gain
            middle = (low + high) // 2
            if self._after(blocks[middle], 0, page_id, fidelity):
                high = middle
            else:
                low = middle + 1
        number = max(low - 1, 0)
        block = blocks[number]
        low = bisect_left(block.losses, loss)
        high = bisect_right(block.losses, loss, low)
        while low < high:
            middle = (low + high) // 2
            other = self.pages[block.orders[middle]].page_id
            if other < page_id or (other == page_id and block.ups[middle] <= fidelity):
                high = middle
            else:
                low = middle + 1
        return number, low

    def add(self, step: Step) -> None:
        gain, page_id, fidelity, order, below, extra = step
        self._rows = None
        self.count += 1
        if not self._blocks:
            row = (bytearray([below]), bytearray([fidelity]), array("i", [extra]))
            self._blocks.append(_Block(array("d", [-gain]), array("i", [order]), *row))
            self._heads.append(-gain)
            return
        number, at = self._find(-gain, page_id, fidelity)
        block = self._blocks[number]
        block.losses.insert(at, -gain)
        block.orders.insert(at, order)
        block.belows.insert(at, below)
        block.ups.insert(at, fidelity)
        block.extras.insert(at, extra)
        block.least = min(block.least, extra)
        self._heads[number] = block.losses[0]
        size = len(block.orders)
        if size >= 2 * _BLOCK:
            rest = block.part(_BLOCK, size)
            self._blocks[number : number + 1] = [block.part(0, _BLOCK), rest]
            self._heads.insert(number + 1, rest.losses[0])

    def remove(self, step: Step) -> None:
        gain, page_id, fidelity, order, below, extra = step
        self._rows = None
        self.count -= 1
        number, at = self._find(-gain, page_id, fidelity)
        block = self._blocks[number]
        assert (block.orders[at], block.belows[at], block.ups[at]) == (order, below, fidelity)
        del block.losses[at], block.orders[at], block.belows[at], block.ups[at], block.extras[at]
        if not block.orders:
            del self._blocks[number], self._heads[number]
            return
        self._heads[number] = block.losses[0]
        if extra == block.least:
            block.least = min(block.extras)

    def copy(self, pages: list[Page]) -> Steps:
        other = Steps(pages)
        other.count, other._heads = self.count, list(self._heads)
        other._blocks = [block.part(0, len(block.orders)) for block in self._blocks]
        return other

    def walk(self, weighed: list[Step], fidelity: bytearray, room: int) -> int:
        """Visit these steps and those weighed now, in order; raise ``fidelity``; gives the room left."""
        if self.count <= _FEW:
            if self.count:
                if self._rows is None:
                    self._rows = list(self)
                weighed = weighed + self._rows
            weighed.sort()
            return _visit(weighed, fidelity, room)
        weighed.sort()
        for block in self._blocks:
            cut = bisect_left(weighed, self._key(block, -1))  # from here on they come before the block's end
            between = weighed[cut:]
            del weighed[cut:]
            if block.least > room:
                room = _visit(between, fidelity, room)
            else:
                room = self._walk_part(block, 0, len(block.orders), between, fidelity, room)
            if not room:
                return 0
        return _visit(weighed, fidelity, room)

    def _key(self, block: _Block, at: int) -> tuple[float, str, int]:
        return (-block.losses[at], self.pages[block.orders[at]].page_id, block.ups[at])

    def _walk_part(
        self, block: _Block, start: int, end: int, between: list[Step], fidelity: bytearray, room: int
    ) -> int:
        """Visit a part of a block and the steps weighed now that come before its end, ascending. Where all of
        it fits, only the order of each page's own steps matters; what costs too much now does so later, too.
        """
        extras = block.extras[start:end]
        if sum(extras) + sum(map(_tokens, between)) <= room:
            part = (block.orders[start:end], block.belows[start:end], block.ups[start:end], extras)
            for order, below, up, extra in zip(*part, strict=True):
                if fidelity[order] == below:
                    room -= extra
                    fidelity[order] = up
            return _visit(between, fidelity, room)
        if min(extras) > room:
            return _visit(between, fidelity, room)
        if end - start > _PART:
            middle = (start + end) // 2
            cut = bisect_left(between, self._key(block, middle - 1))
            room = self._walk_part(block, start, middle, between[cut:], fidelity, room)
            return self._walk_part(block, middle, end, between[:cut], fidelity, room)
        for at, extra in enumerate(extras, start):
            if extra <= room:
                between.append((*self._key(block, at), block.orders[at], block.belows[at], extra))
        between.sort()
        return _visit(between, fidelity, room)


def _visit(steps: list[Step], fidelity: bytearray, room: int) -> int:
    """Visit ascending steps from the last one on; gives the room left."""
    for _, _, up, order, below, extra in reversed(steps):
        if extra <= room and fidelity[order] == below:
            room -= extra
            fidelity[order] = up
    return room
