"""Attachments: what the program puts into the context by itself, as far as the record holds its text."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from memory.core.types import PageType
from memory.harness.claude_code.context import Context
from memory.harness.claude_code.identity import INSTRUCTIONS, clean_id, content_text
from memory.harness.claude_code.lifecycle import gone_rules, hold, with_handles
from memory.harness.claude_code.messages import plan_page, prompt
from memory.harness.signature import relative, resolve

#: Known, but their text is not in the record or belongs to the fixed part of the prompt: it stays in the
#: unseen segment.
UNSEEN: Final = frozenset(
    {"agent_listing_delta", "agent_mention", "already_read_file", "async_hook_response", "auto_mode",
     "auto_mode_exit", "command_permissions", "compact_file_reference", "compaction_reminder",
     "context_efficiency", "critical_system_reminder", "date_change", "deferred_tools_delta", "diagnostics",
     "directory", "dynamic_skill", "hook_blocking_error", "hook_cancelled", "hook_deferred_tool",
     "hook_error_during_execution", "hook_non_blocking_error", "hook_permission_decision",
     "hook_stopped_continuation", "hook_system_message", "mcp_instructions_delta", "mcp_resource",
     "opened_file_in_ide", "output_style", "output_token_usage", "pdf_reference", "plan_mode",
     "plan_mode_exit", "plan_mode_reentry", "selected_lines_in_ide", "skill_discovery", "skill_listing",
     "task_reminder", "task_status", "team_context", "teammate_mailbox", "todo_reminder", "token_usage",
     "ultrathink_effort", "verify_plan_reminder"}
)  # fmt: skip
_HOOKS_IN_CONTEXT: Final = frozenset({"SessionStart", "UserPromptSubmit"})


def attachment(context: Context, record: dict[str, Any]) -> bool:
    """An attachment record; False where its type is not known (it is noted then)."""
    held = record.get("attachment")
    item: dict[str, Any] = held if isinstance(held, dict) else {}
    kind = str(item.get("type") or "")
    context.attachments = True
    if kind == "file":
        _file(context, item)
    elif kind in ("nested_memory", "relevant_memories"):
        _memories(context, item)
    elif kind == "edited_text_file":
        _edited(context, item)
    elif kind == "queued_command":
        text = content_text(item.get("prompt"))
        if text:
            prompt(context, text, meta=bool(item.get("isMeta")), queued=True)
    elif kind in ("hook_additional_context", "hook_success"):
        _hook(context, item, kind)
    elif kind == "plan_file_reference" and isinstance(item.get("planContent"), str):
        plan_page(context, item["planContent"], kind, str(item.get("planFilePath") or context.uuid))
    elif kind == "invoked_skills":
        _skills(context, item)
    elif kind not in UNSEEN:
        context.noted("unknown attachment", type=kind[:80])
        return False
    return True


def _file(context: Context, item: dict[str, Any]) -> None:
    """A file put in by name, or again after a compaction: the same page as a read of the same lines."""
    content = item.get("content")
    file = content.get("file") if isinstance(content, dict) else None
    if not isinstance(file, dict) or not isinstance(file.get("content"), str):
        return
    path = resolve(str(item.get("filename") or file.get("filePath") or "?"), context.cwd)
    start, lines, total = (
        file.get(k) if isinstance(file.get(k), int) else None for k in ("startLine", "numLines", "totalLines")
    )
    span = ""
    if start is not None and lines is not None and not (start <= 1 and lines == total):
        span = f"#{start}-{start + lines - 1}"
    _path_page(context, path, file["content"], span, "attached")


def _path_page(context: Context, path: str, text: str, span: str, what: str) -> None:
    shown = relative(path, context.root or "")
    more: dict[str, Any]
    if INSTRUCTIONS.search(path):
        page_id, kind, more = clean_id(f"rules:{shown}"), PageType.BOOTSTRAP, {"base_utility": 9.0}
    else:
        page_id, kind, more = clean_id(f"read:{shown}{span}"), PageType.EVIDENCE, {"recompute_cost": 8.0}
    title = f"{shown} lines {span[1:].replace('-', '–')}" if span else shown
    context.page(
        page_id,
        kind,
        text,
        title=title,
        provenance=("file", path),
        hint={"tool": "Read", "path": shown},
        resources=(f"file:{path}",),
        what=what,
        **more,
    )


def _memories(context: Context, item: dict[str, Any]) -> None:
    """Instruction files become bootstrap pages, remembered notes preferences."""
    listed = item.get("memories")
    for one in listed if isinstance(listed, list) else [item]:
        if not isinstance(one, dict):
            continue
        content = one.get("content")
        text = content.get("content") if isinstance(content, dict) else content
        path = one.get("path") or (content.get("path") if isinstance(content, dict) else None)
        if not isinstance(text, str) or not isinstance(path, str):
            continue
        full = resolve(path, context.cwd)
        if item.get("type") == "nested_memory":
            shown = relative(full, context.root or "")
            page_id, kind, worth = clean_id(f"rules:{shown}"), PageType.BOOTSTRAP, 9.0
        else:
            shown = relative(full, context.root or "")
            page_id, kind, worth = clean_id(f"memory:{shown}"), PageType.PREFERENCE, 4.0
        context.page(
            page_id,
            kind,
            text,
            title=shown,
            provenance=("file", full),
            resources=(f"file:{full}",),
            what="loaded",
            base_utility=worth,
        )


def _edited(context: Context, item: dict[str, Any]) -> None:
    """A file that somebody else changed: what was read of it is old, and the change stands in the context."""
    path = resolve(str(item.get("filename") or "?"), context.cwd)
    shown = relative(path, context.root or "")
    page_id = clean_id(f"changed:{shown}")
    text = item.get("snippet") if isinstance(item.get("snippet"), str) else ""
    context.page(
        page_id,
        PageType.EVIDENCE,
        str(text),
        title=f"Changed outside: {shown}",
        provenance=("file", path),
        what="changed again",
        recompute_cost=8.0,
    )
    for other, page in context.pages.items():
        if not page.stale and f"file:{path}" in page.resources:
            page.stale = True
            context.emit(
                "page_superseded", {"page_id": other, "by": page_id, "reason": "changed outside the session"}
            )


def _hook(context: Context, item: dict[str, Any], kind: str) -> None:
    """What a hook added. It is the receipt of a pin that was sent, so its hash and place are noted."""
    event = str(item.get("hookEvent") or item.get("hookName") or "").split(":", 1)[0]
    text = content_text(item.get("content"))
    if not text or (kind == "hook_success" and event not in _HOOKS_IN_CONTEXT):
        return
    data = text.encode("utf-8", "surrogatepass")
    sha256 = hashlib.sha256(data).hexdigest()
    handles = text.count("[page:")
    context.noted(
        kind, hook=str(item.get("hookName") or event)[:200], sha256=sha256, bytes=len(data), handles=handles
    )
    name = str(item.get("hookName") or event or "hook")
    page_id = clean_id(f"hook:{name}:{sha256[:10]}")
    quoted = gone_rules(context, text)
    if handles == 0:  # what carries handles are pages that are in the table already
        context.page(
            page_id,
            PageType.CONVERSATION,
            with_handles(text, quoted),
            title=f"From the hook {name}"[:200],
            provenance=("span", context.uuid or f"record {context.n}"),
            what="sent again",
        )
    hold(context, quoted, page_id, f"what the hook {name[:80]} added")


def _skills(context: Context, item: dict[str, Any]) -> None:
    skills = item.get("skills")
    for one in skills if isinstance(skills, list) else ():
        if isinstance(one, dict) and isinstance(one.get("content"), str):
            name = str(one.get("name") or "skill")
            context.page(
                clean_id(f"skill:{name}"),
                PageType.EVIDENCE,
                one["content"],
                title=f"Skill {name}"[:200],
                provenance=("file", str(one.get("path") or name)),
                what="attached",
                recompute_cost=6.0,
            )
