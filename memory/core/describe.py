"""The event kinds for readers: ``python -m memory.core.describe > docs/events.md``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any, Final

from memory.core import events as ev
from memory.core.describe_journal import JOURNAL
from memory.core.policies import Policy
from memory.core.types import (
    BoundaryKind,
    Fidelity,
    Mode,
    PageType,
    Pin,
    RecallReason,
    Scope,
    ToolKind,
    WriteOp,
)
from memory.core.versions import event_version

_REPS: Final = {"full": {"tokens": 9, "text": "Never push to main."}}
_FROM: Final = {"kind": "file", "ref": "RULES.md"}
_ACT: Final = {"page_ids": ["rules"], "reason": "it matters this week"}
#: A body of each kind that ``decode_body`` accepts.
EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "session_started": {
        "harness": "mine",
        "mode": "enforced",
        "window": 8000,
        "reserve": 1000,
        "budget": 6000,
    },
    "settings_changed": {"budget": 5000},
    "page_created": {
        "page": {
            "page_id": "rules",
            "type": "bootstrap",
            "provenance": _FROM,
            "representations": _REPS,
            "title": "House rules",
        }
    },
    "page_updated": {"page_id": "rules", "representations": _REPS, "what": "read again", "durable": True},
    "page_superseded": {"page_id": "read:a.py", "by": "read:b.py", "reason": "renamed"},
    "page_retired": {"page_id": "ask:1", "reason": "stands in the summary"},
    "page_linked": {"page_id": "agent:1", "session": "my-run-1/helper", "relation": "sub_agent"},
    "dirty_marked": {"page_id": "plan", "reason": "not written to disk yet"},
    "demand_declared": {"page_id": "plan", "fidelity": "full", "rule": "the next step needs it"},
    "prompt_requested": {"request_id": "turn-1", "fixed_tokens": 200},
    "prompt_observed": {"request_id": "msg_1", "recorded_tokens": 12000, "model": "a-model"},
    "model_answered": {
        "request_id": "turn-1",
        "usage": {"input": 900, "output": 80},
        "stop_reason": "end_turn",
    },
    "demand_observed": {
        "page_id": "read:a.py",
        "fidelity": "full",
        "rule": "read_again",
        "evidence": "call-7",
    },
    "tool_called": {
        "call_id": "call-7",
        "tool": "read_file",
        "signature": "read a.py",
        "reads": ["file:a.py"],
    },
    "tool_returned": {"call_id": "call-7", "page_id": "read:a.py"},
    "recall": {"query": "which port", "found": 0, "reason": "NO_MATCH", "detail": "not indexed"},
    "write_staged": {
        "update": {
            "update_id": "u1",
            "page_id": "plan",
            "field": "text",
            "op": "set_with_version",
            "value": "1. done",
            "scope": "session",
            "evidence_ref": "say:3",
            "base_version": 1,
        }
    },
    "write_judged": {
        "update_id": "u1",
        "validator": "licence",
        "verdict": "deny",
        "reason": "the licence forbids it",
        "evidence": "LICENCE.md, sha256 9f…",
    },
    "write_resolved": {"update_id": "u1", "action": "approve"},
    "boundary": {"kind": "compaction", "trigger": "auto", "summary_page": "summary:1"},
    "project_commit": {"page_id": "style", "version": 2, "representations": _REPS},
    "operator_pin": {**_ACT, "pin": "hard"},
    "operator_unpin": _ACT,
    "operator_demote": {**_ACT, "cap": "pointer"},
    "operator_restore": _ACT,
    "operator_undo": {"act_seq": 12},
    "receipt": {"act_seq": 12, "seen": True, "turn": 4},
    "session_ended": {"reason": "done"},
    "noted": {"what": "title", "data": {"title": "Fix the parser"}},
}
_ENUMS: Final = (Mode, PageType, Pin, Scope, ToolKind, BoundaryKind, WriteOp, RecallReason)
_PARTS: Final = (ev.PageSpec, ev.Provenance, ev.Representation, ev.Update, ev.WriteRule, Policy)
_HEAD: Final = """# Events

Made by `python -m memory.core.describe` from `memory/core/events.py`; do not edit it by hand.

The API's `events` of a session (see `/api/docs`) take each as `{"kind": …, "body": {…}}`. A field without a
default must be there; an unknown field is refused. Instead of `representations` the API also takes `text`
(the page's full text, of which the shorter forms are made), and `args` instead of a call's `signature`.

Each kind has a version, which is kept with every event; a body of an older one is migrated when it is read,
step by step (`memory/core/versions.py`). A kind is at version 1 unless it says otherwise here.
"""


def markdown() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    for kind, cls in ev.KINDS.items():
        yield from _section(f"`{kind}`", cls, event_version(kind))
        yield from ("```json", json.dumps(EXAMPLES[kind], indent=2), "```", "")
    yield JOURNAL
    yield "## Parts\n"
    for cls in _PARTS:
        yield from _section(f"`{cls.__name__}`", cls)
    yield "## Words\n"
    for enum in _ENUMS:
        yield f"- `{enum.__name__}`: {', '.join(f'`{member.value}`' for member in enum)}"
    yield f"- `Fidelity`, lowest first: {', '.join(f'`{f.label}`' for f in Fidelity)}"


def _section(title: str, cls: type, version: int = 1) -> Iterator[str]:
    yield f"### {title}\n"
    if version > 1:
        yield f"Version {version}.\n"
    doc = cls.__doc__ or ""
    if doc and not doc.startswith(f"{cls.__name__}("):  # what dataclass writes itself
        yield " ".join(doc.replace("``", "`").split()) + "\n"
    yield from ("| field | type | default |", "| --- | --- | --- |")
    for field in fields(cls):
        yield f"| `{field.name}` | `{str(field.type).replace('|', chr(92) + '|')}` | {_default(field)} |"
    yield ""


def _default(field: Field[Any]) -> str:
    if field.default_factory is not MISSING:
        return f"`{json.dumps(field.default_factory())}`"
    if field.default is MISSING:
        return "must be there"
    value = field.default
    return f"`{json.dumps(value.label if isinstance(value, Fidelity) else value)}`"


if __name__ == "__main__":
    sys.stdout.write(markdown())
