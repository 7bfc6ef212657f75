"""The journal of a session (docs/events.md, "The journal"): staged, judged, committed or parked, resolved."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from .log_pages import LogPage
from .writeback import OPS, lowers_the_floor, malformed


@dataclass
class LogJournal:
    """`known`: every update by its id. `verdicts`: update id to validator to allow or deny, the first of
    each.
    """

    rules: list[dict] = field(default_factory=list)
    required: list[str] = field(default_factory=list)
    staged: list[dict] = field(default_factory=list)
    parked: dict[str, str] = field(default_factory=dict)  # update id to reason
    known: dict[str, dict] = field(default_factory=dict)
    verdicts: dict[str, dict[str, str]] = field(default_factory=dict)
    moves: list[tuple[str, str, str, str | None]] = field(default_factory=list)
    waited: set[str] = field(default_factory=set)  # parked because a required validator had not spoken
    dirty: set[str] = field(default_factory=set)
    version: dict[str, int] = field(default_factory=dict)  # last committed one by page
    kept: dict[tuple[str, int], tuple[dict[int, int], int]] = field(
        default_factory=dict
    )  # what a restore returns to

    def note(self, update: dict, phase: str, reason: str | None = None) -> None:
        self.moves.append((update["update_id"], update["page_id"], phase, reason))

    def has(self, page_id: str) -> bool:
        return any(update["page_id"] == page_id for update in self.staged)

    def stage(self, update: dict) -> None:
        self.known[update["update_id"]] = update
        self.staged.append(update)
        self.note(update, "staged")

    def lose(self, page_id: str) -> None:
        self.dirty.discard(page_id)
        for update in [update for update in self.staged if update["page_id"] == page_id]:
            self.staged.remove(update)
            self.note(update, "lost")

    def check(self, update: dict, pages: dict[str, LogPage], grants: list[str]) -> str | None:
        """The first check that fails gives the reason."""
        page = pages[update["page_id"]]
        if "conflict" in update:
            return "DESTRUCTIVE_OP"
        if malformed(update):
            return "SCHEMA_INVALID"
        if update["evidence_ref"] not in pages:
            return "PROVENANCE_UNRESOLVED"
        if update["scope"] != page.scope or update["scope"] not in grants:
            return "SCOPE_DENIED"
        if update["op"] not in OPS:
            return "DESTRUCTIVE_OP"
        if update["op"] == "set_with_version" and update["base_version"] != self.version.get(page.page_id, 0):
            return "DESTRUCTIVE_OP"
        if page.pin == "hard" and lowers_the_floor(update, page):
            return "POLICY_DENIED"
        if any(broken(rule, update, page) for rule in self.rules):
            return "POLICY_DENIED"
        heard = self.verdicts.get(update["update_id"], {})
        if "deny" in heard.values():
            return "POLICY_DENIED"
        if any(name not in heard for name in self.required):
            self.waited.add(update["update_id"])
            return "POLICY_DENIED"
        return None

    def write_back(self, pages: dict[str, LogPage], grants: list[str]) -> None:
        """All three phases: what is staged, in its order, then what is only marked dirty."""
        waiting, self.staged = self.staged, []
        has_update = {update["page_id"] for update in waiting}
        implied = [page_id for page_id in pages if page_id in self.dirty and page_id not in has_update]
        for page_id in implied:
            self.note({"update_id": "implied:", "page_id": page_id}, "staged")
        for update in waiting:
            reason = None if "restore" in update else self.check(update, pages, grants)
            if reason is None:
                self.commit(update, pages)
            else:
                self.parked[update["update_id"]] = reason
                self.note(update, "rejected", reason)
        for page_id in implied:
            self.commit({"update_id": "implied:", "page_id": page_id}, pages)
        self.dirty = set()

    def commit(self, update: dict, pages: dict[str, LogPage]) -> None:
        page_id = update["page_id"]
        self.version[page_id] = self.version.get(page_id, 0) + 1
        self.kept[page_id, self.version[page_id]] = (dict(pages[page_id].tokens), pages[page_id].text)
        self.note(update, "committed")

    def judge(self, name: str, validator: str, verdict: str) -> bool:
        """False if there is nothing to judge, or the validator has spoken."""
        waits = any(update["update_id"] == name for update in self.staged)
        heard = self.verdicts.get(name, {})
        if not (waits or name in self.parked) or validator in heard:
            return False
        missing = [one for one in self.required if one not in heard]
        heard[validator] = verdict
        self.verdicts[name] = heard
        came = missing and all(one in heard for one in self.required) and "deny" not in heard.values()
        if name in self.parked and self.parked[name] == "POLICY_DENIED" and name in self.waited and came:
            del self.parked[name]
            self.waited.discard(name)
            self.stage(self.known[name])
            self.dirty.add(self.known[name]["page_id"])
        return True


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
    return (
        most is not None
        and len(json.dumps(update["value"], separators=(",", ":"), ensure_ascii=False).encode()) > most
    )
