"""Workloads with a known end: the published stress cases, the six lifecycle gates, and thirty small tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.workloads import Story, Workload


def starvation(turns: int = 5) -> Workload:
    """A rule whose minimum is 60 tokens; at the published budget of 40 it can never stand."""
    story = Story("starvation", 0)
    story.rule("rule", "constraint", 60, 90)
    story.result("other")
    for _ in range(turns):
        story.turn()
    return story.workload


def churn(turns: int = 50) -> Workload:
    """A fresh result every turn. The answer uses the latest whole and asks again for up to five before it."""
    story = Story("churn", 0)
    story.rule("system", "bootstrap", 12, 26)
    pages: list[str] = []
    for t in range(turns):
        story.turn()
        story.need("system", "structured")
        pages.append(story.result(f"fresh-{t}"))
        story.call(f"read:fresh-{t}", f"fresh-{t}")
        for page_id in pages[-6:]:
            story.show(page_id, "full")
    return story.workload


def cascade(turns: int = 30) -> Workload:
    """Nine resets in thirty turns; seven of them find the plan dirty, two find it just flushed."""
    story = Story("cascade", 0)
    story.rule("system", "bootstrap", 12, 26)
    plan = story.plan("plan")
    for t in range(turns):
        reset = t % 3 == 2 and t < 27
        story.turn(*(("flush", "reset") if reset and t in (8, 17) else ("reset",) if reset else ()))
        story.need("system", "structured")
        story.need(plan, "structured")
        story.dirty(plan)
    return story.workload


# --- the six lifecycle gates ---


def post_compaction_bootstrap() -> Workload:
    """A compaction, and a page so dear that a policy without pins lets the rules go for it."""
    story = Story("post-compaction-bootstrap", 0)
    story.rule("agents", "bootstrap", 20, 60, base_utility=0.0)
    story.page("filler", "evidence", {"full": 85}, base_utility=1000.0)
    story.turn()
    story.need("agents", "structured")
    story.turn("compaction")
    story.turn()
    story.need("agents", "structured")
    return story.workload


def reset_with_dirty_pages() -> Workload:
    """A reset while the plan holds what stands nowhere else."""
    story = Story("reset-with-dirty-pages", 0)
    plan = story.plan("plan")
    story.turn()
    story.need(plan, "full")
    story.turn("reset")
    story.dirty(plan)
    return story.workload


def threshold_jump() -> Workload:
    """One turn jumps past the compaction threshold: flush and compaction fall together, the flush first."""
    story = Story("threshold-jump", 0)
    plan = story.plan("plan")
    story.turn()
    story.page("jump", "evidence", {"pointer": 4, "full": 5000}, created=1)
    story.turn("flush", "compaction")
    story.write(plan, "step", 2)
    return story.workload


def silent_recall() -> Workload:
    """Three recalls: nothing found without a word, nothing found with a reason, and one that finds."""
    story = Story("silent-recall", 0)
    story.result("note")
    story.turn()
    story.recall("calendar")
    story.recall("mail", reason="BACKEND_ERROR")
    story.recall("note", found=1)
    return story.workload


#: Update of ``unsafe_persistence`` → why it is parked; the one not named here is committed.
UNSAFE = {
    "unfounded": "PROVENANCE_UNRESOLVED",
    "elsewhere": "SCOPE_DENIED",
    "delete": "DESTRUCTIVE_OP",
    "old": "DESTRUCTIVE_OP",
    "unpin": "POLICY_DENIED",
}


def unsafe_persistence() -> Workload:
    """One sound update between five that are unfounded, forbidden or destructive."""
    story = Story("unsafe-persistence", 0)
    story.workload["grants"] = ["session"]
    plan = story.plan("plan")
    story.rule("rule", "constraint", 10, 20)
    story.result("shared", "preference", scope="project")
    story.result("late", created=2)
    story.turn()
    story.write(plan, "step", 1, update_id="unfounded", evidence_ref="late")
    story.write("shared", "tone", "x", scope="project", update_id="elsewhere")
    story.write(plan, "step", 1, update_id="delete", op="delete")
    story.write(plan, "step", 1, update_id="old", op="set_with_version", base_version=7)
    story.write("rule", "pin", "none", update_id="unpin")
    story.write(plan, "step", 1, update_id="good")
    story.turn("flush")
    story.turn()
    return story.workload


def evidence_churn() -> Workload:
    """Fresh results push an old one out; then the call that made it is repeated."""
    story = Story("evidence-churn", 0)
    old = story.page("old", "evidence", {"pointer": 4, "full": 90})
    story.turn()
    story.call("read:old", old)
    for n in range(8):
        story.page(f"new-{n}", "evidence", {"pointer": 4, "full": 90}, base_utility=5.0, created=n + 1)
        story.turn()
        story.need(f"new-{n}", "full")
    story.call("read:old", old)
    return story.workload


# --- thirty small tasks ---


@dataclass(frozen=True)
class Task:
    """A small replay. It succeeds when no page of ``needs`` is ever in a fault, of whatever class."""

    workload: Workload
    needs: frozenset[str]

    def succeeded(self, records: list[dict[str, Any]]) -> bool:
        """``records``: the trace's, without its head."""
        return not any(fault["page_id"] in self.needs for record in records for fault in record["faults"])


def _fix(story: Story) -> set[str]:
    """Read a file, look at three others, and edit the first: its text is used again."""
    story.turn()
    file = story.result("file")
    story.call("read:file", file)
    for n in range(3):
        story.turn()
        story.need(story.result(f"other-{n}"), "compressed")
    story.turn()
    story.show(file, "full")
    return {file}


def _answer(story: Story) -> set[str]:
    """Gather six sources and answer from two of them."""
    sources = []
    for n in range(6):
        story.turn()
        sources.append(story.result(f"source-{n}"))
        story.need(sources[-1], "full")
    story.turn()
    used = story.random.sample(sources, 2)
    for page_id in used:
        story.show(page_id, "structured")
    return set(used)


def _obey(story: Story) -> set[str]:
    """Keep a rule over a compaction, while results come in."""
    rule = story.rule("rule", "constraint", 9, 20)
    for n in range(5):
        story.turn(*(("flush", "compaction") if n == 3 else ()))
        story.need(story.result(f"result-{n}"), "structured")
    return {rule}


def _resume(story: Story) -> set[str]:
    """Go on with the plan after a reset that came before its last step was written back."""
    plan = story.plan("plan")
    for n in range(4):
        story.turn(*(("reset",) if n == 3 else ()))
        story.need(plan, "structured")
        story.write(plan, "step", n)
    return {plan}


def tasks() -> list[Task]:
    """Thirty tasks of four kinds in turn, each with its own sizes; seven are of kind ``_resume``."""
    found = []
    for number in range(30):
        kind = (_fix, _answer, _obey, _resume)[number % 4]
        story = Story(f"task-{number}-{kind.__name__.strip('_')}", number)
        story.rule("system", "bootstrap", 12, 26)
        found.append(Task(story.workload, frozenset({"system", *kind(story)})))
    return found
