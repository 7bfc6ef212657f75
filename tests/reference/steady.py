"""The path-dependent policy `clawweb`, from docs/model.md, "The clawweb policy"; its steps are numbered so.

A workload has no operator: every representation is usable, and nobody restores.
"""

from __future__ import annotations

from .policies import Policy
from .selection import Selection, priority
from .workloads import ABSENT, FULL, Page


def worth(page: Page, policy: Policy) -> float:
    pin = {"hard": policy.hard_weight, "soft": policy.soft_weight, "none": 0.0}[page.pin]
    value = policy.base_weight * page.base_utility
    value = value + pin
    value = value + policy.recency_weight * page.recency
    return value + policy.recompute_weight * page.recompute_cost


def select(
    pages: list[Page],
    policy: Policy,
    budget: int,
    declared: dict[str, int],
    after_loss: bool,
    previous: dict[str, int],
    demanded_before: dict[str, int],
    arrivals: set[str] | None = None,
) -> Selection:
    """`previous`: fidelities in the previous prompt, of the pages that were in the table then. `arrivals`:
    those
    whose recency has gained its 1 already; in a workload, which gives no page new text, they are the others.
    `demanded_before`: page id to the highest level demanded in the turn before.
    """
    if arrivals is None:
        arrivals = {page.page_id for page in pages if page.page_id not in previous}
    high = budget * policy.high_water_percent // 100
    low = budget * policy.low_water_percent // 100
    refill = budget * policy.refill_percent // 100
    need = {
        page.page_id: page.serving(max(page.minimum, declared.get(page.page_id, ABSENT))) for page in pages
    }

    floor, unmet = floor_of(pages, budget, need, declared, after_loss)
    wants = wants_of(pages, policy, floor, previous, demanded_before)
    if tokens_of(pages, wants) > high:
        press(pages, policy, floor, wants, low)
    else:
        much_room = tokens_of(pages, wants) <= refill
        raised = [page for page in pages if much_room or page.page_id in arrivals]
        fill(pages, raised, policy, floor, wants, low)

    reason = {
        page.page_id: why(page, wants[page.page_id], floor[page.page_id], declared, after_loss)
        for page in pages
    }
    return Selection(wants, reason, unmet)


def tokens_of(pages: list[Page], fidelity: dict[str, int]) -> int:
    return sum(page.cost(fidelity[page.page_id]) for page in pages)


def floor_of(
    pages: list[Page], budget: int, need: dict[str, int], declared: dict[str, int], after_loss: bool
) -> tuple[dict[str, int], list[str]]:
    """Step 1: every page's floor, and the unmet pages."""
    if tokens_of(pages, need) <= budget:
        return dict(need), []
    floor = {page.page_id: ABSENT for page in pages}

    def install(page: Page, level: int) -> None:
        extra = page.cost(level) - page.cost(floor[page.page_id])
        if tokens_of(pages, floor) + extra <= budget:
            floor[page.page_id] = level

    first = [page for page in pages if page.pin == "hard" or (after_loss and page.must_survive())]
    second = [page for page in pages if page.page_id in declared]
    for page in sorted(first, key=priority):
        install(page, page.serving(page.minimum))
    for page in sorted(second, key=priority):
        install(page, need[page.page_id])
    third = [page for page in pages if floor[page.page_id] == ABSENT]
    for page in sorted(third, key=lambda page: (-page.recompute_cost, -page.base_utility, page.place)):
        install(page, page.serving(page.minimum))
    asked = [page for page in pages if page in first or page in second]
    unmet = [page.page_id for page in sorted(asked, key=priority) if floor[page.page_id] < need[page.page_id]]
    return floor, unmet


def wants_of(
    pages: list[Page],
    policy: Policy,
    floor: dict[str, int],
    previous: dict[str, int],
    demanded_before: dict[str, int],
) -> dict[str, int]:
    """Step 2."""
    wants = {}
    for page in pages:
        name = page.page_id
        if floor[name] == ABSENT:
            wants[name] = ABSENT
            continue
        want = previous.get(name, ABSENT)
        if want > ABSENT:
            want = page.serving(want)  # its form at that fidelity: the text or an operator's cap may be new
        if name in demanded_before and page.recency > policy.raise_above:
            want = max(want, page.serving(demanded_before[name]))
        wants[name] = max(want, floor[name])
    return wants


def press(pages: list[Page], policy: Policy, floor: dict[str, int], wants: dict[str, int], low: int) -> None:
    """Step 3: gives back steps, then grants again those that fit after all. Changes `wants`."""
    given_back = []
    above = [page for page in pages if wants[page.page_id] > floor[page.page_id]]
    for page in sorted(above, key=lambda page: (worth(page, policy), page.place)):
        while wants[page.page_id] > floor[page.page_id] and tokens_of(pages, wants) > low:
            upper = wants[page.page_id]
            lower = max(fidelity for fidelity in page.tokens if fidelity < upper)
            wants[page.page_id] = lower
            given_back.append((page, lower, upper))
    for page, lower, upper in reversed(given_back):
        extra = page.cost(upper) - page.cost(lower)
        if wants[page.page_id] == lower and tokens_of(pages, wants) + extra <= low:
            wants[page.page_id] = upper


def fill(
    pages: list[Page],
    raised: list[Page],
    policy: Policy,
    floor: dict[str, int],
    wants: dict[str, int],
    low: int,
) -> None:
    """Step 4. `raised`: the arrivals, or all pages where there is much room. Changes `wants`."""
    fallen = [page for page in raised if floor[page.page_id] != ABSENT and wants[page.page_id] < FULL]
    for page in sorted(fallen, key=lambda page: (-worth(page, policy), -page.place)):
        others = tokens_of(pages, wants) - page.cost(wants[page.page_id])
        for fidelity in sorted(page.tokens, reverse=True):
            if fidelity > wants[page.page_id] and others + page.cost(fidelity) <= low:
                wants[page.page_id] = fidelity


def why(page: Page, stands: int, floor: int, declared: dict[str, int], after_loss: bool) -> str:
    """The reason if the page rose."""
    if stands > floor:
        return "upgraded"
    if declared.get(page.page_id, ABSENT) > page.minimum:
        return "demanded"
    if page.pin == "hard":
        return "pinned"
    if after_loss and page.must_survive():
        return "restored"
    return "demanded" if page.page_id in declared else "prefetched"
