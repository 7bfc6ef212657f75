"""The named cast of the core's tests: a session in a few words, and short forms of events."""

from __future__ import annotations

from typing import Any

from memory.core import Event, Outcome, State, decode_body, new_state, page_view, step

RULE_TYPES = ("bootstrap", "constraint")


def page(page_id: str, page_type: str = "evidence", **fields: Any) -> tuple[str, dict[str, Any]]:
    """A ``page_created``; ``tokens`` by label, else 100 in full and the type's lowest form of 10."""
    tokens = fields.pop("tokens", None) or {
        "full": 100,
        "structured" if page_type in RULE_TYPES else "pointer": 10,
    }
    body = {
        "page_id": page_id,
        "type": page_type,
        "provenance": {"kind": "file", "ref": f"{page_id}.md"},
        "representations": {label: {"tokens": count} for label, count in tokens.items()},
        **fields,
    }
    return "page_created", {"page": body}


class Session:
    """One session under test; every method feeds one event and returns its outcomes."""

    def __init__(self, mode: str = "enforced", **started: Any) -> None:
        self.state: State = new_state()
        self.mode = mode
        self.outcomes: list[Outcome] = []
        self.events: list[Event] = []
        self.prompts = 0
        self.calls = 0
        self.feed("session_started", harness="test", mode=mode, **started)

    def feed(self, kind: str, actor: str = "harness", /, **body: Any) -> list[Outcome]:
        event = Event(self.state.seq + 1, decode_body(kind, body), actor)
        self.events.append(event)
        told = step(self.state, event)
        self.outcomes += told
        return told

    def add(self, page_id: str, page_type: str = "evidence", **fields: Any) -> list[Outcome]:
        kind, body = page(page_id, page_type, **fields)
        return self.feed(kind, **body)

    def update(self, page_id: str, full: int = 120, **fields: Any) -> list[Outcome]:
        return self.feed(
            "page_updated", page_id=page_id, representations={"full": {"tokens": full}}, **fields
        )

    def prompt(self, **fields: Any) -> list[Outcome]:
        self.prompts += 1
        kind = "prompt_requested" if self.mode == "enforced" else "prompt_observed"
        return self.feed(kind, request_id=f"p{self.prompts}", **fields)

    def answer(self, matches: bool | None = True) -> list[Outcome]:
        return self.feed("model_answered", request_id=f"p{self.prompts}", prompt_matches=matches)

    def demand(self, page_id: str, fidelity: str = "full", **fields: Any) -> list[Outcome]:
        return self.feed("demand_observed", page_id=page_id, fidelity=fidelity, **fields)

    def declare(self, page_id: str, fidelity: str = "full") -> list[Outcome]:
        return self.feed("demand_declared", page_id=page_id, fidelity=fidelity)

    def call(self, signature: str, result: str | None = None, **fields: Any) -> list[Outcome]:
        self.calls += 1
        told = self.feed("tool_called", call_id=f"c{self.calls}", tool="Read", signature=signature, **fields)
        if result is not None:
            told = told + self.feed("tool_returned", call_id=f"c{self.calls}", page_id=result)
        return told

    def boundary(self, kind: str, **fields: Any) -> list[Outcome]:
        return self.feed("boundary", kind=kind, **fields)

    def dirty(self, page_id: str) -> list[Outcome]:
        return self.feed("dirty_marked", page_id=page_id)

    def stage(self, update_id: str, page_id: str, **fields: Any) -> list[Outcome]:
        update = {
            "update_id": update_id,
            "page_id": page_id,
            "field": "step",
            "op": "set_with_version",
            "value": "3",
            "scope": "session",
            "evidence_ref": page_id,
            "base_version": 0,
            **fields,
        }
        return self.feed("write_staged", update=update)

    def fidelity(self, page_id: str, side: str = "primary") -> str:
        view = page_view(self.state, page_id)
        assert view is not None
        seat = view.primary if side == "primary" else view.shadow
        assert seat is not None
        return seat.fidelity.label

    def refused(self) -> str:
        """Why the last event was rejected."""
        assert self.outcomes[-1].kind == "rejected", self.outcomes[-1]
        return str(self.outcomes[-1].data["why"])


def of(outcomes: list[Outcome], kind: str, side: str = "primary") -> list[Outcome]:
    return [o for o in outcomes if o.kind == kind and o.side == side]


def faults(outcomes: list[Outcome], side: str = "primary") -> list[tuple[str, str | None, str]]:
    """(fault, page, class) of every fault, in order."""
    return [(o.data["fault"], o.page_id, o.data["class"]) for o in of(outcomes, "fault", side)]
