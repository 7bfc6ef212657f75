"""Replay: the same bytes each time and everywhere, metrics that agree with the trace, logs run again."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from memory.core import (
    POLICIES,
    CoreError,
    Event,
    LogError,
    Policy,
    Replay,
    decode_body,
    event_log,
    read_log,
    read_workload,
    replay,
    replay_workload,
    verify_trace,
    workload_events,
    write_log,
)
from memory.core.replay import metrics_bytes
from memory.core.types import Side
from tests.core import byte_driver
from tests.core.cast import Session, of, page

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "replay"
CLAWVM, LRU = POLICIES["clawvm"], POLICIES["lru"]
UPDATE = os.environ.get("CLAWWEB_UPDATE_GOLDEN") == "1"


def golden(name: str, policy: Policy = CLAWVM, budget: int = 180) -> Replay:
    return replay_workload(read_workload((GOLDEN / f"{name}.json").read_bytes(), name), policy, budget)


def records(found: Replay) -> list[dict[str, Any]]:
    return [json.loads(line) for line in found.trace[1:]]


# --- bytes ---


@pytest.mark.parametrize(("name", "policy"), [("gates", "clawvm"), ("gates", "compaction_hybrid")])
def test_golden_trace(name: str, policy: str) -> None:
    """Byte for byte. ``CLAWWEB_UPDATE_GOLDEN=1 pytest tests/core/test_replay.py`` writes them, on purpose."""
    found = golden(name, POLICIES[policy])
    for path, raw in (
        (GOLDEN / f"{name}-{policy}.trace", found.trace_bytes()),
        (GOLDEN / f"{name}-{policy}.metrics", metrics_bytes(found.metrics)),
    ):
        if UPDATE:
            path.write_bytes(raw)
        assert raw == path.read_bytes()


def test_golden_digests() -> None:
    """Every golden input under every policy and three budgets."""
    text = "\n".join(byte_driver.lines(ROOT)) + "\n"
    if UPDATE:
        (GOLDEN / "digests").write_text(text, "ascii")
    assert text == (GOLDEN / "digests").read_text("ascii")


# --- metrics ---

NAMES = {
    "policy", "budget", "turns", "faults", "insufficient", "total_faults", "alerts", "refreshes", "page_ins",
    "page_in_tokens", "hits", "thrash", "tokens_used_mean", "committed", "rejected", "trace_sha256",
}  # fmt: skip


@pytest.mark.parametrize("name", ["gates", "churn"])
@pytest.mark.parametrize("policy", ["retrieval", "compaction_hybrid", "clawvm"])
def test_metrics_are_what_the_trace_adds_up_to(name: str, policy: str) -> None:
    found = golden(name, POLICIES[policy])
    metrics, turns = found.metrics, records(found)
    assert set(metrics) >= NAMES
    faults = [fault for turn in turns for fault in turn["faults"]]
    for name, label in (("faults", "policy"), ("insufficient", "insufficient")):
        kinds = [fault["fault"] for fault in faults if fault["class"] == label]
        assert metrics[name] == {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    assert metrics["total_faults"] == sum(metrics["faults"].values())
    for name in ("alerts", "refreshes", "page_ins"):
        assert metrics[name] == sum(len(turn[name]) for turn in turns)
    assert metrics["page_in_tokens"] == sum(row[3] for turn in turns for row in turn["page_ins"])
    assert metrics["hits"] == metrics["page_ins"] + sum(len(turn["hits"]) for turn in turns)
    assert metrics["thrash"] == (metrics["total_faults"] + metrics["alerts"]) / (metrics["hits"] + 1)
    assert metrics["tokens_used_mean"] == sum(turn["tokens_used"] for turn in turns) / len(turns)
    journal = [move for turn in turns for move in turn["journal"]]
    assert metrics["committed"] == sum(move["phase"] == "committed" for move in journal)
    reasons = [move["reason"] for move in journal if move["phase"] == "rejected"]
    assert metrics["rejected"] == {reason: reasons.count(reason) for reason in sorted(set(reasons))}
    assert metrics["turns"] == len(turns) == turns[-1]["turn"]
    assert metrics["trace_sha256"] == hashlib.sha256(found.trace_bytes()).hexdigest()
    assert metrics["budget"] == 180
    assert metrics["prefix_tokens"] == sum(turn["prefix_tokens"] for turn in turns[1:])
    assert metrics["prefix_share"] == metrics["prefix_tokens"] / sum(t["resident_tokens"] for t in turns[1:])


def test_a_workload_of_no_turns() -> None:
    found = replay_workload(read_workload({"pages": [], "turns": []}), CLAWVM, 180)
    assert (len(found.trace), found.metrics["turns"], found.metrics["tokens_used_mean"]) == (1, 0, 0.0)
    assert (verify_trace(found.trace), found.metrics["budget"]) == (0, 180)


def small(
    turns: list[dict[str, Any]], *pages: dict[str, Any], policy: str = "clawvm", **fields: Any
) -> Replay:
    made = [page(p.pop("page_id"), p.pop("type", "evidence"), **p) for p in pages]
    listed = []
    for _, body in made:
        spec = body["page"]
        tokens = {label: rep["tokens"] for label, rep in spec.pop("representations").items()}
        listed.append({**spec, "tokens": tokens})
    workload = read_workload({"pages": listed, "turns": turns, **fields})
    return replay_workload(workload, POLICIES[policy], 180)


def call(signature: str = "s", **fields: Any) -> dict[str, Any]:
    return {"tool_calls": [{"signature": signature, **fields}]}


def test_a_result_to_come_is_absent() -> None:
    """A repeat before its result's page enters the table is a duplicate of it."""
    turns = [call(result="a"), call(), call()]
    found = small(turns, {"page_id": "a", "created": 2})
    told = [[(f["fault"], f["page_id"]) for f in turn["faults"]] for turn in records(found)]
    assert told == [[], [("duplicate_tool", "a")], []]
    assert found.metrics["alerts"] == 1


