"""What each policy costs: faults, page-ins, tokens moved, stable prefix; on generated and recorded sessions.

Generated: the four families at 300 pages and 200 turns, tokens as in real sessions, demands declared and then
observed, at budgets that are multiples of the largest floor. Recorded: the sessions beside the project, where
they are; each is converted once and replayed with the policy as its shadow. Faults are exact,
policy-controllable ones.

What moved is told apart: *first falls* (a page goes down from the form it came in at) and *again* (it is
raised, and falls after that). A policy that shows what arrives must let it fall once; *forced* is the least
of that for the forms at which this policy let pages in: what arrived, less what left, less the budget, at its
highest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from memory.core import (
    POLICIES,
    Event,
    Policy,
    Replay,
    decode_body,
    new_state,
    read_workload,
    replay,
    step,
    workload_events,
)
from tests.support import optimum
from tests.support.outside import TRACES
from tests.support.traces import Record, records
from tests.support.workloads import FAMILIES, Workload

PAGES, TURNS, SCALE = 300, 200, 10
FLOORS = (1.05, 1.5, 2.5, 5.0)  # budgets, as multiples of the largest floor
SHADOW_BUDGETS = (10_000, 20_000, 40_000, 80_000, None)  # tokens; None: what the window leaves
SHOWN = ("retrieval_cached", "compaction_hybrid", "lru", "clawvm", "clawweb", "oracle")
TOLD_APART = ("clawvm", "clawweb")
TARGET = 0.5  # of clawvm's moved tokens, at most
Log = Callable[[Policy], list[Event]]  # the events of one replay under a policy


@dataclass
class Tally:
    """Sums over replays of one policy."""

    faults: int = 0
    insufficient: int = 0
    inferred: int = 0
    page_ins: int = 0
    page_in_tokens: int = 0
    moved_tokens: int = 0
    prefix_tokens: int = 0
    resident_tokens: int = 0
    used_tokens: int = 0
    prompts: int = 0
    fitting: int = 0  # replays in which the floor fits in every prompt
    faults_there: int = 0  # policy-controllable ones in those, inferred ones too
    fitting_prompts: int = 0  # prompts in which the floor fits, of any replay
    seconds: float = 0.0
    first_falls: int = 0  # tokens
    again: int = 0
    forced: int = 0

    def tell_apart(self, log: list[Event]) -> None:
        """Split the moves of one replay, from the engine's outcomes."""
        state, here, raised = new_state(), set[str](), set[str]()
        arrived = left = forced = 0
        for event in log:
            told = step(state, event)
            side = "primary" if state.shadow is None else "shadow"
            for outcome in (o for o in told if o.side == side and o.kind in ("prompt", "residency")):
                data, page_id = outcome.data, str(outcome.page_id)
                if outcome.kind == "prompt":
                    forced = max(forced, arrived - left - (data["page_budget"] or 10**12))
                    continue
                was, now = data["tokens_from"], data["tokens_to"]
                if data["reason"] == "left":
                    left += was
                    here.discard(page_id)
                elif page_id not in here:
                    here.add(page_id)
                    arrived += now
                elif data["from"] == data["to"]:  # new text
                    arrived += now - was
                elif now < was and page_id not in raised:
                    self.first_falls += was
                else:
                    self.again += max(was, now)
                    raised.add(page_id)
        self.forced += forced

    def add(self, found: Replay, seconds: float) -> None:
        turns, metrics = records(found.trace), found.metrics
        self.seconds += seconds
        self.faults += metrics["total_faults"]
        self.insufficient += sum(metrics["insufficient"].values())
        self.inferred += sum(metrics["inferred"]["faults"].values())
        self.page_ins += metrics["page_ins"] + metrics["inferred"]["page_ins"]
        self.page_in_tokens += metrics["page_in_tokens"] + metrics["inferred"]["page_in_tokens"]
        self.moved_tokens += metrics["moved_tokens"]
        self.prompts += len(turns)
        self.used_tokens += sum(turn["tokens_used"] for turn in turns)
        self.prefix_tokens += sum(turn.get("prefix_tokens", 0) for turn in turns[1:])
        self.resident_tokens += sum(turn["resident_tokens"] for turn in turns[1:])
        fits = [fits_in(turn) for turn in turns]
        self.fitting_prompts += sum(fits)
        if all(fits):
            self.fitting += 1
            self.faults_there += sum(fault["class"] == "policy" for turn in turns for fault in turn["faults"])

    @property
    def prefix_share(self) -> float:
        return self.prefix_tokens / self.resident_tokens if self.resident_tokens else 0.0


def fits_in(turn: Record) -> bool:
    return turn["page_budget"] is None or turn["floor_tokens"] <= turn["page_budget"]


