"""Section 6 in the order of replay.md, step 4: every prompt is judged against what stands in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .policies import Policy
from .workloads import ABSENT, POINTER, Page


@dataclass
class Verdicts:
    """What one turn shows.

    `faults`: (kind, page id or None, class); `page_ins`: (page id, from, demanded, tokens); `hits`: (page id,
    level).
    """

    faults: list[tuple[str, str | None, str]] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    refreshes: list[str | None] = field(default_factory=list)
    page_ins: list[tuple[str, int, int, int]] = field(default_factory=list)
    hits: list[tuple[str, int]] = field(default_factory=list)


def judge(
    pages: list[Page],
    standing: dict[str, int],
    policy: Policy,
    after_loss: bool,
    declared: dict[str, int],
    observed: dict[str, int],
    calls: list[dict],
    earlier_calls: list[dict],
    recalls: list[dict],
    required_too_big: bool,
    floor_too_big: bool,
) -> Verdicts:
    """`standing`: fidelity of every page in this prompt. `earlier_calls`: those of the turns before."""
    out = Verdicts()
    by_required = "insufficient" if required_too_big else "policy"
    by_floor = "insufficient" if floor_too_big else "policy"

    for page in pages:
        if page.pin == "hard" and standing[page.page_id] < page.minimum:
            out.faults.append(("pinned_invariant_miss", page.page_id, by_required))
    if after_loss:
        for page in pages:
            if page.must_survive() and standing[page.page_id] < page.minimum:
                out.faults.append(("post_compaction_bootstrap", page.page_id, by_required))
    for page in pages:
        if page.page_id not in declared and page.page_id not in observed:
            continue
        wanted = max(declared.get(page.page_id, ABSENT), observed.get(page.page_id, ABSENT))
        has = standing[page.page_id]
        if has >= wanted:
            out.hits.append((page.page_id, wanted))
        elif has > ABSENT and policy.resolves:
            out.hits.append((page.page_id, wanted))
            out.page_ins.append((page.page_id, has, wanted, page.cost(wanted)))
        else:
            out.faults.append(
                ("refetch", page.page_id, by_required if page.page_id in declared else by_floor)
            )

    so_far = list(earlier_calls)
    for call in calls:
        before = [other for other in so_far if other["signature"] == call["signature"]]
        so_far.append(call)
        if not before:
            continue
        results = [other["result"] for other in before if other.get("result") is not None]
        result = results[-1] if results else None
        if call.get("refresh", False) or call.get("kind", "read") in ("volatile", "write"):
            out.refreshes.append(result)
        elif result is not None:
            has = standing.get(result, ABSENT)
            if has > POINTER or (has > ABSENT and policy.resolves):
                out.alerts.append(result)
            else:
                out.faults.append(("duplicate_tool", result, by_floor))

    for recall in recalls:
        found_nothing = recall.get("found", 0) == 0 and recall.get("reason") is None
        if found_nothing and not policy.recalls_have_reasons:
            out.faults.append(("silent_recall", None, "policy"))
    return out