def test_a_repeat_within_its_turn_counts() -> None:
    turn = {"tool_calls": [{"signature": "s", "result": "a"}, {"signature": "s"}]}
    assert small([turn], {"page_id": "a"}).metrics["alerts"] == 1


def test_the_last_known_result_is_judged() -> None:
    """A repeat without a result keeps the one before."""
    turns = [call(result="a"), call(result="b"), call(result=None), call()]
    found = small(turns, {"page_id": "a"}, {"page_id": "b", "created": 9})
    assert [len(turn["faults"]) for turn in records(found)] == [0, 0, 1, 1]


@pytest.mark.parametrize("change", [{"refresh": True}, {"kind": "volatile"}, {"kind": "write"}])
def test_a_repeat_that_may_differ_is_a_refresh(change: dict[str, Any]) -> None:
    """Whatever its result: also with none, or one that is still to come."""
    for result in (None, "a", "late"):
        found = small(
            [call(result=result), call(**change)], {"page_id": "a"}, {"page_id": "late", "created": 5}
        )
        metrics = found.metrics
        assert (metrics["refreshes"], metrics["alerts"], metrics["total_faults"]) == (1, 0, 0)


def test_declared_and_observed_demands_of_a_page_are_one() -> None:
    """Once, at the highest; a declared demand decides the class."""
    demand = {"demands": [{"page_id": "a", "fidelity": "pointer"}]}
    observed = {"observed": [{"page_id": "a", "fidelity": "full"}]}
    big = {"page_id": "a", "tokens": {"pointer": 170, "full": 200}}
    rule = {"page_id": "r", "type": "constraint", "pin": "none", "tokens": {"full": 20}}
    both = small([demand | observed], dict(big), policy="retrieval").metrics
    assert (both["faults"], both["insufficient"]) == ({"refetch": 1}, {})
    # the floor (170 + 20) is above the budget, the required set (170) is not
    with_rule = small([demand | observed], dict(big), dict(rule), policy="retrieval").metrics
    assert (with_rule["faults"], with_rule["insufficient"]) == ({"refetch": 1}, {})
    only = small([observed], dict(big), dict(rule), policy="retrieval").metrics
    assert (only["faults"], only["insufficient"]) == ({}, {"refetch": 1})
    met = small([demand | observed], {"page_id": "a"}).metrics
    assert (met["hits"], met["page_ins"]) == (1, 0)


