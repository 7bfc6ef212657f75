"""Hand-made records of the shape that Claude Code writes. No text comes from a recorded session."""

from __future__ import annotations

import json
from typing import Any

from memory.harness import Derived, EventTuple, RawRecord, get_adapter

CWD = "/home/dev/shop"


class Script:
    """Writes a transcript line by line; uuids and times are counted, so that two runs are the same."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.last: str | None = None
        self.size = 10_000

    def raw(self, record: dict[str, Any] | bytes) -> Script:
        self.lines.append(record if isinstance(record, bytes) else json.dumps(record).encode())
        return self

    def line(self, kind: str, **fields: Any) -> str:
        """A record with the usual envelope; returns its uuid."""
        uuid = fields.pop("uuid", f"u{len(self.lines) + 1}")
        record = {
            "type": kind,
            "uuid": uuid,
            "parentUuid": fields.pop("parent", self.last),
            "timestamp": f"2026-01-01T00:00:{len(self.lines) % 60:02}Z",
            "cwd": CWD,
            "isSidechain": False,
            **fields,
        }
        self.raw(record)
        self.last = uuid
        return uuid

    def prompt(self, text: str, **fields: Any) -> str:
        return self.line("user", message={"role": "user", "content": text}, **fields)

    def answer(
        self, native: str, *blocks: dict[str, Any], size: int | None = None, **fields: Any
    ) -> list[str]:
        """One line a block, all with one message id."""
        self.size = size or self.size + 100
        usage = {"input_tokens": 10, "cache_read_input_tokens": self.size - 10, "output_tokens": 3}
        out = []
        for block in blocks:
            message = {"id": native, "model": "claude-opus-4-5", "content": [block], "usage": usage}
            out.append(self.line("assistant", message=message, **fields))
        return out

    def result(
        self, call_id: str, text: Any, *, error: bool = False, structured: Any = None, **fields: Any
    ) -> str:
        part: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id, "content": text}
        if error:
            part["is_error"] = True
        held = {"toolUseResult": structured if structured is not None else {"ok": True}}
        return self.line("user", message={"role": "user", "content": [part]}, **held, **fields)

    def compact(self, summary: str, **meta: Any) -> tuple[str, str]:
        uuid = self.line(
            "system",
            subtype="compact_boundary",
            parent=None,
            compactMetadata={"trigger": "auto", "preTokens": 9, **meta},
        )
        return uuid, self.prompt(summary, isCompactSummary=True)

    def call(
        self, native: str, call_id: str, tool: str, args: dict[str, Any], result: Any, **more: Any
    ) -> None:
        """A whole call: the answer that makes it, and its result."""
        self.answer(native, use(call_id, tool, args))
        self.result(call_id, result, **more)


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def thinking(value: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": value, "signature": "c2ln"}


def use(call_id: str, tool: str, args: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": tool, "input": args}


def feed(lines: list[bytes]) -> list[Derived]:
    adapter = get_adapter("claude-code")
    return [adapter.feed(RawRecord(n, line)) for n, line in enumerate(lines, 1)]


def events(script: Script) -> list[EventTuple]:
    return [event for derived in feed(script.lines) for event in derived.events]


def bodies(script: Script, kind: str) -> list[dict[str, Any]]:
    return [body for name, body, _ in events(script) if name == kind]


def pages(script: Script) -> dict[str, dict[str, Any]]:
    """Pages as created, by id."""
    return {body["page"]["page_id"]: body["page"] for body in bodies(script, "page_created")}
