"""One event log through `memory.core`, by stepping, and through `run_log`: every turn's record of both
sides.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from memory.core import Event, decode_body, new_state, step

from .compare import in_groups
from .log import run_log
from .log_sides import Turn
from .workloads import ORDER

SAME_NAME = (
    "turn",
    "policy",
    "budget",
    "page_budget",
    "tokens_used",
    "resident_tokens",
    "required_tokens",
    "floor_tokens",
    "insufficient_by",
    "unmet",
    "prefix_tokens",
)

SETTLED = ("committed", "rejected", "lost", "resolved")  # of updates that have a name, over the whole session
NO_EFFECT = (
    "model_answered",
    "receipt",
    "page_linked",
    "noted",
)  # on nothing that is compared; when they are refused is not compared


def events_of(raw: list[dict[str, Any]]) -> list[Event]:
    return [
        Event(one["seq"], decode_body(one["kind"], one["body"]), one.get("actor", "harness")) for one in raw
    ]


def engine_records(
    raw: list[dict[str, Any]],
) -> tuple[dict[str, list[dict[str, Any]]], list[int], Counter[tuple[str, str, str]]]:
    """The trace's records by side, and the seqs that were rejected. The last turn must be closed by the
    log.
    """
    state = new_state()
    records: dict[str, list[dict[str, Any]]] = {"primary": [], "shadow": []}
    rejected = []
    moves: Counter[tuple[str, str, str]] = Counter()
    for event in events_of(raw):
        for told in step(state, event):
            if told.kind == "turn":
                records[str(told.side)].append(json.loads(str(told.data["record"])))
            elif told.kind == "journal" and str(told.data["update_id"]).startswith("u"):
                phase = str(told.data["phase"])
                if phase in SETTLED:
                    moves[str(told.side), phase, str(told.data["reason"]) if phase == "rejected" else ""] += 1
            elif told.kind == "rejected":
                rejected.append(event.seq)
    return records, rejected, moves


def differences(raw: list[dict[str, Any]]) -> list[str]:
    """First turn first; empty if nothing. `raw`: dicts of seq, kind, actor and body, the last a
    session_ended.
    """
    records, rejected, moves = engine_records(raw)
    ours = run_log(raw)
    out = []
    kinds = {one["seq"]: one["kind"] for one in raw}
    apart = sorted(seq for seq in set(rejected) ^ set(ours.rejected) if kinds[seq] not in NO_EFFECT)
    if apart:
        who = [(seq, kinds[seq], "engine" if seq in rejected else "reference") for seq in apart[:5]]
        out.append(f"rejected: {who}")
    settled = Counter(
        (side.name, phase, reason or "")
        for side in ours.sides
        for update_id, _page, phase, reason in side.journal.moves
        if phase in SETTLED and update_id.startswith("u")
    )
    if settled != moves:
        out.append(f"journal: engine {dict(moves - settled)!r}, reference {dict(settled - moves)!r}")
    for side in ours.sides:
        out += of_side(side.name, records[side.name], side.turns)
    return out


def of_side(name: str, lines: list[dict[str, Any]], turns: list[Turn]) -> Iterator[str]:
    if len(lines) != len(turns):
        yield f"{name}: {len(lines)} turns in the trace, {len(turns)} in the reference"
    for line, turn in zip(lines, turns, strict=False):
        theirs, expected = seen(line), meant(turn)
        for key, value in expected.items():
            if theirs[key] != value:
                yield f"{name} turn {turn.turn}, {key}: engine {theirs[key]!r}, reference {value!r}"


def seen(line: dict[str, Any]) -> dict[str, Any]:
    out = {name: line[name] for name in SAME_NAME}
    out["changes"] = [tuple(change) for change in line["changes"]]
    out["faults"] = sorted((f["fault"], f.get("page_id"), f["class"], f["exact"]) for f in line["faults"])
    out["alerts"] = [
        (alert["page_id"], alert["exact"]) for alert in line["alerts"] if not alert.get("caused_by_drop")
    ]
    out["refreshes"] = [refresh.get("page_id") for refresh in line["refreshes"]]
    out["page_ins"] = sorted(tuple(one) for one in line["page_ins"])
    met = {tuple(hit) for hit in line["hits"]}
    out["hits"] = sorted(met)
    return out


def meant(turn: Turn) -> dict[str, Any]:
    out: dict[str, Any] = {name: getattr(turn, name) for name in SAME_NAME}
    out["changes"] = [(page_id, ORDER[fidelity], why) for page_id, fidelity, why in turn.changes]
    out["faults"] = sorted(turn.faults, key=lambda fault: (fault[0], fault[1] or "", fault[2], fault[3]))
    out["alerts"] = turn.alerts
    out["refreshes"] = turn.refreshes
    out["page_ins"] = sorted(
        (p, ORDER[start], ORDER[to], tokens, exact) for p, start, to, tokens, exact in turn.page_ins
    )
    paged = {(one[0], one[2]) for one in turn.page_ins}
    out["hits"] = sorted((p, ORDER[level], exact) for p, level, exact in turn.hits if (p, level) not in paged)
    return out


__all__ = ["differences", "in_groups"]