def test_a_demand_below_the_minimum_is_raised_to_it() -> None:
    turn = {"observed": [{"page_id": "a", "fidelity": "pointer"}]}
    spec = {
        "page_id": "a",
        "min_fidelity": "structured",
        "tokens": {"pointer": 5, "structured": 150, "full": 300},
    }
    (judged,) = records(small([turn], dict(spec)))
    assert judged["hits"] == [["a", "structured", True]]


def test_flush_comes_before_compaction_in_one_turn() -> None:
    """The threshold jump: what is flushed first is not lost at the compaction of the same turn."""
    turn = {"dirty": ["a"], "lifecycle": ["flush", "compaction"]}
    spec = {"page_id": "a", "tokens": {"pointer": 5, "full": 500}}
    found = small([turn], dict(spec), policy="compaction_hybrid")
    assert (found.metrics["faults"], found.metrics["committed"]) == ({}, 1)
    lost = small([turn], dict(spec), policy="retrieval")
    assert lost.metrics["faults"] == {"flush_miss": 1}


def test_a_page_lost_at_two_boundaries_of_one_turn_is_one_miss() -> None:
    turn = {"dirty": ["a"], "lifecycle": ["compaction", "reset", "shutdown"]}
    assert small([turn], {"page_id": "a"}, policy="retrieval").metrics["faults"] == {"flush_miss": 1}


def test_a_reset_loses_session_pages_only_a_compaction_all() -> None:
    spec = {"page_id": "a", "scope": "project"}
    for kind, misses in (("reset", 0), ("compaction", 1)):
        found = small([{"dirty": ["a"], "lifecycle": kind}], dict(spec), policy="retrieval")
        assert found.metrics["faults"] == ({"flush_miss": 1} if misses else {})


# --- logs ---


def day() -> Session:
    session = Session("observed", window=500, reserve=20)
    for number in range(5):
        session.add(f"ev-{number}", tokens={"pointer": 6, "full": 90})
        session.prompt(recorded_tokens=100 * (number + 1))
        session.demand("ev-0")
    session.boundary("compaction", preserved=["ev-4"])
    session.prompt(recorded_tokens=150)
    session.demand("ev-0")
    return session


def test_a_log_as_it_is_gives_the_trace_that_the_session_had() -> None:
    session = Session(budget=180)
    session.add("a")
    session.prompt()
    session.feed("settings_changed", budget=50, policy="lru")
    session.prompt()
    session.feed("session_ended")
    live = [o.data["record"].encode() for o in of(session.outcomes, "turn")]
    found = replay(session.events)
    assert list(found.trace) == [session.state.head, *live]
    assert (found.metrics["policy"], found.metrics["budget"]) == ("lru", 50)


def test_the_last_turn_is_closed() -> None:
    session = Session(budget=180)
    session.prompt()
    assert replay(session.events).metrics["turns"] == len(replay(session.events).trace) - 1 == 1


def test_what_is_asked_wins_over_what_the_log_says() -> None:
    session = Session(budget=180, policy="retrieval")
    session.add("a")
    session.feed("settings_changed", budget=50, policy="compaction_hybrid")
    session.prompt()
    found = replay(session.events, CLAWVM, 120)
    assert (found.metrics["policy"], found.metrics["budget"]) == ("clawvm", 120)
    assert json.loads(found.trace[0])["session"]["budget"] == 120


@pytest.mark.parametrize("policy", [p for p in POLICIES.values() if p.selects], ids=lambda p: p.name)
def test_an_observed_log_gets_the_asked_policy_as_its_shadow(policy: Policy) -> None:
    found = replay(day().events, policy, 60)
    metrics = found.metrics
    assert (metrics["policy"], metrics["budget"], metrics["side"]) == (policy.name, 60, "shadow")
    assert {turn["side"] for turn in records(found)} == {"shadow"}
    assert all(turn["tokens_used"] <= 60 for turn in records(found))
    assert verify_trace(found.trace) == 6


