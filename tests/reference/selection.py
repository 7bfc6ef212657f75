"""Section 4: what is required, and which fidelity every page gets, from nothing but the arguments."""

from __future__ import annotations

from dataclasses import dataclass

from .policies import Policy
from .workloads import ABSENT, PIN_RANK, Page

TYPE_RANK = {"bootstrap": 2, "constraint": 1}


@dataclass
class Selection:
    """Fidelity of every page of the table by id, why it stands there, and the required pages left out."""

    fidelity: dict[str, int]
    reason: dict[str, str]
    unmet: list[str]


def demanded_levels(pages: list[Page], demands: list[tuple[str, int]]) -> dict[str, int]:
    """Page id to the highest of its demands, each raised to the page's minimum."""
    by_id = {page.page_id: page for page in pages}
    levels: dict[str, int] = {}
    for page_id, fidelity in demands:
        raised = max(fidelity, by_id[page_id].minimum)
        levels[page_id] = max(raised, levels.get(page_id, ABSENT))
    return levels


def required_levels(
    pages: list[Page], declared: dict[str, int], after_loss: bool, auto_pins: bool
) -> dict[str, int]:
    """Page id to the level that is required. `after_loss`: first prompt after a compaction or reset."""
    levels = dict(declared)
    if auto_pins:
        for page in pages:
            if page.pin == "hard" or (after_loss and page.must_survive()):
                levels[page.page_id] = max(page.minimum, levels.get(page.page_id, ABSENT))
    return levels


def required_tokens(pages: list[Page], required: dict[str, int]) -> int:
    return sum(page.cost(required[page.page_id]) for page in pages if page.page_id in required)


def floor_tokens(pages: list[Page], required: dict[str, int]) -> int:
    """The required set together with the minimum of every live page."""
    return sum(page.cost(max(page.minimum, required.get(page.page_id, ABSENT))) for page in pages)


def utility(page: Page, policy: Policy, future: int) -> float:
    pin = {"hard": policy.hard_weight, "soft": policy.soft_weight, "none": 0.0}[page.pin]
    value = policy.base_weight * page.base_utility
    value = value + pin
    value = value + policy.recency_weight * page.recency
    value = value + policy.recompute_weight * page.recompute_cost
    return value + policy.future_weight * future


def priority(page: Page) -> tuple:
    return (-PIN_RANK[page.pin], -TYPE_RANK.get(page.type, 0), -page.base_utility, page.place)


def select(
    pages: list[Page],
    policy: Policy,
    budget: int,
    declared: dict[str, int],
    after_loss: bool,
    future: dict[str, int],
) -> Selection:
    """The published policies. `future`: page id to the number of turns that the oracle's weight counts."""
    fidelity = {page.page_id: ABSENT for page in pages}
    reason: dict[str, str] = {}
    unmet: list[str] = []

    def used() -> int:
        return sum(page.cost(fidelity[page.page_id]) for page in pages)

    # Phase 1: the required pages, whole, in priority order.
    required = required_levels(pages, declared, after_loss, policy.auto_pins)
    for page in sorted((page for page in pages if page.page_id in required), key=priority):
        level = page.serving(required[page.page_id])
        if used() + page.cost(level) <= budget:
            fidelity[page.page_id] = level
            reason[page.page_id] = why_required(page, policy, declared, after_loss)
        else:
            unmet.append(page.page_id)

    # Phase 1: pointer prefetch.
    if policy.prefetch:
        absent = [page for page in pages if fidelity[page.page_id] == ABSENT and page.ends_in_pointer()]
        for page in sorted(absent, key=lambda page: (-page.recompute_cost, -page.base_utility, page.place)):
            if used() + page.cost(page.lowest()) <= budget:
                fidelity[page.page_id] = page.lowest()
                reason[page.page_id] = "prefetched"

    # Phase 2: every single step up from where the pages stand now, each visited once.
    if policy.upgrades:
        candidates = []
        for page in pages:
            standing = fidelity[page.page_id]
            while (above := page.next_up(standing)) is not None:
                extra = page.cost(above) - page.cost(standing)
                gain = utility(page, policy, future.get(page.page_id, 0)) / extra
                candidates.append((gain, page.page_id, above, standing, extra))
                standing = above
        for _gain, page_id, above, below, extra in sorted(candidates, reverse=True):
            if fidelity[page_id] == below and used() + extra <= budget:
                fidelity[page_id] = above
                reason[page_id] = "upgraded"

    return Selection(fidelity, reason, unmet)


def why_required(page: Page, policy: Policy, declared: dict[str, int], after_loss: bool) -> str:
    """The order of reasons is docs/model.md's (it gives one for `clawweb` only)."""
    if declared.get(page.page_id, ABSENT) > page.minimum:
        return "demanded"
    if policy.auto_pins and page.pin == "hard":
        return "pinned"
    if policy.auto_pins and after_loss and page.must_survive():
        return "restored"
    return "demanded"
