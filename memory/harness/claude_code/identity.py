"""Page ids, titles and the texts that stand in the context.
Ids come from native ids, never from position or time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from memory.core.types import PageType
from memory.harness.signature import Call

MAX_ID: Final = 300  # characters
MAX_RESOURCE: Final = 1_000  # characters
_UNSAFE = re.compile(
    r"[\s\[\]%\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_MEMORY_FILE = re.compile(r"(?:^|/)\.claude/(?:.*/)?memory/|(?:^|/)MEMORY\.md$")
INSTRUCTIONS: Final = re.compile(r"(?:^|/)(?:CLAUDE(?:\.local)?\.md|AGENTS\.md)$|(?:^|/)\.claude/rules/")

PLAN_TOOLS: Final = frozenset(
    {"TodoWrite", "ExitPlanMode", "TaskCreate", "TaskUpdate", "TaskList", "TaskGet"}
)
EDIT_TOOLS: Final = frozenset({"Edit", "MultiEdit", "Write", "NotebookEdit"})
AGENT_TOOLS: Final = frozenset({"Task", "Agent"})
_CHEAP_AGAIN: Final = frozenset({"Read", "Bash", "Grep", "Glob", "LS", "NotebookRead"})


@dataclass(slots=True)
class OpenCall:
    """A tool call whose result may still come."""

    call_id: str
    tool: str
    args: dict[str, Any]
    call: Call
    page_id: str  # where its result goes
    title: str
    record: int


@dataclass(slots=True)
class KnownPage:
    """What the adapter remembers of a page (not its text)."""

    type: PageType
    title: str
    resources: tuple[str, ...] = ()
    stale: bool = False  # written since: a repeat is a refresh
    last_call: str = ""
    created: int = 0  # ordinal of the record
    uuids: list[str] = field(default_factory=list)


def clean_id(text: str) -> str:
    """Without blanks, brackets and control characters, so that ``[page:<id> …]`` reads back; bounded."""
    if len(text) > 4 * MAX_ID:
        text = f"{text[:MAX_ID]}~{digest(text, 16)}"
    safe = _UNSAFE.sub(lambda m: f"%{ord(m.group()):02X}", text)
    if len(safe) > MAX_ID:
        safe = safe[: MAX_ID - 17] + "~" + digest(text, 16)
    return safe


def whole(value: Any) -> int | None:
    """A count of tokens as it may stand in an event; ``None`` for anything else."""
    return value if type(value) is int and 0 <= value <= 1_000_000_000 else None


def bounded(resources: Iterable[str]) -> tuple[str, ...]:
    """Resources as the event log takes them; an overlong name keeps its head and a digest."""
    return tuple(
        r if len(r) <= MAX_RESOURCE else f"{r[: MAX_RESOURCE - 20]}~{digest(r, 16)}" for r in resources
    )


def native_id(*candidates: Any) -> str:
    """The first candidate that is there, as an id of the event log: no control characters, bounded."""
    found = next((str(value) for value in candidates if value not in (None, "")), "none")
    return clean_id(found)


def digest(text: str, length: int = 10) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def one_line(text: str, limit: int = 120) -> str:
    flat = " ".join(text[: limit * 4].split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def read_range(args: dict[str, Any]) -> tuple[int, int | None] | None:
    """First and last line that a Read call asks for; ``None`` for the whole file."""
    offset, limit = args.get("offset"), args.get("limit")
    if not isinstance(offset, (int, float)) and not isinstance(limit, (int, float)):
        return None
    start = max(int(offset), 1) if isinstance(offset, (int, float)) else 1
    return start, start + int(limit) - 1 if isinstance(limit, (int, float)) else None


def result_page_id(tool: str, args: dict[str, Any], call: Call) -> str:
    """Where a call's result goes: one page per file range, or per signature."""
    if tool in ("Read", "NotebookRead") and call.path:
        span = read_range(args)
        suffix = "" if span is None else f"#{span[0]}-{span[1] or ''}"
        return clean_id(f"read:{call.path}{suffix}")
    if tool in EDIT_TOOLS:
        return clean_id(f"{tool.lower()}:{call.path}:{digest(call.signature)}")
    return clean_id(f"{tool.lower()}:{digest(call.signature)}")


def call_title(tool: str, args: dict[str, Any], call: Call) -> str:
    """For people: the path, the command's first line, the pattern."""
    if tool in ("Read", "NotebookRead") and call.path:
        span = read_range(args)
        if span is None:
            return call.path
        return (
            f"{call.path} from line {span[0]}"
            if span[1] is None
            else f"{call.path} lines {span[0]}–{span[1]}"
        )
    if tool in EDIT_TOOLS:
        return f"{tool} {call.path}"
    if tool == "Bash":
        return one_line(str(args.get("command", "")).strip().split("\n", 1)[0], 160) or "Bash"
    if tool in ("Grep", "Glob"):
        where = f" in {call.path}" if call.path else ""
        return one_line(f"{tool} {args.get('pattern', '')}{where}", 160)
    for key in ("description", "subject", "query", "url", "skill", "id", "taskId"):
        if isinstance(args.get(key), str):
            return one_line(f"{tool}: {args[key]}", 160)
    return tool


def hint_of(tool: str, args: dict[str, Any], call: Call, error: bool) -> dict[str, Any]:
    """What the representations may use of a call."""
    hint: dict[str, Any] = {"tool": tool}
    for key in ("command", "pattern", "url", "query"):
        if isinstance(args.get(key), str):
            hint[key] = args[key][:400]
    if call.path:
        hint["path"] = call.path
    span = read_range(args) if tool == "Read" else None
    if span:
        hint["range"] = f"{span[0]}-{span[1] or ''}"
    if error:
        hint["error"] = True
    return hint


def recompute_cost(tool: str) -> float:
    """What getting a result again costs: edits 12, reads and commands 8, else 6."""
    if tool in EDIT_TOOLS:
        return 12.0
    return 8.0 if tool in _CHEAP_AGAIN else 6.0


def result_type(tool: str, call: Call) -> PageType:
    """Memory files are preferences, everything else that a tool returns is evidence."""
    if tool == "Read" and any(_MEMORY_FILE.search(r) for r in call.reads):
        return PageType.PREFERENCE
    return PageType.EVIDENCE


def args_text(tool: str, args: dict[str, Any]) -> str:
    """A call as it stands in the context: its name and its arguments, strings as they are."""
    lines = [f"→ {tool}"]
    for key, value in args.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        lines.append(f"{key}: {shown}")
    return "\n".join(lines)


def content_text(content: Any) -> str:
    """A content field's text: a string, or its parts; what is no text stands as a bracketed mark."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return "" if content is None else json.dumps(content, ensure_ascii=False, default=str)
    return "\n".join(part for item in content if (part := _part_text(item)))


def _part_text(item: Any) -> str:
    if isinstance(item, str):
        return item
    if not isinstance(item, dict):
        return str(item)
    if isinstance(item.get("text"), str):
        return str(item["text"])
    if item.get("type") in ("image", "document"):
        source = item.get("source")
        media = source.get("media_type", "") if isinstance(source, dict) else ""
        return f"[{item['type']} {media}]".replace(" ]", "]")
    if item.get("type") == "tool_reference":
        return f"[tool {item.get('tool_name', '')}]"
    return json.dumps(item, ensure_ascii=False, default=str)
