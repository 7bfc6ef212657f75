"""Sessions that run already, for a single event to meet; and what comes after it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from memory.core import Event, State, decode_body, new_state, step
from memory.core.describe import EXAMPLES
from memory.core.types import Mode

#: Pages that the examples of the event kinds name.
PAGES = {
    "rules": "bootstrap", "plan": "plan", "style": "preference", "read:a.py": "evidence",
    "read:b.py": "evidence",
    "ask:1": "conversation", "say:3": "conversation", "agent:1": "evidence", "summary:1": "conversation",
    "a": "evidence", "b": "constraint", "é": "plan",
}  # fmt: skip
_FORMS = {"structured": {"tokens": 6}, "full": {"tokens": 40}}
STARTS: tuple[dict[str, Any], ...] = (
    {"mode": "enforced", "policy": "clawvm", "budget": 120, "shadow_policy": "lru"},
    {"mode": "enforced", "policy": "clawweb", "budget": 150, "validators": ["licence"]},
    {"mode": "enforced", "policy": "compaction_hybrid", "window": 400, "reserve": 20},
    {"mode": "observed", "window": 600, "shadow_policy": "clawweb"},
    {"mode": "injected", "window": 600, "shadow_policy": "clawvm", "settings": {"harness_resolves": True}},
    {"mode": "observed"},
)


@cache
def running() -> tuple[State, ...]:
    """One state for each start, in which every kind of event finds what it needs; not to be changed. The
    first has not begun.
    """
    return (new_state(), *map(_run, STARTS))


def _run(start: dict[str, Any]) -> State:
    state = new_state()
    for kind, body, actor in _story(start["mode"], start):
        told = step(state, Event(state.seq + 1, decode_body(kind, body), actor))
        assert not [o for o in told if o.kind == "rejected"], (kind, told)
    return state


def _story(mode: str, start: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    prompt = "prompt_requested" if mode == Mode.ENFORCED else "prompt_observed"
    yield "session_started", {"harness": "h", **start}, "harness"
    for page_id, page_type in PAGES.items():
        page = {
            "page_id": page_id, "type": page_type, "provenance": {"kind": "file", "ref": page_id},
            "representations": _FORMS, "scope": "project" if page_id == "style" else "session",
        }  # fmt: skip
        yield "page_created", {"page": page}, "harness"
    yield "dirty_marked", {"page_id": "say:3"}, "harness"
    yield prompt, {"request_id": "turn-1"}, "harness"
    yield "operator_pin", {"page_ids": ["plan"], "pin": "soft"}, "operator:me"
    yield "tool_called", EXAMPLES["tool_called"], "harness"
    yield "write_staged", {"update": EXAMPLES["write_staged"]["update"] | {"op": "delete"}}, "harness"
    yield "boundary", {"kind": "flush"}, "harness"
    yield prompt, {"request_id": "msg_1"}, "harness"
    yield "demand_observed", {"page_id": "a", "fidelity": "full"}, "harness"
    yield "tool_called", EXAMPLES["tool_called"] | {"call_id": "call-8"}, "harness"
    yield "write_staged", {"update": EXAMPLES["write_staged"]["update"] | {"update_id": "u2"}}, "harness"
    yield "operator_demote", {"page_ids": ["ask:1"], "cap": "structured"}, "operator:me"


def afterwards(state: State) -> list[Event]:
    """Some turns more, whatever the state."""
    prompt = "prompt_requested" if state.mode is Mode.ENFORCED else "prompt_observed"
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("demand_declared", {"page_id": "say:3", "fidelity": "full"}),
        (prompt, {"request_id": "after-1"}),
        ("boundary", {"kind": "compaction", "preserved": ["a"]}),
        ("tool_returned", {"call_id": "call-8", "page_id": "read:b.py"}),
        (prompt, {"request_id": "after-2", **({"fixed_tokens": 30} if prompt == "prompt_requested" else {})}),
        ("demand_observed", {"page_id": "rules", "fidelity": "full"}),
        ("boundary", {"kind": "reset"}),
        ("session_ended", {}),
    ]
    first = state.seq + 1
    return [Event(seq, decode_body(kind, body)) for seq, (kind, body) in enumerate(bodies, first)]
