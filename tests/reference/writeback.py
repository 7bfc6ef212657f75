"""Section 5: staged updates, the five checks, commits, and what a boundary destroys."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from .policies import Policy
from .workloads import ORDER, Page, rank

OPS = ("append", "merge", "set_with_version")


@dataclass
class Journal:
    """`staged`: updates that wait, in journal order. `moves`: (update id, page id, phase, reason)."""

    staged: list[dict] = field(default_factory=list)
    moves: list[tuple[str | None, str, str, str | None]] = field(default_factory=list)

    def note(self, update: dict, phase: str, reason: str | None = None) -> None:
        self.moves.append((update["update_id"], update["page_id"], phase, reason))

    def stage(self, update: dict) -> None:
        self.staged.append(update)
        self.note(update, "staged")

    def has(self, page_id: str) -> bool:
        return any(update["page_id"] == page_id for update in self.staged)

    def lose(self, page_id: str) -> None:
        for update in [update for update in self.staged if update["page_id"] == page_id]:
            self.staged.remove(update)
            self.note(update, "lost")


def implied(page: Page) -> dict:
    """The update of a page that is only marked dirty. It has no id that could be compared."""
    return {"update_id": None, "page_id": page.page_id}


def why_rejected(update: dict, table: list[Page], grants: list[str]) -> str | None:
    """The first check that fails gives the reason."""
    by_id = {page.page_id: page for page in table}
    if malformed(update):
        return "SCHEMA_INVALID"
    if update["evidence_ref"] not in by_id:
        return "PROVENANCE_UNRESOLVED"
    page = by_id[update["page_id"]]
    scope = update.get("scope", "session")
    if scope != page.scope or scope not in grants:
        return "SCOPE_DENIED"
    if update["op"] not in OPS:
        return "DESTRUCTIVE_OP"
    if update["op"] == "set_with_version" and update["base_version"] != page.version:
        return "DESTRUCTIVE_OP"
    if page.pin == "hard" and lowers_the_floor(update, page):
        return "POLICY_DENIED"
    return None


def malformed(update: dict) -> bool:
    """Sizes are docs/events.md's ("The journal"): the specification names none."""
    size = len(json.dumps(update["value"], separators=(",", ":")))
    return not 1 <= len(update["field"]) <= 200 or update["value"] is None or size > 65536


def lowers_the_floor(update: dict, page: Page) -> bool:
    """Of a hard-pinned page. A value that is no pin or no fidelity counts as lower (docs/events.md)."""
    value = update["value"]
    if update["field"] == "pin":
        return value != "hard"
    if update["field"] == "min_fidelity":
        return value not in ORDER or rank(value) < page.minimum
    return False


def writes_back_at(policy: Policy, boundary: str) -> bool:
    return policy.writes_back_at_end if boundary in ("reset", "shutdown") else policy.writes_back


def write_back(journal: Journal, table: list[Page], grants: list[str]) -> None:
    """All three phases for every dirty page."""
    by_id = {page.page_id: page for page in table}
    for page in table:
        if page.dirty and not journal.has(page.page_id):
            journal.stage(implied(page))
    waiting, journal.staged = journal.staged, []
    for update in waiting:
        reason = None if update["update_id"] is None else why_rejected(update, table, grants)
        if reason is None:
            journal.note(update, "validated")
            journal.note(update, "committed")
            by_id[update["page_id"]].version += 1
        else:
            journal.note(update, "rejected", reason)
    for page in table:
        page.dirty = False
