"""Policies are data: switches and the weights of one utility.

``utility = base·base_utility + pin + recency·recency + recompute·recompute_cost + future·bonus``, summed in
that order, so that every machine gets the same float.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from memory.core.types import BoundaryKind, Pin

RECENCY_DECAY: Final = 0.88  # a turn
RECENCY_FLOOR: Final = 0.0001  # below it recency becomes 0

_SOFT_BOUNDARIES: Final = (BoundaryKind.COMPACTION, BoundaryKind.PRUNE, BoundaryKind.FLUSH)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy. ``share_percent``: of the budget, in multi-session workloads only."""

    name: str
    selects: bool = True  # False: residency is what the record shows
    auto_pins: bool = False  # hard pins, and rules after a compaction or reset, are required
    prefetch: bool = False  # of pointers, in phase 1
    upgrades: bool = False  # phase 2
    writes_back: bool = False  # at compaction, prune, flush
    writes_back_at_end: bool = False  # at reset, shutdown
    resolves: bool = False  # a handle in the prompt can be brought in
    recalls_have_reasons: bool = False
    share_percent: int = 100
    base_weight: float = 0.0
    hard_weight: float = 0.0
    soft_weight: float = 0.0
    recency_weight: float = 0.0
    recompute_weight: float = 0.0
    future_weight: float = 0.0
    # (ours) the whole floor before any upgrade, and what stands stays: docs/model.md
    steady: bool = False
    high_water_percent: int = 100  # of the budget: above it steps are taken back …
    low_water_percent: int = 80  # … down to this
    refill_percent: int = 30  # at or below it, pages that fell are raised again
    raise_above: float = 2.5  # recency from which a page demanded in the last turn is raised

    def writes_back_at(self, kind: BoundaryKind) -> bool:
        return self.writes_back if kind in _SOFT_BOUNDARIES else self.writes_back_at_end

    def utility(self, base: float, pin: Pin, recency: float, recompute: float, future: float = 0.0) -> float:
        """What an upgrade of the page is worth now."""
        pinned = self.hard_weight if pin is Pin.HARD else self.soft_weight if pin is Pin.SOFT else 0.0
        worth = (
            self.base_weight * base
            + pinned
            + self.recency_weight * recency
            + self.recompute_weight * recompute
        )
        return worth + self.future_weight * future if self.future_weight else worth

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


_CLAWVM: Final = {
    "auto_pins": True, "prefetch": True, "upgrades": True, "writes_back": True, "writes_back_at_end": True,
    "resolves": True, "recalls_have_reasons": True,
}  # fmt: skip
_WORTH: Final = {
    "base_weight": 1.0,
    "hard_weight": 2.0,
    "soft_weight": 0.6,
    "recency_weight": 0.6,
    "recompute_weight": 0.4,
}

POLICIES: Final[dict[str, Policy]] = {
    policy.name: policy
    for policy in (
        Policy("retrieval", share_percent=78),
        Policy("retrieval_cached", resolves=True, share_percent=78),
        Policy(
            "compaction_hybrid", prefetch=True, upgrades=True, writes_back=True, resolves=True,
            share_percent=85, base_weight=1.0, recency_weight=0.9, recompute_weight=0.1,
        ),
        Policy("lru", **_CLAWVM, recency_weight=1.0),
        Policy("clawvm", **_CLAWVM, **_WORTH),  # type: ignore[arg-type]
        Policy("oracle", **_CLAWVM, **_WORTH, future_weight=2.2),  # type: ignore[arg-type]
        # (ours) for live use
        Policy(
            "clawweb", **_CLAWVM, steady=True, base_weight=0.02, hard_weight=2.0, soft_weight=0.6,
            recency_weight=1.0, recompute_weight=0.01,
        ),
        # (ours) a harness that we only read writes back by itself or not at all: its log says which
        Policy("observed", selects=False),
        # the same for a harness that can bring a cleared result back from its handle
        Policy("observed_resolving", selects=False, resolves=True),
    )
}  # fmt: skip


def find_policy(name: str) -> Policy | None:
    """The built-in policy of that name, ``None`` if there is none."""
    return POLICIES.get(name)
