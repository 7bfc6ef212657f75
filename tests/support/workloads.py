"""Workloads by the format of ``replay.md``, made from a seed: the four families, and anything at all.

The authors' files are not available; these follow their descriptions. A family comes in two variants. As
published, the harness *declares* before each prompt what it will need, and a selector that installs what is
declared cannot miss it: some zeros hold by construction. In the *observed* variant the same needs show only
in the answer, after the selection: the harder test.

Sizes: ``pages`` and ``turns`` as given, token counts at ``scale`` 1 as small as the published budgets
(120–500) want them; at 10 a result is some hundreds of tokens and a pointer some sixteen, as in real ones.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Workload = dict[str, Any]
BUDGETS = (120, 180, 240, 300, 380, 500)  # tokens, as published
PUBLISHED = ("retrieval", "retrieval_cached", "compaction_hybrid", "lru", "clawvm", "oracle")


class Story:
    """A workload in the making, turn after turn."""

    def __init__(
        self,
        workload_id: str,
        seed: int,
        *,
        observed: bool = False,
        scale: int = 1,
        multi_session: bool = False,
    ) -> None:
        self.random = random.Random(f"{workload_id}:{seed}")
        self.workload: Workload = {
            "workload_id": workload_id,
            "multi_session": multi_session,
            "pages": [],
            "turns": [],
        }
        self.observed, self.scale = observed, scale
        self.writes = 0

    @property
    def now(self) -> int:
        """The turn in hand, from 0; before the first one 0 too."""
        return max(0, len(self.workload["turns"]) - 1)

    def page(self, page_id: str, page_type: str, tokens: dict[str, int], **fields: Any) -> str:
        """A page that enters the table with the turn in hand, or with ``created``."""
        ref = {"kind": "file", "ref": f"{page_id}.md"}
        page = {
            "page_id": page_id,
            "type": page_type,
            "tokens": tokens,
            "provenance": ref,
            "created": self.now,
        }
        self.workload["pages"].append({**page, **fields})
        return page_id

    def rule(self, page_id: str, page_type: str, structured: int, full: int, **fields: Any) -> str:
        """A bootstrap or constraint page, pinned hard by its type."""
        tokens = {"structured": structured * min(self.scale, 4), "full": full * min(self.scale, 4)}
        return self.page(page_id, page_type, tokens, **{"base_utility": 8.0, "recompute_cost": 2.0, **fields})

    def result(self, page_id: str, page_type: str = "evidence", **fields: Any) -> str:
        """A page with all four forms, its sizes drawn."""
        draw = self.random
        full = draw.randint(40, 90) * self.scale
        tokens = {
            "pointer": draw.randint(3, 5) * min(self.scale, 4),
            "structured": full // 4,
            "compressed": full // 2,
            "full": full,
        }
        worth = {"base_utility": round(draw.uniform(1, 5), 1), "recompute_cost": round(draw.uniform(1, 8), 1)}
        return self.page(page_id, page_type, tokens, **{**worth, **fields})

    def plan(self, page_id: str, **fields: Any) -> str:
        tokens = {"pointer": 3 * min(self.scale, 4), "structured": 10 * self.scale, "full": 24 * self.scale}
        return self.page(page_id, "plan", tokens, **{"base_utility": 6.0, "recompute_cost": 5.0, **fields})

    def turn(self, *lifecycle: str) -> None:
        """Begin the next turn."""
        turn = {"lifecycle": list(lifecycle), "dirty": [], "writes": [], "demands": [], "observed": []}
        self.workload["turns"].append({**turn, "tool_calls": [], "recalls": []})

    def _add(self, key: str, entry: Any) -> None:
        self.workload["turns"][-1][key].append(entry)

    def need(self, page_id: str, fidelity: str) -> None:
        """Declared, or observed in that variant."""
        self._add("observed" if self.observed else "demands", {"page_id": page_id, "fidelity": fidelity})

    def show(self, page_id: str, fidelity: str) -> None:
        """Observed in either variant."""
        self._add("observed", {"page_id": page_id, "fidelity": fidelity})

    def call(self, signature: str, result: str | None = None, **fields: Any) -> None:
        self._add("tool_calls", {"signature": signature, "result": result, **fields})

    def dirty(self, page_id: str) -> None:
        if page_id not in self.workload["turns"][-1]["dirty"]:
            self._add("dirty", page_id)

    def write(self, page_id: str, field: str, value: Any, scope: str = "session", **fields: Any) -> None:
        """A typed update; ``merge``, so that it does not matter which updates a policy lost before."""
        self.writes += 1
        update = {
            "update_id": f"u{self.writes}",
            "page_id": page_id,
            "field": field,
            "op": "merge",
            "value": value,
        }
        self._add("writes", {**update, "scope": scope, "evidence_ref": page_id, "base_version": 0, **fields})

    def recall(self, query: str, found: int = 0, reason: str | None = None) -> None:
        self._add("recalls", {"query": query, "found": found, "reason": reason})

    def again(self, pages: list[str]) -> None:
        """An old result is wanted once more: its handle is asked for, and the call that made it repeated."""
        page_id = self.random.choice(pages)
        self.need(page_id, "pointer")
        self.call(f"read:{page_id}", page_id)

    def rules_in(self, *page_ids: str) -> None:
        """The harness asks for its rules, as it does in most turns."""
        for page_id in page_ids:
            self.need(page_id, "structured")


def _arrivals(count: int, turns: int) -> list[int]:
    """How many of ``count`` pages arrive with each turn, evenly."""
    return [(t + 1) * count // turns - t * count // turns for t in range(turns)]


def coding(
    seed: int = 0, *, pages: int = 16, turns: int = 40, observed: bool = False, scale: int = 1
) -> Workload:
    """A long coding session: files are read as results, worked on, left, and read again; tests are run; the
    plan moves. Every twelfth turn flushes and compacts, and the harness then forgets its rules for once.
    """
    story = Story("coding", seed, observed=observed, scale=scale)
    rules = [story.rule("system", "bootstrap", 14, 30), story.rule("rule-1", "constraint", 8, 20)]
    rules.append(story.rule("rule-2", "constraint", 7, 18, base_utility=7.0))
    plan, files = story.plan("plan"), [story.result("file-0")]
    story.result("style", "preference")
    for t, arriving in enumerate(_arrivals(pages - 6, turns)):
        after = t % 12 == 11
        story.turn(*(("flush", "compaction") if after else ("prune",) if t % 12 == 5 else ()))
        fresh = [story.result(f"file-{len(files) + n}") for n in range(arriving)]
        files += fresh
        if not after:
            story.rules_in(*rules)
        story.need(plan, "structured")
        story.need(files[-1], "full" if fresh else "compressed")
        if t > 2:
            story.again(files[:-1] or files)
            story.again(files)
        if t % 3 == 2:
            story.call("test:all", kind="volatile")
        if t % 4 == 3:
            story.dirty(plan)
    return story.workload


def research(
    seed: int = 0, *, pages: int = 16, turns: int = 40, observed: bool = False, scale: int = 1
) -> Workload:
    """Evidence churns: sources come in, the newest are read whole, older ones quoted and looked up again.
    Every tenth turn compacts without a flush of its own; some recalls find nothing.
    """
    story = Story("research", seed, observed=observed, scale=scale)
    rules = [story.rule("system", "bootstrap", 12, 28), story.rule("cite", "constraint", 8, 16)]
    sources, notes = [story.result("source-0")], story.result("notes", "conversation")
    for t, arriving in enumerate(_arrivals(pages - 4, turns)):
        after = t % 10 == 9
        story.turn(*(("compaction",) if after else ()))
        sources += [story.result(f"source-{len(sources) + n}") for n in range(arriving)]
        if not after:
            story.rules_in(*rules)
        story.need(sources[-1], "full")
        if len(sources) > 1:
            story.need(sources[-2], "structured")
            story.again(sources[:-1])
            story.again(sources[:-1])
        if t % 7 == 6:
            story.recall(f"topic {t}")
        if t % 5 == 4:
            story.dirty(notes)
    return story.workload


def planning(
    seed: int = 0, *, pages: int = 16, turns: int = 40, observed: bool = False, scale: int = 1
) -> Workload:
    """A plan with partial plans, worked off step by step; every thirteenth turn resets the session, often
    with steps that are not written back yet, and the plan is then wanted whole.
    """
    story = Story("planning", seed, observed=observed, scale=scale)
    rules = [story.rule("system", "bootstrap", 12, 26), story.rule("limits", "constraint", 9, 18)]
    plans = [story.plan("plan")]
    facts = [story.result("fact-0")]
    story.result("manner", "preference")
    for t, arriving in enumerate(_arrivals(pages - 5, turns)):
        reset = t % 13 == 12
        story.turn(*(("reset",) if reset else ()))
        for _ in range(arriving):
            if len(plans) * 3 < len(facts):
                plans.append(story.plan(f"plan-{len(plans)}", base_utility=3.0))
            else:
                facts.append(story.result(f"fact-{len(facts)}"))
        if not reset:
            story.rules_in(*rules)
        story.need(plans[0], "full" if t % 13 == 0 else "structured")
        story.need(story.random.choice(plans), "pointer")
        if t > 1:
            story.again(facts)
            story.again(facts)
        if t % 2:
            story.write(plans[0], "step", t)
        elif t % 13 == 11:
            story.dirty(plans[-1])
    return story.workload


def project(
    seed: int = 0, *, pages: int = 16, turns: int = 40, observed: bool = False, scale: int = 1
) -> Workload:
    """Several sessions of one project, ten turns each, one after the other: its rule, its preference and its
    records are project pages; what a session notes is its own and ends with it. Every other end flushes.
    """
    story = Story("project", seed, observed=observed, scale=scale, multi_session=True)
    rules = [story.rule("system", "bootstrap", 12, 26)]
    rules.append(story.rule("charter", "constraint", 9, 20, scope="project"))
    plan, taste = story.plan("plan"), story.result("taste", "preference", scope="project")
    records = [story.result("record-0", scope="project")]
    for t, arriving in enumerate(_arrivals(pages - 5, turns)):
        begins = t > 0 and t % 10 == 0
        story.turn(*(("flush", "reset") if t % 20 == 10 else ("reset",) if begins else ()))
        records += [story.result(f"record-{len(records) + n}", scope="project") for n in range(arriving)]
        if not begins:
            story.rules_in(*rules)
        story.need(records[-1], "compressed")
        story.need(plan, "structured")
        story.again(records)
        if t > 2:
            story.again(records[:-1] or records)
        if t % 10 == 8:
            story.write(taste, "tone", f"t{t}", scope="project")
        if t % 10 == 9 or begins:
            story.dirty(plan)
    return story.workload


FAMILIES: dict[str, Callable[..., Workload]] = {
    "coding": coding,
    "research": research,
    "planning": planning,
    "project": project,
}

_PATHS = {
    "bootstrap": ("structured", "full"),
    "constraint": ("structured", "full"),
    "plan": ("pointer", "structured", "full"),
    "preference": ("pointer", "structured", "compressed", "full"),
    "evidence": ("pointer", "structured", "compressed", "full"),
    "conversation": ("pointer", "structured", "compressed", "full"),
}


def anything(seed: int, *, pages: int = 6, turns: int = 4, pinned_rules: bool = True) -> Workload:
    """No family at all: any types, sizes, pins, minima and missing forms; demands declared and observed.

    ``pinned_rules``: every bootstrap and constraint page is pinned hard, as by default; else some are not.
    """
    story = Story("anything", seed)
    draw = story.random
    for n in range(pages):
        page_type = draw.choice(sorted(_PATHS))
        path = _PATHS[page_type]
        counts = sorted(draw.sample(range(1, 60), len(path)))
        tokens = dict(zip(path, counts, strict=True))
        for label in path[:-1]:
            if draw.random() < 0.2:
                del tokens[label]
        fields: dict[str, Any] = {"created": 0 if n < 3 else draw.randrange(turns)}
        if draw.random() < 0.3:
            fields["min_fidelity"] = draw.choice(path)
        if draw.random() < 0.4 and not (pinned_rules and page_type in ("bootstrap", "constraint")):
            fields["pin"] = draw.choice(["none", "soft", "hard"])
        fields["base_utility"] = draw.choice([0, 1, 1, round(draw.uniform(0, 9), 2)])
        fields["recompute_cost"] = draw.choice([0, 1, 1, round(draw.uniform(0, 9), 2)])
        story.page(f"p{n}", page_type, tokens, **fields)
    made = story.workload["pages"]
    for t in range(turns):
        boundary = draw.choice(["compaction", "reset", "flush", "prune"]) if draw.random() < 0.3 else None
        story.turn(*([boundary] if boundary else []))
        here = [page for page in made if page["created"] <= t]
        for key in ("demands", "observed"):
            for page in draw.sample(here, min(len(here), draw.randrange(3))):
                story._add(key, {"page_id": page["page_id"], "fidelity": draw.choice(_PATHS[page["type"]])})
        if draw.random() < 0.3:
            story.dirty(draw.choice(here)["page_id"])
        for page in draw.sample(here, min(len(here), draw.randrange(3))):
            story.call(f"read:{page['page_id']}", page["page_id"], refresh=draw.random() < 0.2)
    return story.workload
