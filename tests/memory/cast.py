"""The cast of the store's tests: small events and a long, eventful session."""

from __future__ import annotations

import random
from typing import Any

from memory.store import NewEvent

STARTED: dict[str, Any] = {
    "harness": "mine",
    "mode": "enforced",
    "policy": "clawvm",
    "window": 4000,
    "reserve": 400,
    "budget": 600,
    "shadow_policy": "clawvm",
}


def note(what: str, event_id: str | None = None) -> NewEvent:
    return NewEvent("noted", {"what": what}, event_id)


def page(page_id: str, text: str, type: str = "evidence", **more: Any) -> NewEvent:
    body = {"page_id": page_id, "type": type, "provenance": {"kind": "span", "ref": page_id}, "text": text}
    return NewEvent("page_created", {"page": {**body, **more}}, f"page-{page_id}")


def prompt(number: int) -> NewEvent:
    return NewEvent("prompt_requested", {"request_id": f"r{number}", "fixed_tokens": 50}, f"prompt-{number}")


def answer(number: int) -> NewEvent:
    return NewEvent("model_answered", {"request_id": f"r{number}"}, f"answer-{number}")


def session_events(turns: int, seed: int = 1) -> list[NewEvent]:
    """An enforced session of so many turns: pages, calls, repeats, boundaries, acts, and events that fail.

    The same ``turns`` and ``seed`` give the same events.
    """
    rng = random.Random(seed)
    events = [page("rules", "Always run the tests. Never push to main. " * 4, "bootstrap")]
    pages: list[str] = []
    for turn in range(1, turns + 1):
        events += [prompt(turn), answer(turn)]
        for n in range(rng.randint(1, 3)):
            call, page_id = f"c{turn}-{n}", f"file-{turn}-{n}"
            path = f"src/m{rng.randint(1, 12)}.py"
            text = " ".join(
                rng.choice(("def", "x", "return", "value", path)) for _ in range(rng.randint(30, 90))
            )
            events.append(
                NewEvent(
                    "tool_called",
                    {"call_id": call, "tool": "Read", "signature": f"read {path}", "reads": [f"file:{path}"]},
                    f"call-{call}",
                )
            )
            events.append(page(page_id, text, resources=[f"file:{path}"]))
            events.append(NewEvent("tool_returned", {"call_id": call, "page_id": page_id}, f"back-{call}"))
            pages.append(page_id)
        if turn > 3:
            wanted = {"page_id": rng.choice(pages), "fidelity": "full", "rule": "again"}
            events.append(NewEvent("demand_observed", wanted, f"demand-{turn}"))
        if turn % 5 == 0:
            events.append(NewEvent("dirty_marked", {"page_id": rng.choice(pages)}, f"dirty-{turn}"))
            events.append(NewEvent("operator_pin", {"page_ids": [rng.choice(pages)]}, f"pin-{turn}"))
        if turn % 7 == 0:
            events.append(NewEvent("boundary", {"kind": "compaction", "trigger": "auto"}, f"boundary-{turn}"))
            events.append(
                NewEvent("demand_observed", {"page_id": "nowhere", "fidelity": "full"}, f"bad-{turn}")
            )
    return events


def undisturbed(
    events: list[NewEvent], started: dict[str, Any] | None = None, operator: str = "harness"
) -> dict[str, list[bytes]]:
    """The traces (side → lines) of these events folded by the core alone: no rows, no batches, no
    processes. ``operator``: who acts.
    """
    from memory import core
    from memory.complete import complete

    state = core.new_state()
    lines: dict[str, list[bytes]] = {"primary": [], "shadow": []}
    for seq, item in enumerate([NewEvent("session_started", started or STARTED), *events], 1):
        assert isinstance(item.body, dict)
        body = core.decode_body(item.kind, complete(item.kind, item.body))
        actor = operator if item.kind.startswith("operator_") else "harness"
        for told in core.step(state, core.Event(seq, body, actor)):
            if told.kind == "turn":
                lines[told.side.value].append(told.data["record"].encode("ascii"))
    return {side: [core.trace_head(state), *found] for side, found in lines.items()}