def show(title: str, tallies: dict[str, Tally]) -> None:
    """Prints one table: a row for each policy."""
    print(f"\n{title}")
    print(
        f"  {'policy':<18}{'faults':>8}{'inferred':>9}{'insuff.':>8}{'page-ins':>9}{'tokens in':>12}"
        f"{'moved':>12}{'in+moved':>12}{'prefix':>8}{'used':>10}{'s':>7}"
    )
    for name, tally in tallies.items():
        used = tally.used_tokens / max(1, tally.prompts)
        print(
            f"  {name:<18}{tally.faults:>8,}{tally.inferred:>9,}{tally.insufficient:>8,}{tally.page_ins:>9,}"
            f"{tally.page_in_tokens:>12,}{tally.moved_tokens:>12,}"
            f"{tally.page_in_tokens + tally.moved_tokens:>12,}"
            f"{tally.prefix_share:>8.1%}{used:>10,.0f}{tally.seconds:>7.1f}"
        )
    if "clawweb" in tallies:
        web, claw = tallies["clawweb"], tallies["clawvm"]
        ratio = web.moved_tokens / claw.moved_tokens if claw.moved_tokens else 0.0
        print(
            f"  clawweb moves {ratio:.2f} of clawvm's tokens (target ≤ {TARGET}); where the floor fits in"
            f" every prompt ({web.fitting} replays; {web.fitting_prompts:,} of {web.prompts:,} prompts in"
            f" all) it has {web.faults_there} policy-controllable faults (target 0)"
        )
    for name in TOLD_APART:
        if tally := tallies.get(name):
            print(
                f"  {name}: first falls {tally.first_falls:,} (forced {tally.forced:,}),"
                f" again {tally.again:,}"
            )


def tables(title: str, budgets: Sequence[str], runs: Iterable[tuple[str, Log]]) -> None:
    """Runs every replay under every policy; a table for each of ``budgets`` and one for all together."""
    names = [name for name in SHOWN if name in POLICIES]
    found = {budget: {name: Tally() for name in names} for budget in (*budgets, "all budgets")}
    for budget, log_of in runs:
        for name in names:
            log = log_of(POLICIES[name])
            begin = time.perf_counter()
            done = replay(log)
            seconds = time.perf_counter() - begin
            for tally in (found[budget][name], found["all budgets"][name]):
                tally.add(done, seconds)
                if name in TOLD_APART:
                    tally.tell_apart(log)
    for budget, tallies in found.items():
        show(f"{title}, {budget}", tallies)


# --- generated ---


def _generated(observed: bool) -> Iterable[tuple[str, Log]]:
    for make in FAMILIES.values():
        raw: Workload = make(pages=PAGES, turns=TURNS, scale=SCALE, observed=observed)
        floor = max(prompt.floor for prompt in optimum.prompts(raw, 0))
        workload = read_workload(raw)
        for times in FLOORS:
            budget = round(floor * times)
            yield f"budget {times} × floor", lambda p, w=workload, b=budget: workload_events(w, p, b)


# --- recorded ---


def recorded_events(name: str) -> list[Event]:
    """One recorded session as the events that the worker would fold."""
    from memory.complete import complete
    from memory.harness import RawRecord, get_adapter

    adapter, found = get_adapter("claude-code"), list[Event]()
    for number, line in enumerate((TRACES / "claude-code" / name).read_bytes().split(b"\n"), 1):
        for kind, body, _ in adapter.feed(RawRecord(number, line)).events:
            found.append(Event(len(found) + 1, decode_body(kind, complete(kind, body))))
    return found


def shadowed(events: list[Event], policy: Policy, budget: int | None) -> list[Event]:
    """The log of a session that was only read, with the policy as its shadow."""
    started = replace(events[0].body, shadow_policy=policy.name, shadow_budget=budget)  # type: ignore[type-var]
    return [replace(events[0], body=started), *events[1:]]


def budget_name(budget: int | None) -> str:
    return "the window" if budget is None else f"{budget:,} tokens"


def _recorded(names: Sequence[str]) -> Iterable[tuple[str, Log]]:
    for name in names:
        events = recorded_events(name)
        for budget in SHADOW_BUDGETS:
            yield budget_name(budget), lambda p, e=events, b=budget: shadowed(e, p, b)


def main() -> None:
    """Prints the tables."""
    for observed in (False, True):
        variant = "observed" if observed else "declared"
        title = f"Generated: {len(FAMILIES)} families, {PAGES} pages, {TURNS} turns, demands {variant}"
        tables(title, [f"budget {times} × floor" for times in FLOORS], _generated(observed))
    names = sorted(path.name for path in TRACES.glob("claude-code/*.jsonl"))
    if not names:
        print("\nRecorded: no recorded sessions here; skipped")
        return
    title = f"Recorded: {len(names)} sessions, the policy as shadow"
    tables(title, [budget_name(budget) for budget in SHADOW_BUDGETS], _recorded(names))
