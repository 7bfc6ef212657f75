"""Upgrade steps in descending order of gain, in blocks of columns: 16 bytes a step, cheap to walk and change.

The order is that of the visit: ``(gain, page_id, fidelity)``, descending.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final

from memory.core.pages import Page

#: gain, page_id, fidelity, table order, fidelity below, tokens
Step = tuple[float, str, int, int, int, int]

_BLOCK: Final = 512  # steps; a block is cut in two at twice that
_FEW: Final = 192  # steps: up to so many they stand ready as tuples
_END: Final = (-1.0, "", 0, 0, 0, 0)  # after every step


class _Block:
    """Steps side by side. ``losses``: gains below zero, so that they ascend; ``codes``: order, fidelity below
    and fidelity; ``least``: the cheapest step's tokens.
    """

    __slots__ = ("codes", "extras", "least", "losses")

    def __init__(self, losses: array[float], codes: array[int], extras: array[int]) -> None:
        self.losses, self.codes, self.extras = losses, codes, extras
        self.least = min(extras)


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
        """All steps at once, into none: those of equal gain in the order of the visit already."""
        places = sorted(range(len(losses)), key=losses.__getitem__)
        self.count = len(places)
        for start in range(0, len(places), _BLOCK):
            some = places[start : start + _BLOCK]
            block = _Block(
                array("d", [losses[at] for at in some]),
                array("i", [codes[at] for at in some]),
                array("i", [extras[at] for at in some]),
            )
            self._blocks.append(block)
            self._heads.append(block.losses[0])

    def __iter__(self) -> Iterator[Step]:
        """In the order of the visit."""
        for block in self._blocks:
            for loss, code, extra in zip(block.losses, block.codes, block.extras, strict=True):
                order = code >> 6
                yield (-loss, self.pages[order].page_id, code & 7, order, code >> 3 & 7, extra)

    def _after(self, block: _Block, at: int, page_id: str, fidelity: int) -> bool:
        """Does the step there come after one of equal gain?"""
        code = block.codes[at]
        other = self.pages[code >> 6].page_id
        return other < page_id if other != page_id else code & 7 < fidelity

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
            code = block.codes[middle]
            other = self.pages[code >> 6].page_id
            if other < page_id or (other == page_id and code & 7 <= fidelity):
                high = middle
            else:
                low = middle + 1
        return number, low

    def add(self, step: Step) -> None:
        gain, page_id, fidelity, order, below, extra = step
        self._rows = None
        self.count += 1
        code = order << 6 | below << 3 | fidelity
        if not self._blocks:
            self._blocks.append(_Block(array("d", [-gain]), array("i", [code]), array("i", [extra])))
            self._heads.append(-gain)
            return
        number, at = self._find(-gain, page_id, fidelity)
        block = self._blocks[number]
        block.losses.insert(at, -gain)
        block.codes.insert(at, code)
        block.extras.insert(at, extra)
        block.least = min(block.least, extra)
        self._heads[number] = block.losses[0]
        if len(block.codes) >= 2 * _BLOCK:
            rest = _Block(block.losses[_BLOCK:], block.codes[_BLOCK:], block.extras[_BLOCK:])
            self._blocks[number] = _Block(block.losses[:_BLOCK], block.codes[:_BLOCK], block.extras[:_BLOCK])
            self._blocks.insert(number + 1, rest)
            self._heads.insert(number + 1, rest.losses[0])

    def remove(self, step: Step) -> None:
        gain, page_id, fidelity, order, below, extra = step
        self._rows = None
        self.count -= 1
        number, at = self._find(-gain, page_id, fidelity)
        block = self._blocks[number]
        assert block.codes[at] == order << 6 | below << 3 | fidelity
        del block.losses[at], block.codes[at], block.extras[at]
        if not block.codes:
            del self._blocks[number], self._heads[number]
            return
        self._heads[number] = block.losses[0]
        if extra == block.least:
            block.least = min(block.extras)

    def copy(self, pages: list[Page]) -> Steps:
        other = Steps(pages)
        other.count, other._heads = self.count, list(self._heads)
        other._blocks = [_Block(b.losses[:], b.codes[:], b.extras[:]) for b in self._blocks]
        return other

    def walk(self, weighed: list[Step], fidelity: bytearray, room: int) -> int:
        """Visit these steps and those weighed now, in order; raise ``fidelity``; gives the room left."""
        if self.count <= _FEW:
            if self.count:
                if self._rows is None:
                    self._rows = list(self)
                weighed = weighed + self._rows
            weighed.sort(reverse=True)
            for _, _, step, order, below, extra in weighed:
                if extra <= room and fidelity[order] == below:
                    room -= extra
                    fidelity[order] = step
            return room
        weighed.sort()
        weighed.insert(0, _END)
        for block, following in zip(self._blocks, [*self._blocks[1:], None], strict=True):
            if weighed[-1][0] < -block.losses[-1]:  # none of them comes before the block's end
                if block.least <= room:
                    room = _visit(block, fidelity, room)
            elif block.least <= room:
                room = self._visit_both(block, weighed, fidelity, room)
            else:
                limit = -1.0 if following is None else -following.losses[0]
                while weighed[-1][0] > limit:
                    room = _apply(weighed.pop(), fidelity, room)
            if not room:
                return 0
        while len(weighed) > 1:
            room = _apply(weighed.pop(), fidelity, room)
        return room

    def _visit_both(self, block: _Block, weighed: list[Step], fidelity: bytearray, room: int) -> int:
        """Visit a block's steps, and those weighed now that come between them."""
        best = weighed[-1][0]
        pages = self.pages
        for loss, code, extra in zip(block.losses, block.codes, block.extras, strict=True):
            while best >= -loss:
                _, page_id, step, *_ = weighed[-1]
                if best == -loss and (page_id, step) < (pages[code >> 6].page_id, code & 7):
                    break
                room = _apply(weighed.pop(), fidelity, room)
                best = weighed[-1][0]
            if extra <= room and fidelity[code >> 6] == code >> 3 & 7:
                room -= extra
                fidelity[code >> 6] = code & 7
        return room


def _visit(block: _Block, fidelity: bytearray, room: int) -> int:
    for code, extra in zip(block.codes, block.extras, strict=True):
        if extra <= room and fidelity[code >> 6] == code >> 3 & 7:
            room -= extra
            fidelity[code >> 6] = code & 7
            if not room:
                break
    return room


def _apply(step: Step, fidelity: bytearray, room: int) -> int:
    _, _, up, order, below, extra = step
    if extra <= room and fidelity[order] == below:
        fidelity[order] = up
        return room - extra
    return room
