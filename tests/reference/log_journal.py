"""The journal of a session (docs/events.md, "The journal"): staged, judged, committed or parked, resolved."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from .log_pages import LogPage
from .writeback import OPS, lowers_the_floor, malformed


@dataclass
class LogJournal:
    """`known`: every update by its id. `verdicts`: update id to validator to allow or deny, the first of each."""

    rules: list[dict] = field(default_factory=list)
    required: list[str] = field(default_factory=list)
    staged: list[dict] = field(default_factory=list)
    parked: dict[str, str] = field(default_factory=dict)  # update id to reason
    known: dict[str, dict] = field(default_factory=dict)
    verdicts: dict[str, dict[str, str]] = field(default_factory=dict)
    moves: list[tuple[str, str, str, str | None]] = field(default_factory=list)
    implied: int = 0

    def note(self, update: dict, phase: str, reason: str | None = None) -> None:
        self.moves.append((update["update_id"], update["page_id"], phase, reason))

    def has(self, page_id: str) -> bool:
        return any(update["page_id"] == page_id for update in self.staged)

    def stage(self, update: dict) -> None:
        self.known[update["update_id"]] = update
        self.staged.append(update)
        self.note(update, "staged")

    def lose(self, page_id: str) -> None:
        for update in [update for update in self.staged if update["page_id"] == page_id]:
            self.staged.remove(update)
            self.note(update, "lost")

    def check(self, update: dict, pages: dict[str, LogPage], grants: list[str]) -> str | None:
        """The first check that fails gives the reason."""
        page = pages[update["page_id"]]
        if malformed(update):
            return "SCHEMA_INVALID"
        if update["evidence_ref"] not in pages:
            return "PROVENANCE_UNRESOLVED"
        if update["scope"] != page.scope or update["scope"] not in grants:
            return "SCOPE_DENIED"
        if update["op"] not in OPS:
            return "DESTRUCTIVE_OP"
        if update["op"] == "set_with_version" and update["base_version"] != page.version:
            return "DESTRUCTIVE_OP"
        if page.pin == "hard" and lowers_the_floor(update, page):
            return "POLICY_DENIED"
        if any(broken(rule, update, page) for rule in self.rules):
            return "POLICY_DENIED"
        heard = self.verdicts.get(update["update_id"], {})
        if "deny" in heard.values() or any(name not in heard for name in self.required):
            return "POLICY_DENIED"
        return None

    def write_back(self, pages: dict[str, LogPage], grants: list[str]) -> None:
        """All three phases: what is staged, in its order, then what is only marked dirty."""
        waiting, self.staged = self.staged, []
        has_update = {update["page_id"] for update in waiting}
        implied = [page for page in pages.values() if page.dirty and not page.gone and page.page_id not in has_update]
        for page in implied:
            self.note({"update_id": "implied:", "page_id": page.page_id}, "staged")
        for update in waiting:
            reason = None if update.get("restore") else self.check(update, pages, grants)
            self.settle(update, pages, reason)
        for page in implied:
            page.version += 1
            page.versions[page.version] = {}
            self.note({"update_id": "implied:", "page_id": page.page_id}, "committed")
        for page in pages.values():
            page.dirty = False

    def settle(self, update: dict, pages: dict[str, LogPage], reason: str | None) -> None:
        if reason is None:
            pages[update["page_id"]].version += 1
            pages[update["page_id"]].versions[pages[update["page_id"]].version] = {}
            self.note(update, "committed")
        else:
            self.parked[update["update_id"]] = reason
            self.note(update, "rejected", reason)


def broken(rule: dict, update: dict, page: LogPage) -> bool:
    """A rule binds an update that every condition fits (an empty one fits all)."""
    conditions = (
        ("types", page.type),
        ("scopes", page.scope),
        ("pages", page.page_id),
        ("fields", update["field"]),
    )
    for name, value in conditions:
        if rule.get(name) and value not in rule[name]:
            return False
    if rule.get("deny", False):
        return True
    if rule.get("ops") and update["op"] not in rule["ops"]:
        return True
    most = rule.get("max_value_bytes")
    return most is not None and len(json.dumps(update["value"], separators=(",", ":"), ensure_ascii=False).encode()) > most
