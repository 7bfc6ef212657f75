"""What no other test of the steps noticed when it was changed (``python -m tests.mutation``)."""

from __future__ import annotations

import pytest

from memory.core import steps as steps_module
from memory.core.pages import Page
from memory.core.steps import Step, Steps
from memory.core.types import PageType


@pytest.mark.parametrize("part", [1, 2, 3, 16])
@pytest.mark.parametrize("count", [2, 3, 5, 8, 13])
def test_steps_weighed_now_come_in_between_everywhere(
    monkeypatch: pytest.MonkeyPatch, part: int, count: int
) -> None:
    """One before, between and after all that are kept, and room for the first so many: no later one is taken
    instead of an earlier one, wherever blocks and their parts end.
    """
    monkeypatch.setattr(steps_module, "_BLOCK", 4)
    monkeypatch.setattr(steps_module, "_FEW", 0)
    monkeypatch.setattr(steps_module, "_PART", part)
    pages = [Page(f"p{number}", PageType.EVIDENCE, number) for number in range(2 * count + 1)]
    every: list[Step] = [(-float(p.order), p.page_id, 2, p.order, 1, 10) for p in pages]
    steps = Steps(pages)
    for one in every[1::2]:
        steps.add(one)
    for taken in range(len(pages) + 1):
        fidelity = bytearray([1] * len(pages))
        assert steps.walk(every[::2], fidelity, 10 * taken) == 0
        assert list(fidelity) == [2] * taken + [1] * (len(pages) - taken)
