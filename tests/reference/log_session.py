"""What a log says so far: the session, its settings, pages and sides; and how a page gets new text."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import policies
from .log_acts import Act
from .log_pages import LogPage
from .log_sides import FULL, Side
from .policies import Policy
from .workloads import ABSENT


class Refused(Exception):
    """The event cannot be applied."""


@dataclass
class Session:
    """What the log says so far."""

    mode: str = ""
    budget: int | None = None
    shadow_budget: int | None = None
    window: int | None = None
    reserve: int = 0
    grants: list[str] = field(default_factory=lambda: ["session", "project"])
    declared_policies: dict[str, Policy] = field(default_factory=dict)
    pages: dict[str, LogPage] = field(default_factory=dict)
    sides: list[Side] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)  # declared for the next prompt
    arrivals: set[str] = field(default_factory=set)
    fresh: set[str] = field(
        default_factory=set
    )  # pages that got new text since the prompt, whatever became of them
    coming: set[str] = field(default_factory=set)  # arrivals that no boundary dropped before they were sent
    after_loss: bool = False
    unseen: int = 0
    signatures: set[str] = field(default_factory=set)
    results: dict[str, str] = field(default_factory=dict)  # signature to its latest known result page
    calls: dict[str, str] = field(default_factory=dict)  # call id to signature
    duplicates: set[tuple[str, str]] = field(default_factory=set)  # side and page of this turn
    project_version: dict[str, int] = field(default_factory=dict)
    acts: dict[int, Act] = field(default_factory=dict)
    requests: set[str] = field(default_factory=set)
    boundaries: list[str] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    ended: bool = False

    def side(self, name: str) -> Side | None:
        return next((side for side in self.sides if side.name == name), None)

    def live(self) -> list[LogPage]:
        return [page for page in self.pages.values() if not page.gone]

    def page(self, page_id: str) -> LogPage:
        if page_id not in self.pages:
            raise Refused(f"no page {page_id}")
        return self.pages[page_id]

    def pin_budget(self) -> int | None:
        """Reading: what the pages of the side that selects have now; no limit where no side selects."""
        return None if self.sides[-1].observed else page_budget(self, self.sides[-1], 0)

    def mark_dirty(self, page_id: str) -> None:
        for side in self.sides:
            side.journal.dirty.add(page_id)

    def restore_version(self, page: LogPage, version: int, seq: int) -> None:
        """Through the journal: an update that is staged like any other, and valid."""
        for side in self.sides:
            side.journal.stage(
                {"update_id": f"restore:{seq}:{page.page_id}", "page_id": page.page_id, "restore": True}
            )
        self.mark_dirty(page.page_id)
        tokens, text = self.sides[0].journal.kept[page.page_id, version]
        new_text(self, page, dict(tokens), text)

    def policy(self, name: str) -> Policy:
        if name in self.declared_policies:
            return self.declared_policies[name]
        if name not in policies.TABLE:
            raise Refused(f"no policy {name}")
        return policies.TABLE[name]


def page_budget(session: Session, side: Side, fixed: int) -> int | None:
    """Reading: a set budget is what pages have, else what the window leaves; of a session that is only read
    the shadow has what
    the window leaves (the budget, where no window is known)."""
    if session.mode == "enforced":
        if session.budget is not None:
            return session.budget
        return None if session.window is None else max(0, session.window - session.reserve - fixed)
    if side.name == "shadow" and session.shadow_budget is not None:
        return session.shadow_budget
    if session.window is None:
        return session.budget
    return max(0, session.window - session.unseen - session.reserve)


def new_text(session: Session, page: LogPage, tokens: dict[int, int], text: int) -> None:
    """`text`: the seq of the event that brought it."""
    leave_copy(session, page)
    page.tokens, page.text = tokens, text
    arrive(session, page.page_id)


def arrive(session: Session, page_id: str) -> None:
    session.arrivals.add(page_id)
    session.coming.add(page_id)
    session.fresh.add(page_id)


def leave_copy(session: Session, page: LogPage) -> None:
    """In an observed prompt the copy that stood there stays, as a stale one; so does one that is on its
    way.
    """
    for side in session.sides:
        if not side.observed:
            continue
        level = FULL if page.page_id in session.coming else side.held.get(page.page_id, ABSENT)
        side.held.pop(page.page_id, None)
        side.stale[page.page_id] = side.stale.get(page.page_id, 0) + page.cost(level)
