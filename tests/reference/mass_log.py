"""`python -m tests.reference.mass_log --streams 2000 [--seed N] [--recorded]`: event logs through both, as
many as asked for.

Streams are those of tests/core/strategies.py, the journal's too. `--recorded` takes the recorded
sessions beside the project as well, under six policies. The first difference is printed with its log,
made as small as is cheap; exit status 1 if there is one. What no log showed is named at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from memory.core import write_log
from tests.bench.policies import recorded_events
from tests.core.strategies import journal_streams, streams
from tests.support.outside import TRACES

from .compare_log import differences
from .log import run_log

Log = list[dict[str, Any]]
BATCH = 250
POLICIES = ("clawweb", "clawvm", "lru", "compaction_hybrid", "retrieval_cached", "retrieval")
BUDGETS = (None, 10_000, 40_000)
EVERYTHING = {
    *("refetch", "duplicate_tool", "pinned_invariant_miss", "post_compaction_bootstrap", "silent_recall"),
    *("flush_miss", "page_ins", "hits", "alerts", "refreshes", "guessed", "insufficient"),
    *("pinned", "restored", "demanded", "arrived", "prefetched", "upgraded", "unmet", "displaced", "left"),
    *("dropped", "recorded"),
}


def log_of(stream: list[tuple[Any, ...]]) -> Log:
    """Events of a drawn stream; a `session_ended` at the end closes the last turn."""
    with_actor = [one if len(one) == 3 else (*one, "harness") for one in stream]
    ended: tuple[str, dict[str, Any], str] = ("session_ended", {}, "harness")
    return [
        {"seq": place, "kind": kind, "body": not_crossing(body), "actor": actor}
        for place, (kind, body, actor) in enumerate([*with_actor, ended], 1)
    ]


def not_crossing(body: dict[str, Any]) -> dict[str, Any]:
    """Two commits to a project's page that cross are not covered."""
    return {name: value for name, value in body.items() if name != "base_version"}


def drawn(strategy: Any, count: int, number: int) -> list[Log]:
    found: list[Log] = []

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(stream: list[tuple[Any, ...]]) -> None:
        found.append(log_of(stream))

    draw()
    return found


def recorded_log(name: str, policy: str, budget: int | None) -> Log:
    """One recorded session as raw events, with the policy as its shadow."""
    raw = [json.loads(line) for line in write_log(recorded_events(name))]
    raw[0]["body"] |= {"shadow_policy": policy, "shadow_budget": budget}
    if raw[-1]["kind"] != "session_ended":
        raw.append({"seq": len(raw) + 1, "kind": "session_ended", "body": {}, "actor": "harness"})
    return raw


def logs(options: argparse.Namespace) -> Iterator[tuple[str, Log]]:
    if options.recorded:
        for path in sorted(TRACES.glob("claude-code/*.jsonl")):
            for policy in POLICIES:
                for budget in BUDGETS:
                    yield f"recorded, {policy}", recorded_log(path.name, policy, budget)
    done = 0
    while done < options.streams:
        for name, strategy in (("streams", streams(60)), ("journal", journal_streams(40))):
            for log in drawn(strategy, BATCH, options.seed * 100_000 + done):
                yield name, log
            done += BATCH


def attempt(log: Log) -> list[str]:
    """The differences; an engine that raises is one too."""
    try:
        return differences(log)
    except Exception as error:
        return [f"raised {type(error).__name__}: {error}"]


def smaller(log: Log, first: str) -> Log:
    """Events that the difference does not need become `noted` ones, so that every seq stays."""
    for place in range(len(log) - 2, 0, -1):
        without = {"seq": place + 1, "kind": "noted", "body": {"what": "left out"}, "actor": "harness"}
        shorter = [*log[:place], without, *log[place + 1 :]]
        if any(kind_of(found) == first for found in attempt(shorter)[:1]):
            log = shorter
    return log


def kind_of(difference: str) -> str:
    head = difference.split(": ")[0]
    return f"{head.split()[0]} {head.split(', ')[-1]}"


def shown(log: Log) -> set[str]:
    """What of `EVERYTHING` the log shows."""
    found: set[str] = set()
    for side in run_log(log).sides:
        for turn in side.turns:
            found |= {fault[0] for fault in turn.faults}
            found |= {"guessed" for fault in turn.faults if not fault[3]}
            found |= {"insufficient" for fault in turn.faults if fault[2] == "insufficient"}
            found |= {reason for _page, _fidelity, reason in turn.changes}
            found |= {name for name in ("page_ins", "hits", "alerts", "refreshes") if getattr(turn, name)}
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recorded", action="store_true")
    options = parser.parse_args(arguments)
    turns: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    missing = set(EVERYTHING)
    for name, log in logs(options):
        found = attempt(log)
        if found:
            log = smaller(log, kind_of(found[0]))
            print(f"DIFFERENCE in {name}")
            for line in attempt(log)[:10]:
                print("  " + line)
            for event in log:
                if event["kind"] != "noted":
                    print(json.dumps(event, ensure_ascii=True))
            return 1
        missing -= shown(log) if missing else set()
        runs[name] += 1
        turns[name] += sum(len(side.turns) for side in run_log(log).sides)
    for name, count in turns.items():
        print(f"{name:30} {runs[name]:7} logs, {count:8} turns of both sides, no difference")
    if missing:
        print(f"no log showed: {', '.join(sorted(missing))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