def test_an_observed_log_without_budget_has_what_the_session_left() -> None:
    found = replay(day().events, CLAWVM)
    assert records(found)[-1]["page_budget"] == 500 - 20 - (150 - 90)


def test_a_budget_alone_needs_a_side_that_can_be_chosen_anew() -> None:
    session = Session("observed", window=500)
    session.prompt()
    with pytest.raises(CoreError, match="has no shadow: a budget needs a policy"):
        replay(session.events, budget=60)
    assert replay(session.events, CLAWVM, 60).metrics["budget"] == 60


def test_what_was_recorded_cannot_be_asked_for_anew() -> None:
    """Its trace under another policy's name, or at another budget, would be the same one."""
    for policy, budget in ((CLAWVM, None), (CLAWVM, 60)):
        with pytest.raises(CoreError, match="its primary is history"):
            replay(day().events, policy, budget, side=Side.PRIMARY)
    assert replay(day().events, side=Side.PRIMARY).metrics["policy"].startswith("observed")


def test_a_built_in_name_is_never_another_policy() -> None:
    """It would be the built-in one that runs, without a word."""
    workload = read_workload((GOLDEN / "gates.json").read_bytes())
    with pytest.raises(CoreError, match="policy 'clawvm' is built in"):
        replay_workload(workload, replace(CLAWVM, upgrades=False), 180)


def test_a_declared_policy_replaces_one_of_its_name() -> None:
    mine = Policy("mine", auto_pins=True, recency_weight=1.0)
    first = replay(day().events, mine, 100)
    assert first.metrics["policy"] == "mine"
    session = Session(budget=180, policy="mine", policies=[{"name": "mine"}])
    session.prompt()
    head = json.loads(replay(session.events, mine).trace[0])
    assert head["policies"]["primary"]["recency_weight"] == 1.0
    assert [policy["name"] for policy in head["session"]["policies"]] == ["mine"]


def test_an_enforced_log_under_another_policy_has_no_shadow() -> None:
    session = Session(budget=180, shadow_policy="lru")
    session.prompt()
    assert set(json.loads(replay(session.events).trace[0])["policies"]) == {"primary", "shadow"}
    assert set(json.loads(replay(session.events, CLAWVM).trace[0])["policies"]) == {"primary"}


def test_rejected_events_are_counted() -> None:
    session = Session(budget=180)
    session.dirty("nobody")
    session.prompt()
    assert replay(session.events, LRU).metrics["rejected_events"] == 1


@pytest.mark.parametrize("bodies", [[], [("noted", {"what": "x"})]])
def test_a_log_that_starts_no_session(bodies: list[Any]) -> None:
    events = [Event(seq, decode_body(kind, body)) for seq, (kind, body) in enumerate(bodies, 1)]
    with pytest.raises(CoreError, match="does not begin with session_started"):
        replay(events)


def test_a_start_that_the_engine_refuses() -> None:
    with pytest.raises(CoreError, match="unknown policy 'nobody'"):
        replay(Session(policy="nobody").events)


# --- the log's own form ---


def test_a_log_reads_back_as_it_was_written() -> None:
    for events in (
        day().events,
        workload_events(read_workload((GOLDEN / "gates.json").read_bytes()), LRU, 90),
    ):
        lines = list(write_log(events))
        assert read_log(lines) == events
        assert b"".join(write_log(read_log(lines))) == b"".join(lines)


