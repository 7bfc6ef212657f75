"""One workload through `memory.core` and through this model: every turn's record, every metric, exactly."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from memory.core import POLICIES, read_policy, read_workload, replay_workload

from .model import Record, Result, run
from .workloads import ORDER

SAME_NAME = (
    "turn",
    "tokens_used",
    "required_tokens",
    "floor_tokens",
    "insufficient_by",
    "unmet",
)


def differences(workload: dict[str, Any], policy: str | dict[str, Any], budget: int) -> list[str]:
    """What the two disagree on, first turn first; empty if nothing. `policy`: a name, or declared data."""
    chosen = POLICIES[policy] if isinstance(policy, str) else read_policy(policy)
    raw = json.dumps(workload, ensure_ascii=False)
    replayed = replay_workload(read_workload(raw), chosen, budget)
    ours = run(workload, policy, budget)
    lines = [json.loads(line) for line in replayed.trace[1:]]
    return list(all_differences(lines, replayed.metrics, ours, explicit_updates(workload)))


def explicit_updates(workload: dict[str, Any]) -> set[str]:
    return {update["update_id"] for turn in workload["turns"] for update in turn.get("writes", [])}


def all_differences(
    lines: list[dict[str, Any]], metrics: dict[str, Any], ours: Result, explicit: set[str]
) -> Iterator[str]:
    if len(lines) != len(ours.records):
        yield f"{len(lines)} turns in the trace, {len(ours.records)} in the reference"
        return
    before: dict[str, str] = {}
    for line, record in zip(lines, ours.records, strict=True):
        theirs = seen(line, before, explicit)
        expected = meant(record)
        for name, value in expected.items():
            if theirs[name] != value:
                yield f"turn {record.turn}, {name}: engine {theirs[name]!r}, reference {value!r}"
    for name, value in ours.metrics.items():
        if metrics.get(name, 0) != value:
            yield f"metric {name}: engine {metrics.get(name)!r}, reference {value!r}"


def seen(line: dict[str, Any], before: dict[str, str], explicit: set[str]) -> dict[str, Any]:
    """The engine's record in comparable form. `before`: fidelities so far, moved on by its changes."""
    for page_id, label, _reason in line["changes"]:
        before[page_id] = label
    out = {name: line[name] for name in SAME_NAME}
    out["fidelity"] = {page_id: label for page_id, label in before.items() if label != "absent"}
    out["keyframe"] = line.get("keyframe", out["fidelity"])
    out["resident_tokens"] = line["resident_tokens"]
    out["changes"] = [tuple(change) for change in line["changes"]]
    out["faults"] = in_groups([(f["fault"], f.get("page_id"), f["class"]) for f in line["faults"]])
    out["alerts"] = [alert["page_id"] for alert in line["alerts"]]
    out["refreshes"] = [refresh.get("page_id") for refresh in line["refreshes"]]
    out["page_ins"] = sorted((p, start, to, tokens) for p, start, to, tokens, _exact in line["page_ins"])
    met = {(page_id, level) for page_id, level, _exact in line["hits"]}
    out["hits"] = sorted(met | {(page_id, to) for page_id, _start, to, _tokens in out["page_ins"]})
    moves = [(m["update_id"], m["page_id"], m["phase"], why(m)) for m in line["journal"]]
    rejected = {move[0] for move in moves if move[2] == "rejected"}
    moves = [move for move in moves if move[2] != "validated" or move[0] not in rejected]  # not told apart
    out["journal"] = [move for move in moves if move[0] in explicit]
    out["implied"] = Counter(move[2] for move in moves if move[0] not in explicit)
    out["prefix_tokens"] = line.get("prefix_tokens")
    return out


def why(move: dict[str, Any]) -> str | None:
    """The spec gives reasons to rejections; what else the engine says beside a move is not compared."""
    return move["reason"] if move["phase"] == "rejected" else None


