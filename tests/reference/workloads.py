"""Pages and turns of a workload file, with every default filled in. The workload is taken to be valid."""

from __future__ import annotations

from dataclasses import dataclass

ORDER = ("absent", "pointer", "structured", "compressed", "full")
ABSENT, POINTER, FULL = 0, 1, 4

PATHS = {
    "bootstrap": ("structured", "full"),
    "constraint": ("structured", "full"),
    "plan": ("pointer", "structured", "full"),
    "preference": ("pointer", "structured", "compressed", "full"),
    "evidence": ("pointer", "structured", "compressed", "full"),
    "conversation": ("pointer", "structured", "compressed", "full"),
}
DEFAULT_PIN = {"bootstrap": "hard", "constraint": "hard", "plan": "soft"}
PIN_RANK = {"hard": 2, "soft": 1, "none": 0}


def rank(fidelity: str) -> int:
    return ORDER.index(fidelity)


@dataclass
class Page:
    """One page of the table. `tokens`: fidelity (as a rank) to tokens; `place`: its place in the table."""

    page_id: str
    type: str
    scope: str
    pin: str
    minimum: int
    tokens: dict[int, int]
    base_utility: float
    recompute_cost: float
    created: int
    place: int = -1
    recency: float = 0.0
    version: int = 0
    dirty: bool = False

    def serving(self, wanted: int) -> int:
        """The fidelity that stands for `wanted`: itself, or the next higher one that the page has."""
        return min(fidelity for fidelity in self.tokens if fidelity >= wanted)

    def cost(self, fidelity: int) -> int:
        """Tokens of what stands at this fidelity."""
        return 0 if fidelity == ABSENT else self.tokens[self.serving(fidelity)]

    def lowest(self) -> int:
        return min(self.tokens)

    def next_up(self, fidelity: int) -> int | None:
        """The page's next higher representation."""
        return min((other for other in self.tokens if other > fidelity), default=None)

    def ends_in_pointer(self) -> bool:
        return PATHS[self.type][0] == "pointer"

    def must_survive(self) -> bool:
        """Bootstrap and constraint pages: there in the first prompt after a compaction or reset."""
        return self.type in ("bootstrap", "constraint")


def read_page(raw: dict) -> Page:
    default_minimum = PATHS[raw["type"]][0]
    return Page(
        page_id=raw["page_id"],
        type=raw["type"],
        scope=raw.get("scope", "session"),
        pin=raw.get("pin", DEFAULT_PIN.get(raw["type"], "none")),
        minimum=rank(raw.get("min_fidelity", default_minimum)),
        tokens={rank(fidelity): tokens for fidelity, tokens in raw["tokens"].items()},
        base_utility=float(raw.get("base_utility", 0)),
        recompute_cost=float(raw.get("recompute_cost", 0)),
        created=raw.get("created", 0),
    )


def table_of(workload: dict) -> list[Page]:
    """All pages in table order: order of creation, then of the file."""
    pages = sorted((read_page(raw) for raw in workload["pages"]), key=lambda page: page.created)
    for place, page in enumerate(pages):
        page.place = place
    return pages


def boundaries_of(turn: dict) -> list[str]:
    kinds = turn.get("lifecycle", [])
    return [kinds] if isinstance(kinds, str) else list(kinds or [])


def demands_of(turn: dict, which: str) -> list[tuple[str, int]]:
    """`which`: demands (declared) or observed."""
    return [(demand["page_id"], rank(demand["fidelity"])) for demand in turn.get(which, [])]
