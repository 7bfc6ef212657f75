"""Running counts of one side."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Totals:
    """Counts over all turns. Plain ones are exact; ``*_inferred`` are those that a rule guessed."""

    faults: dict[str, int] = field(default_factory=dict)  # policy-controllable
    faults_inferred: dict[str, int] = field(default_factory=dict)
    insufficient: dict[str, int] = field(default_factory=dict)
    alerts: int = 0
    alerts_inferred: int = 0
    refreshes: int = 0
    hits: int = 0  # demands met, page-ins among them; none that the drop caused
    hits_inferred: int = 0
    page_ins: int = 0
    page_ins_inferred: int = 0
    page_in_tokens: int = 0
    page_in_tokens_inferred: int = 0
    reread_tokens: int = 0  # of results that a repeated call brought again because they were gone
    moved_tokens: int = 0
    tokens_used_sum: int = 0
    prefix_tokens_sum: int = 0  # prompts 2…: of the pages before the first that differs
    resident_tokens_sum: int = 0  # prompts 2…
    turns: int = 0
    committed: int = 0
    rejected: dict[str, int] = field(default_factory=dict)  # reason → updates

    def count(self, name: str, kind: str, by: int = 1) -> None:
        """Add to one kind of a map; a kind at 0 has no entry."""
        counts: dict[str, int] = getattr(self, name)
        counts[kind] = counts.get(kind, 0) + by
        if not counts[kind]:
            del counts[kind]

    @property
    def thrash(self) -> float:
        """F / (H + 1) of exact facts: policy-controllable faults and alerts over demands met."""
        return (sum(self.faults.values()) + self.alerts) / (self.hits + 1)

    @property
    def prefix_share(self) -> float:
        """Share of the prompts' tokens, from the second prompt on, that stood as in the prompt before."""
        return self.prefix_tokens_sum / self.resident_tokens_sum if self.resident_tokens_sum else 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
