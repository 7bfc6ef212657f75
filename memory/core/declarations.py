"""What a session's log declares beside its pages: policies, write rules, validators, and lineage."""

from __future__ import annotations

from typing import Any, Final

from memory.core import codec
from memory.core.events import SessionStarted, WriteRule
from memory.core.policies import Policy, find_policy

MAX_LINKS: Final = 10_000  # of one session
MAX_PAGE_LINKS: Final = 100  # of one page
Link = tuple[str, str]  # session, relation


class Declarations:
    """Kept in the state and its snapshot. ``links``: table order → where the page came from or went to."""

    __slots__ = ("link_count", "links", "policies", "validators", "write_rules")

    def __init__(self) -> None:
        self.policies: dict[str, Policy] = {}
        self.write_rules: tuple[WriteRule, ...] = ()
        self.validators: tuple[str, ...] = ()
        self.links: dict[int, tuple[Link, ...]] = {}
        self.link_count = 0

    @classmethod
    def of(cls, body: SessionStarted) -> Declarations:
        found = cls()
        found.policies = {policy.name: policy for policy in body.policies}
        found.write_rules, found.validators = body.write_rules, body.validators
        return found

    def policy(self, name: str) -> Policy | None:
        """The policy of that name: built in, else declared."""
        return find_policy(name) or self.policies.get(name)

    def link(self, order: int, link: Link) -> None:
        self.links[order] = (*self.links.get(order, ()), link)
        self.link_count += 1

    def copy(self) -> Declarations:
        other = Declarations()
        other.policies, other.links = dict(self.policies), dict(self.links)
        other.write_rules, other.validators = self.write_rules, self.validators
        other.link_count = self.link_count
        return other

    def to_json(self) -> dict[str, Any]:
        return {
            "policies": [policy.to_json() for policy in self.policies.values()],
            "write_rules": codec.plain(self.write_rules),
            "validators": list(self.validators),
            "links": [[order, *map(list, links)] for order, links in self.links.items()],
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Declarations:
        found = cls()
        found.policies = {data["name"]: Policy(**data) for data in row["policies"]}
        found.write_rules = codec.write_rules_from_json(row["write_rules"])
        found.validators = tuple(row["validators"])
        found.links = {
            order: tuple((session, relation) for session, relation in links) for order, *links in row["links"]
        }
        found.link_count = sum(len(links) for links in found.links.values())
        return found
