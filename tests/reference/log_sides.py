"""One side of a session: what its prompts hold, and what its turns show. The primary's or the shadow's."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import selection, steady
from .log_journal import LogJournal
from .log_pages import LogPage, usable
from .policies import Policy
from .workloads import ABSENT, FULL, POINTER

PLENTY = 10**15  # tokens, where no budget is known


@dataclass
class Turn:
    """One turn of one side: what its prompt was, and what was seen in it."""

    turn: int
    policy: str
    budget: int | None
    page_budget: int | None
    standing: dict[str, int]
    tokens_used: int
    resident_tokens: int
    required_tokens: int
    floor_tokens: int
    unmet: list[str]
    changes: list[tuple[str, int, str]]
    prefix_tokens: int | None
    faults: list[tuple[str, str | None, str, bool]] = field(default_factory=list)
    alerts: list[tuple[str, bool]] = field(default_factory=list)
    refreshes: list[str | None] = field(default_factory=list)
    page_ins: list[tuple[str, int, int, int, bool]] = field(default_factory=list)
    hits: list[tuple[str, int, bool]] = field(default_factory=list)
    journal: list[tuple[str | None, str, str, str | None]] = field(default_factory=list)

    @property
    def insufficient_by(self) -> int:
        return max(0, self.required_tokens - (PLENTY if self.page_budget is None else self.page_budget))


@dataclass
class Demand:
    """One demand that is judged. `caused`: by the drop (a shadow's only)."""

    page: LogPage
    level: int
    exact: bool
    declared: bool = False
    caused: bool = False
    told: bool = False  # and not judged
    cost: int = 0


@dataclass
class Side:
    """`standing`: fidelity of the pages in the last prompt, of those that were in the table then."""

    name: str
    policy: Policy
    next_policy: Policy | None = None  # changed since: "holds from the next prompt"
    observed: bool = False  # nothing is selected: residency is what the record shows
    resolves: bool = False
    standing: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)  # observed: what the next prompt will show
    texts: dict[str, int] = field(default_factory=dict)  # of the pages of the last prompt
    stale: dict[str, int] = field(default_factory=dict)  # observed: tokens of older copies by page
    journal: LogJournal = field(default_factory=LogJournal)
    at_risk: set[str] = field(default_factory=set)  # dirty at a compaction or prune that wrote nothing back
    missed: list[str] = field(default_factory=list)  # lost since the last prompt
    recency: dict[str, float] = field(default_factory=dict)
    demanded_before: dict[str, int] = field(default_factory=dict)
    demands: list[Demand] = field(default_factory=list)
    turn: Turn | None = None
    turns: list[Turn] = field(default_factory=list)

    # --- what can be seen in the prompt

    def outcome(self, page: LogPage, level: int) -> str:
        has = self.standing.get(page.page_id, ABSENT)
        if has >= level:
            return "hit"
        return "page_in" if has > ABSENT and self.resolves and page.resolvable else "refetch"

    def there(self, page: LogPage) -> bool:
        """Whether a repeated call had its result: above pointer, or resident and resolvable."""
        has = self.standing.get(page.page_id, ABSENT)
        return has > POINTER or (has > ABSENT and self.resolves and page.resolvable)

    def class_of(self, tokens: int) -> str:
        assert self.turn is not None
        budget = PLENTY if self.turn.page_budget is None else self.turn.page_budget
        return "insufficient" if tokens > budget else "policy"

    def by_required(self) -> str:
        assert self.turn is not None
        return self.class_of(self.turn.required_tokens)

    def by_floor(self) -> str:
        assert self.turn is not None
        return self.class_of(self.turn.floor_tokens)

    # --- the end of a turn

    def close(self) -> None:
        """Judges the turn's demands, moves recency, and keeps the turn."""
        if self.turn is None:
            return
        demanded: dict[str, int] = {}
        for page_id in dict.fromkeys(demand.page.page_id for demand in self.demands):
            mine = [demand for demand in self.demands if demand.page.page_id == page_id]
            self.judge_page([demand for demand in mine if not demand.told])
            for demand in mine:
                if not demand.caused:
                    demanded[page_id] = max(demand.level, demanded.get(page_id, ABSENT))
        for page_id, value in self.recency.items():
            value = value * 0.88
            self.recency[page_id] = 0.0 if value < 0.0001 else value
        for page_id in demanded:
            self.recency[page_id] = self.recency.get(page_id, 0.0) + 1
        self.demanded_before = demanded
        self.turns.append(self.turn)
        self.turn, self.demands = None, []

    def judge_page(self, demands: list[Demand]) -> None:
        """Of several demands for a page the highest counts, once; a guess beside an exact fact only
        where it is worse.
        """
        exact = [demand for demand in demands if demand.exact]
        guessed = [demand for demand in demands if not demand.exact]
        declared = any(demand.declared for demand in demands)
        worst = ("hit", "page_in", "refetch")
        if exact:
            top = highest(exact)
            self.count(top, declared)
            if guessed:
                guess = highest(guessed)
                if worst.index(self.outcome(guess.page, guess.level)) > worst.index(
                    self.outcome(top.page, top.level)
                ):
                    self.count(guess, declared)
        elif guessed:
            self.count(highest(guessed), declared)

    def count(self, demand: Demand, declared: bool) -> None:
        assert self.turn is not None
        page, level = demand.page, demand.level
        found = self.outcome(page, level)
        if found == "refetch":
            judged = self.by_required() if declared else self.by_floor()
            self.turn.faults.append(("refetch", page.page_id, judged, demand.exact))
            return
        if found == "page_in":
            self.turn.page_ins.append(
                (page.page_id, self.standing[page.page_id], level, demand.cost, demand.exact)
            )
        if not demand.caused:
            self.turn.hits.append((page.page_id, level, demand.exact))