def meant(record: Record) -> dict[str, Any]:
    out: dict[str, Any] = {name: getattr(record, name) for name in SAME_NAME}
    resident = {page_id: ORDER[fidelity] for page_id, fidelity in record.fidelity.items() if fidelity}
    out["fidelity"] = out["keyframe"] = resident
    out["resident_tokens"] = record.tokens_used
    out["changes"] = [(page_id, ORDER[fidelity], reason) for page_id, fidelity, reason in record.changes]
    out["faults"] = in_groups(record.faults)
    out["alerts"] = record.alerts
    out["refreshes"] = record.refreshes
    out["page_ins"] = sorted((p, ORDER[start], ORDER[to], tokens) for p, start, to, tokens in record.page_ins)
    out["hits"] = sorted((page_id, ORDER[level]) for page_id, level in record.hits)
    out["journal"] = [move for move in record.journal if move[0] is not None]
    out["implied"] = Counter(move[2] for move in record.journal if move[0] is None)
    out["prefix_tokens"] = record.prefix_tokens
    return out


def in_groups(faults: list[tuple[str, str | None, str]]) -> list[tuple[str, str | None, str]]:
    """Kinds in the order of their first fault; within one kind the spec gives no order except for calls."""
    kinds = list(dict.fromkeys(fault[0] for fault in faults))
    out = []
    for kind in kinds:
        of_kind = [fault for fault in faults if fault[0] == kind]
        out += of_kind if kind == "duplicate_tool" else sorted(of_kind, key=lambda fault: fault[1] or "")
    return out


def minimised(
    workload: dict[str, Any], still_fails: Callable[[dict[str, Any]], bool], tries: int = 3000
) -> dict[str, Any]:
    """Leaves out turns, parts of turns, and pages while the difference stays."""
    left = tries
    smaller = True
    while smaller and left > 0:
        smaller = False
        for candidate in without_something(workload):
            left -= 1
            if left <= 0:
                break
            if still_fails(candidate):
                workload, smaller = candidate, True
                break
    return workload


def without_something(workload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    turns, pages = workload["turns"], workload["pages"]
    for index in range(len(turns) - 1, -1, -1):
        yield {**workload, "turns": turns[:index] + turns[index + 1 :]}
    for index in range(len(pages) - 1, -1, -1):
        page_id = pages[index]["page_id"]
        yield {
            **workload,
            "pages": pages[:index] + pages[index + 1 :],
            "turns": [without_page(turn, page_id) for turn in turns],
        }
    for index, turn in enumerate(turns):
        for name, value in turn.items():
            yield replaced(workload, index, {key: kept for key, kept in turn.items() if key != name})
            if isinstance(value, list) and len(value) > 1:
                for place in range(len(value)):
                    yield replaced(workload, index, {**turn, name: value[:place] + value[place + 1 :]})
    for index, page in enumerate(pages):
        for name in ("scope", "pin", "min_fidelity", "base_utility", "recompute_cost", "created"):
            if name in page:
                less = {key: kept for key, kept in page.items() if key != name}
                yield {**workload, "pages": [*pages[:index], less, *pages[index + 1 :]]}
    for name in ("multi_session", "grants"):
        if name in workload:
            yield {key: kept for key, kept in workload.items() if key != name}


def replaced(workload: dict[str, Any], index: int, turn: dict[str, Any]) -> dict[str, Any]:
    turns = workload["turns"]
    return {**workload, "turns": [*turns[:index], turn, *turns[index + 1 :]]}


def without_page(turn: dict[str, Any], page_id: str) -> dict[str, Any]:
    out = dict(turn)
    for name in ("dirty", "writes", "demands", "observed", "tool_calls"):
        if name in out:
            out[name] = [part for part in out[name] if page_id not in mentions(part)]
    return out


def mentions(part: Any) -> tuple[Any, ...]:
    if isinstance(part, str):
        return (part,)
    return tuple(part.get(name) for name in ("page_id", "result", "evidence_ref"))
