"""Hypothesis strategies: random page tables and random streams of events."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from memory.core.types import DEGRADATION_PATH, PageType

IDS = ("a", "é", "f\u202e", "<script>", "z")
FIDELITIES = ("pointer", "structured", "compressed", "full")
VALIDATORS = ("licence", "owner")
DECLARED = {
    "name": "declared", "auto_pins": True, "upgrades": True, "writes_back": True, "recency_weight": 1,
}  # fmt: skip
RULES = (
    {"name": "no steps", "fields": ["step"], "types": ["plan", "evidence"], "deny": True},
    {"name": "short", "max_value_bytes": 5},
    {"name": "add", "scopes": ["project"], "ops": ["append", "merge"]},
)
SIGNATURES = ("read:a", "read:b", "run:tests")
RESOURCES = ("file:/s/a", "file:/s/b", "dir:/s", "workspace", "url:x")


@st.composite
def specs(draw: st.DrawFn, page_id: str) -> dict[str, Any]:
    page_type = draw(st.sampled_from(list(PageType)))
    path = [f.label for f in DEGRADATION_PATH[page_type]]
    forms = [label for label in path[:-1] if draw(st.booleans())] + ["full"]
    counts = sorted(draw(st.sets(st.integers(1, 60), min_size=len(forms), max_size=len(forms))))
    return {
        "page_id": page_id,
        "type": page_type.value,
        "provenance": {"kind": "file", "ref": "x"},
        "representations": {label: {"tokens": n} for label, n in zip(forms, counts, strict=True)},
        "pin": draw(st.sampled_from([None, "none", "soft", "hard"])),
        "min_fidelity": draw(st.sampled_from([None, *path])),
        "scope": draw(st.sampled_from(["session", "project"])),
        "base_utility": draw(st.sampled_from([0, 1, 5, 7.5])),
        "recompute_cost": draw(st.sampled_from([0, 6, 8, 12])),
        "dirty": draw(st.booleans()),
        "inferred": draw(st.booleans()),
        "resolvable": draw(st.sampled_from([True, True, False])),
        "resources": draw(st.lists(st.sampled_from(RESOURCES), max_size=2, unique=True)),
    }


def reps(draw: st.DrawFn) -> dict[str, Any]:
    low, high = sorted(draw(st.sets(st.integers(1, 90), min_size=2, max_size=2)))
    kind = draw(st.sampled_from(["pointer", "structured", ""]))
    return {**({kind: {"tokens": low}} if kind else {}), "full": {"tokens": high}}


@st.composite
def bodies(
    draw: st.DrawFn,
    number: int,
    enforced: bool,
    past: dict[str, list[int]],
    kinds: tuple[str, ...] = (),
) -> tuple[str, dict[str, Any]]:
    """One event body, applicable or not. ``past``: seqs of the stream so far by kind, to refer to."""
    one = st.sampled_from(IDS)
    kind = draw(st.sampled_from(kinds or _KINDS))
    page_id = draw(one)
    fidelity = draw(st.sampled_from(FIDELITIES))
    match kind:
        case "page_created":
            return kind, {"page": draw(specs(page_id))}
        case "page_updated":
            return kind, {"page_id": page_id, "representations": reps(draw), "durable": draw(st.booleans())}
        case "page_superseded" | "page_retired" | "dirty_marked":
            return kind, {"page_id": page_id}
        case "page_linked":
            relation = draw(st.sampled_from(["sub_agent", "fork", "rewind"]))
            return kind, {"page_id": page_id, "session": draw(st.sampled_from("xy")), "relation": relation}
        case "demand_declared":
            return kind, {"page_id": page_id, "fidelity": fidelity}
        case "demand_observed":
            body = {"page_id": page_id, "fidelity": fidelity, "exact": draw(st.booleans())}
            return kind, body | {"call_repeat": draw(st.sampled_from([False, False, True]))}
        case "prompt":
            if enforced:
                return "prompt_requested", {
                    "request_id": f"r{number}",
                    "fixed_tokens": draw(st.integers(0, 20)),
                }
            recorded = draw(st.none() | st.integers(0, 400))
            return "prompt_observed", {"request_id": f"r{number}", "recorded_tokens": recorded}
        case "model_answered":
            request = draw(st.sampled_from(past["prompt"][-2:] or [0]))
            return kind, {
                "request_id": f"r{request}",
                "prompt_matches": draw(st.sampled_from([None, True, False])),
            }
        case "tool_called":
            body: dict[str, Any] = {
                "call_id": f"c{number}",
                "tool": "t",
                "signature": draw(st.sampled_from(SIGNATURES)),
            }
            body["kind"] = draw(st.sampled_from([*["read"] * 6, "write", "volatile"]))
            body["writes"] = draw(st.lists(st.sampled_from(RESOURCES), max_size=1))
            return kind, body
        case "tool_returned":
            call = draw(st.sampled_from(past["tool_called"][-3:] or [0]))
            return kind, {"call_id": f"c{call}", "page_id": draw(st.none() | one)}
        case "recall":
            return kind, {
                "query": "q",
                "found": draw(st.integers(0, 1)),
                "reason": draw(st.sampled_from([None, "DENIED"])),
            }
        case "write_staged":
            return kind, {"update": draw(updates(f"u{draw(st.integers(0, 9))}", page_id))}
        case "write_judged":
            return kind, {
                "update_id": f"u{draw(st.integers(0, 9))}",
                "validator": draw(st.sampled_from(VALIDATORS)),
                "verdict": draw(st.sampled_from(["allow", "allow", "deny"])),
            }
        case "write_resolved":
            action = draw(st.sampled_from(["approve", "merge", "drop"]))
            return kind, {"update_id": f"u{draw(st.integers(0, 9))}", "action": action, "value": "v"}
        case "boundary":
            body = {"kind": draw(st.sampled_from(["compaction", "prune", "flush", "reset", "shutdown"]))}
            body["preserved"] = draw(st.none() | st.lists(one, max_size=3))
            body["dropped"] = draw(st.lists(one, max_size=3))
            body["leaves_pointers"] = draw(st.booleans())
            return kind, body
        case "project_commit":
            return kind, {
                "page_id": page_id,
                "version": draw(st.integers(0, 4)),
                "representations": reps(draw),
                "base_version": draw(st.sampled_from([None, None, None, 0, 1])),
                "fields": draw(st.sampled_from([{}, {"text": "theirs"}])),
            }
        case "operator_pin":
            low = draw(st.none() | st.sampled_from(FIDELITIES))
            return kind, {
                "page_ids": [page_id],
                "pin": draw(st.sampled_from(["soft", "hard"])),
                "min_fidelity": low,
            }
        case "operator_unpin":
            return kind, {"page_ids": [page_id]}
        case "operator_demote":
            return kind, {
                "page_ids": draw(st.lists(one, min_size=1, max_size=2, unique=True)),
                "cap": fidelity,
            }
        case "operator_restore":
            return kind, {"page_ids": [page_id], "version": draw(st.sampled_from([None, None, 0, 1]))}
        case "operator_undo":
            return kind, {"act_seq": draw(st.sampled_from(past["act"][-3:] or [0]))}
        case "settings_changed":
            return kind, {
                "budget": draw(st.integers(0, 400)),
                "reserve": draw(st.none() | st.integers(0, 20)),
                "policy": draw(st.sampled_from([None, None, "lru", "clawweb", "declared", "nowhere"])),
            }
        case "receipt":
            return kind, {
                "act_seq": draw(st.sampled_from(past["act"][-3:] or [0])),
                "seen": draw(st.booleans()),
            }
        case _:
            return "session_ended", {}


_KINDS = (
    *["prompt"] * 6,
    *["demand_observed"] * 4,
    *["tool_called", "boundary"] * 3,
    *["tool_returned", "demand_declared", "page_updated", "dirty_marked", "model_answered", "write_staged"]
    * 2,
    *["operator_pin", "operator_demote", "operator_undo"] * 2,
    *["page_created", "page_superseded", "page_retired", "project_commit", "recall", "write_resolved"],
    *["write_judged", "page_linked"],
    *["operator_unpin", "operator_restore", "settings_changed", "receipt", "session_ended"],
)


@st.composite
def updates(draw: st.DrawFn, update_id: str, page_id: str) -> dict[str, Any]:
    evidence = draw(st.sampled_from([page_id] * 5 + [*IDS]))
    return {
        "update_id": update_id,
        "page_id": page_id,
        "field": draw(st.sampled_from(["step"] * 5 + ["", "pin"])),
        "op": draw(st.sampled_from(["append", "merge", "set_with_version", "delete"])),
        "value": "none",
        "scope": draw(st.sampled_from(["session", "project"])),
        "evidence_ref": evidence,
        "base_version": draw(st.integers(0, 2)),
    }


@st.composite
def streams(draw: st.DrawFn, length: int = 60) -> list[tuple[str, dict[str, Any]]]:
    """A whole session: its start, then anything."""
    enforced = draw(st.booleans())
    started = {
        "harness": "h",
        "mode": "enforced" if enforced else draw(st.sampled_from(["observed", "injected"])),
        "policy": draw(
            st.sampled_from(
                ["clawweb", "clawweb", "clawvm", "lru", "compaction_hybrid", "retrieval", "retrieval_cached"]
            )
        ),
        "budget": draw(st.none() | st.integers(0, 300)),
        "window": draw(st.none() | st.integers(0, 400)),
        "shadow_policy": draw(st.sampled_from([None, "clawweb", "clawvm", "lru"])),
        "policies": [DECLARED],
        "write_rules": draw(st.lists(st.sampled_from(RULES), max_size=2, unique_by=lambda r: str(r["name"]))),
        "validators": draw(st.lists(st.sampled_from(VALIDATORS), max_size=1)),
    }
    stream: list[tuple[str, dict[str, Any]]] = [("session_started", started)]
    stream += [("page_created", {"page": draw(specs(page_id))}) for page_id in IDS[: draw(st.integers(2, 5))]]
    past: dict[str, list[int]] = {"prompt": [], "tool_called": [], "act": []}
    for number in range(len(stream) + 1, len(stream) + 1 + draw(st.integers(0, length))):
        kind, body = draw(bodies(number, enforced, past))
        name = "prompt" if kind.startswith("prompt") else "act" if kind.startswith("operator") else kind
        past.setdefault(name, []).append(number)
        stream.append((kind, body))
    return stream


def any_streams() -> st.SearchStrategy[list[tuple[str, dict[str, Any], str]]]:
    """Of either kind, each event with its actor."""
    return st.one_of(streams().map(by_harness), journal_streams())


def by_harness(stream: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any], str]]:
    return [(kind, body, "harness") for kind, body in stream]


@st.composite
def journal_streams(draw: st.DrawFn, length: int = 40) -> list[tuple[str, dict[str, Any], str]]:
    """Mostly updates, verdicts, answers and boundaries on a few pages; whatever was sent may come again. Each
    event with its actor.
    """
    opening = draw(streams(0))
    enforced = opening[0][1]["mode"] == "enforced"
    stream = by_harness(opening)
    past: dict[str, list[int]] = {"prompt": [], "tool_called": [], "act": []}
    for number in range(len(stream) + 1, len(stream) + 1 + draw(st.integers(0, length))):
        if draw(st.integers(0, 7)) == 0:
            stream.append(draw(st.sampled_from(stream)))
            continue
        kind, body = draw(bodies(number, enforced, past, _JOURNAL_KINDS))
        stream.append((kind, body, draw(st.sampled_from(["operator:ann", "operator:ann", "harness"]))))
        name = "prompt" if kind.startswith("prompt") else "act" if kind.startswith("operator") else kind
        past.setdefault(name, []).append(number)
    return stream


_JOURNAL_KINDS = (
    *["write_staged"] * 6,
    *["boundary", "write_resolved", "write_judged"] * 3,
    *["prompt", "dirty_marked", "project_commit", "page_updated"] * 2,
    *["page_superseded", "operator_restore", "operator_undo", "settings_changed", "operator_pin"],
)
