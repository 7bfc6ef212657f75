"""The published policies as the table of section 4 has them, and how one declared by a user is read."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Policy:
    """Switches and one utility. The fields bear the names that a declared policy uses."""

    name: str
    auto_pins: bool = False
    prefetch: bool = False
    upgrades: bool = False
    writes_back: bool = False  # at compaction, prune and flush
    writes_back_at_end: bool = False  # at reset and shutdown
    resolves: bool = False
    recalls_have_reasons: bool = False
    share_percent: int = 100
    base_weight: float = 0.0
    hard_weight: float = 0.0
    soft_weight: float = 0.0
    recency_weight: float = 0.0
    recompute_weight: float = 0.0
    future_weight: float = 0.0
    steady: bool = False  # selected by steady.py, the policy `clawweb`
    high_water_percent: int = 100
    low_water_percent: int = 80
    refill_percent: int = 30
    raise_above: float = 2.5


_ALL = {
    "auto_pins": True,
    "prefetch": True,
    "upgrades": True,
    "writes_back": True,
    "writes_back_at_end": True,
    "resolves": True,
    "recalls_have_reasons": True,
}
_CLAWVM = {
    "base_weight": 1.0,
    "hard_weight": 2.0,
    "soft_weight": 0.6,
    "recency_weight": 0.6,
    "recompute_weight": 0.4,
}

TABLE = {
    "retrieval": Policy("retrieval", share_percent=78),
    "retrieval_cached": Policy("retrieval_cached", share_percent=78, resolves=True),
    "compaction_hybrid": Policy(
        "compaction_hybrid",
        share_percent=85,
        prefetch=True,
        upgrades=True,
        writes_back=True,
        resolves=True,
        base_weight=1.0,
        recency_weight=0.9,
        recompute_weight=0.1,
    ),
    "lru": Policy("lru", **_ALL, recency_weight=1.0),
    "clawvm": Policy("clawvm", **_ALL, **_CLAWVM),
    "oracle": Policy("oracle", **_ALL, **_CLAWVM, future_weight=2.2),
    "clawweb": Policy(  # from docs/model.md
        "clawweb",
        **_ALL,
        steady=True,
        base_weight=0.02,
        recompute_weight=0.01,
        recency_weight=1.0,
        hard_weight=2.0,
        soft_weight=0.6,
    ),
}


def find(policy: str | dict) -> Policy:
    """A published policy by its name, or a declared one from its data (what is left out is off, or 0)."""
    if isinstance(policy, str):
        return TABLE[policy]
    known = {field.name for field in fields(Policy)}
    return Policy(**{name: value for name, value in policy.items() if name in known})