def highest(demands: list[Demand]) -> Demand:
    """The highest; of equals one that is not caused by the drop, and of those the first."""
    return max(demands, key=lambda demand: (demand.level, not demand.caused))


@dataclass
class Asked:
    """What the next prompt is asked for: page id to level, and why (demanded, restored, arrived)."""

    raw: dict[str, int] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)

    def add(self, page: LogPage, level: int, why: str) -> None:
        """The higher one gives the reason; of equals the first that was added."""
        if level > self.raw.get(page.page_id, -1):
            self.raw[page.page_id] = level
            self.levels[page.page_id] = max(level, page.minimum)
            self.why[page.page_id] = why


def choose(
    side: Side,
    pages: list[LogPage],
    budget: int | None,
    asked: Asked,
    after_loss: bool,
    arrivals: set[str],
    future: dict[str, int],
) -> tuple[selection.Selection, int, int]:
    """The selection of a side that selects, its required tokens and its floor tokens."""
    views = [usable(page) for page in pages]
    room = PLENTY if budget is None else max(0, budget)
    if side.policy.steady:
        for page_id in arrivals:
            side.recency[page_id] = side.recency.get(page_id, 0.0) + 1
    for view in views:
        view.recency = side.recency.get(view.page_id, 0.0)
    if side.policy.steady:
        chosen = steady.select(
            views, side.policy, room, asked.levels, after_loss, side.standing, side.demanded_before, arrivals
        )
    else:
        chosen = selection.select(views, side.policy, room, asked.levels, after_loss, future)
    for page_id, why in chosen.reason.items():
        if why == "demanded":
            chosen.reason[page_id] = asked.why[page_id]
    needed = selection.required_levels(views, asked.levels, after_loss, auto_pins=True)
    return chosen, selection.required_tokens(views, needed), selection.floor_tokens(views, needed)


__all__ = ["FULL", "Asked", "Demand", "Side", "Turn", "choose"]