START = (
    b'{"actor":"harness","body":{"harness":"h","mode":"enforced"},"kind":"session_started","seq":1,"v":1}\n'
)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"\n", "line"),
        (b"[]\n", "line"),
        (b"{\n", "line"),
        (b"\xff\n", "line"),
        (b'{"seq":2,"seq":2,"kind":"noted","body":{"what":"x"}}', "line"),
        (b'{"seq":2,"kind":"noted","body":{"what":NaN}}', "line"),
        (b'{"kind":"noted","body":{"what":"x"}}', "seq"),
        (b'{"seq":3,"kind":"noted","body":{"what":"x"}}', "seq"),
        (b'{"seq":1,"kind":"noted","body":{"what":"x"}}', "seq"),
        (b'{"seq":"2","kind":"noted","body":{"what":"x"}}', "seq"),
        (b'{"seq":2,"kind":"noticed","body":{"what":"x"}}', "kind"),
        (b'{"seq":2,"kind":"noted"}', "body"),
        (b'{"seq":2,"kind":"noted","body":[]}', "body"),
        (b'{"seq":2,"kind":"noted","body":{}}', "body.what"),
        (b'{"seq":2,"kind":"noted","body":{"what":"x","more":1}}', "body.more"),
        (b'{"seq":2,"kind":"noted","body":{"what":"x"},"v":99}', "v"),
        (b'{"seq":2,"kind":"noted","body":{"what":"x"},"v":"1"}', "v"),
        (b'{"seq":2,"kind":"noted","body":{"what":"x"},"actor":""}', "actor"),
        (b'{"seq":2,"kind":"noted","body":{"what":"x"},"at":"now"}', "at"),
        (b'{"seq":2,"kind":"demand_declared","body":{"page_id":"a","fidelity":"absent"}}', "body.fidelity"),
    ],
)
def test_a_bad_line_is_refused_by_line_and_field(line: bytes, field: str) -> None:
    with pytest.raises(LogError) as caught:
        read_log([START, line], "x.jsonl")
    assert (caught.value.line, caught.value.field) == (2, field)
    assert str(caught.value).startswith(f"x.jsonl: line 2: {field}: ")


def test_old_versions_are_migrated() -> None:
    """Version 1 of a recall took any text as its reason."""
    line = b'{"seq":2,"kind":"recall","v":1,"body":{"query":"q","reason":"nothing there"}}'
    body = read_log([START, line])[1].body
    assert json.loads(next(iter(write_log([Event(1, body)]))))["v"] == 2
    assert read_log([START, line.replace(b'"v":1,', b"")])[1].body == body  # none is the first


def test_a_log_of_too_many_events_or_too_long_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "MAX_EVENTS", 2)
    line = b'{"seq":%d,"kind":"noted","body":{"what":"x"}}'
    with pytest.raises(LogError, match="log: line 3: line: there are more than 2 events"):
        read_log([START, line % 2, line % 3])
    monkeypatch.setattr(event_log, "MAX_LINE", 50)
    with pytest.raises(LogError, match="log: line 1: line: is longer than 50 bytes"):
        read_log([START])


def test_a_workload_whose_events_do_not_all_apply_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader should let nothing pass that the engine rejects; if it ever does, that is said."""
    session = Session(budget=180)
    session.dirty("nobody")
    module = sys.modules["memory.core.replay"]  # memory.core.replay itself is the function
    monkeypatch.setattr(module, "workload_events", lambda *_: session.events)
    with pytest.raises(CoreError, match="the engine rejected an event"):
        replay_workload(read_workload({"pages": [], "turns": []}), CLAWVM, 180)


def test_the_log_of_a_workload_is_the_workload() -> None:
    """Written as a log and read again it gives the same trace."""
    workload = read_workload((GOLDEN / "gates.json").read_bytes())
    log = read_log(write_log(workload_events(workload, CLAWVM, 180)))
    assert replay(log).trace == replay_workload(workload, CLAWVM, 180).trace
    assert replay(log, LRU, 90).trace_bytes() == replay_workload(workload, LRU, 90).trace_bytes()


def test_a_replay_asks_the_plug_ins_that_the_session_had() -> None:
    session = Session(budget=180)
    session.add("plan", "plan")
    session.stage("u1", "plan")
    session.boundary("flush")
    session.prompt()
    assert replay(session.events).metrics["committed"] == 1
    found = replay(session.events, validators={"no": lambda update, page: "never"})
    assert (found.metrics["committed"], sum(found.metrics["rejected"].values())) == (0, 1)
    assert json.loads(found.trace[0])["plugins"] == ["no"]
