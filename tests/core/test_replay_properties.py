"""Any workload: the same bytes by every way through, and a trace that verifies."""

from __future__ import annotations

import hashlib
import json
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from memory.core import (
    POLICIES,
    LogError,
    Policy,
    TraceError,
    read_log,
    read_policy,
    read_workload,
    replay,
    replay_workload,
    verify_trace,
    workload_events,
    write_log,
)
from tests.reference.generate import cases, declared_policy

BUILT_IN = [policy for policy in POLICIES.values() if policy.selects]


def resealed(value: Any) -> bytes:
    """Junk with a seal that holds, as a line of a trace has it."""
    body = json.dumps(value)[:-1].encode()
    return body + b',"verify":"' + hashlib.sha256(body).hexdigest().encode() + b'"}'


def declared(rng: Random) -> Policy:
    return read_policy(declared_policy(rng))


policies = st.sampled_from(BUILT_IN) | st.randoms(use_true_random=False).map(declared)
Case = tuple[dict[str, Any], int]


@given(cases(), policies)
def test_every_way_gives_the_same_bytes(case: Case, policy: Policy) -> None:
    """From the object or its text, from the log or its lines; and nothing of it was rejected."""
    raw, budget = case
    found = replay_workload(read_workload(raw), policy, budget)
    assert replay_workload(read_workload(json.dumps(raw)), policy, budget) == found
    log = workload_events(read_workload(raw), policy, budget)
    assert read_log(write_log(log)) == log
    again = replay(log)
    assert again.trace == found.trace
    assert {"workload_id": found.metrics["workload_id"], **again.metrics} == found.metrics
    asked = replay(workload_events(read_workload(raw), POLICIES["lru"], 7), policy, budget)
    assert asked.trace == found.trace


@given(cases(), policies, st.data())
def test_a_trace_verifies_until_it_is_touched(case: Case, policy: Policy, data: st.DataObject) -> None:
    raw, budget = case
    lines = list(replay_workload(read_workload(raw), policy, budget).trace)
    assert verify_trace(lines) == len(raw["turns"])
    number = data.draw(st.integers(0, len(lines) - 1))
    line = lines[number]
    place = data.draw(st.integers(0, len(line) - 1))
    lines[number] = line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :]
    try:
        verify_trace(lines)
    except TraceError as error:
        assert error.turn == number
    else:
        raise AssertionError("a changed byte was not found")


@given(cases(), policies)
def test_metrics_hold_together(case: Case, policy: Policy) -> None:
    raw, budget = case
    found = replay_workload(read_workload(raw), policy, budget)
    metrics, turns = found.metrics, [json.loads(line) for line in found.trace[1:]]
    room = budget * policy.share_percent // 100 if raw.get("multi_session") else budget
    assert all(turn["tokens_used"] <= room for turn in turns)
    assert metrics["hits"] >= metrics["page_ins"] and metrics["page_in_tokens"] >= metrics["page_ins"]
    assert metrics["total_faults"] == sum(metrics["faults"].values())
    assert 0 <= metrics["prefix_share"] <= 1
    assert all(count for name in ("faults", "insufficient", "rejected") for count in metrics[name].values())


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NOTED = {"seq": 1, "kind": "noted", "v": 1, "actor": "harness", "body": {"what": "x"}}


@given(
    st.binary(max_size=60)
    | st.builds(
        lambda key, value: json.dumps({**NOTED, key: value}).encode(), st.sampled_from([*NOTED, "at"]), JUNK
    )
)
def test_a_line_of_a_log_is_read_or_refused(line: bytes) -> None:
    try:
        (event,) = read_log([line])
    except LogError as error:
        assert error.line == 1
    else:
        assert read_log(write_log([event])) == [event]


@given(st.lists(st.binary(max_size=40) | JUNK.map(resealed), max_size=3))
def test_what_is_no_trace_does_not_verify(lines: list[bytes]) -> None:
    try:
        verify_trace(lines)
    except TraceError as error:
        assert 0 <= error.turn <= len(lines)
    else:
        raise AssertionError("junk verified")
