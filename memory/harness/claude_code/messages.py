"""User and assistant records: prompts, answers, calls and results."""

from __future__ import annotations

import re
from typing import Any, Final

from memory.core.types import PageType
from memory.harness.claude_code import demands
from memory.harness.claude_code.context import Context
from memory.harness.claude_code.identity import (
    AGENT_TOOLS,
    EDIT_TOOLS,
    PLAN_TOOLS,
    OpenCall,
    args_text,
    call_title,
    clean_id,
    content_text,
    hint_of,
    native_id,
    one_line,
    recompute_cost,
    result_page_id,
    result_type,
    whole,
)
from memory.harness.claude_code.lifecycle import gone_rules, hold, reset, same_rule, summary, with_handles
from memory.harness.claude_code.rules import Rule, find_rules
from memory.harness.signature import describe

#: A command of the program: its record begins with this markup, and a text that only quotes it is a prompt.
_COMMAND = re.compile(
    r"\s*(?:<command-message>[^<]{0,1000}</command-message>\s*)?<command-name>\s*(/?[^<\s]*)\s*</command-name>"
)
_SKILL = re.compile(r"Base directory for this skill: \S*?/?([^/\s]+)\s*(?:\n|$)")
_CONTROL_TEXT: Final = (
    "<local-command-", "<command-", "<bash-", "<task-notification>", "[Request interrupted",
    "Caveat: The messages below", "<user-memory-input>", "<system-reminder>",
)  # fmt: skip
THINKING: Final = "[thinking]"  # head of a page part that is the model's thinking
CLEAR: Final = frozenset({"/clear", "/reset", "/new"})


def _message(record: dict[str, Any]) -> dict[str, Any]:
    message = record.get("message")
    return message if isinstance(message, dict) else {}


def is_synthetic(record: dict[str, Any]) -> bool:
    """Whether the program wrote the answer itself (an error, a limit): no model was called."""
    return _message(record).get("model") == "<synthetic>" or bool(record.get("isApiErrorMessage"))


def shown_text(record: dict[str, Any]) -> str:
    return content_text(_message(record).get("content"))


def prompt_tokens(record: dict[str, Any]) -> int | None:
    """The whole prompt of the call as the provider counted it; ``None`` where the record does not say."""
    usage = _message(record).get("usage")
    if not isinstance(usage, dict):
        return None
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return sum(whole(usage.get(k)) or 0 for k in names) or None


def assistant(context: Context, record: dict[str, Any]) -> None:
    """A line of an answer, one page each. The first of a message id begins a turn and has the usage."""
    message = _message(record)
    native = native_id(message.get("id"), record.get("requestId"), context.uuid, f"record-{context.n}")
    part = context.answers[native] = context.answers.get(native, 0) + 1
    if part == 1:
        _prompt(context, native, record)
    shown: list[str] = []
    spoken: list[str] = []
    calls: list[OpenCall] = []
    content = message.get("content")
    for block in content if isinstance(content, list) else [{"type": "text", "text": content}]:
        _block(context, block, shown, spoken, calls)
    page_id = clean_id(f"msg:{context.uuid or f'{native}#{part}'}") if shown else None
    if page_id is not None:
        _answer_page(context, page_id, native, shown, calls)
    if part == 1 or page_id is not None:
        _answered(context, native, page_id, message, first=part == 1)
    edits = (c for c in calls if c.tool in EDIT_TOOLS)
    written = [v for c in edits for k, v in c.args.items() if isinstance(v, str) and not k.endswith("path")]
    context.demand(demands.of_text(context.index, context.pages, [*spoken, *written]))
    for call in calls:
        context.called(call)
        text = context.plan.call(call.tool, call.args)
        if text is not None:
            plan_page(context, text, call.tool, call.call_id)


def _prompt(context: Context, native: str, record: dict[str, Any]) -> None:
    message = _message(record)
    usage = message.get("usage")
    cached = usage.get("cache_read_input_tokens") if isinstance(usage, dict) else None
    context.turn += 1
    context.demanded = {}
    context.recorded = prompt_tokens(record)
    context.emit(
        "prompt_observed",
        {
            "request_id": native,
            "recorded_tokens": context.recorded,
            "cached_tokens": whole(cached),
            "model": str(message.get("model") or "")[:120],
        },
    )


def _block(context: Context, block: Any, shown: list[str], spoken: list[str], calls: list[OpenCall]) -> None:
    """One content block: what stands in the context, what was said in words, and a call."""
    if not isinstance(block, dict):
        return
    kind = block.get("type")
    if kind == "text" and isinstance(block.get("text"), str) and block["text"]:
        shown.append(block["text"])
        spoken.append(block["text"])
    elif kind == "thinking" and isinstance(block.get("thinking"), str) and block["thinking"]:
        shown.append(f"{THINKING}\n{block['thinking']}")
        spoken.append(block["thinking"])
    elif kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
        call = _open_call(context, block)
        if call is not None:
            kept = call.tool in ("TodoWrite", "ExitPlanMode")  # its arguments are the plan page
            shown.append(f"→ {call.tool} [page:plan]" if kept else args_text(call.tool, call.args))
            calls.append(call)


def _open_call(context: Context, block: dict[str, Any]) -> OpenCall | None:
    call_id = native_id(block.get("id"), f"call-{context.n}-{len(context.calls)}")
    if call_id in context.calls:
        return None
    tool = str(block.get("name") or "?")[:120]
    args = block["input"] if isinstance(block.get("input"), dict) else {"input": block.get("input")}
    described = describe(tool, args, context.cwd, context.root)
    page_id = result_page_id(tool, args, described)
    call = OpenCall(call_id, tool, args, described, page_id, call_title(tool, args, described), context.n)
    context.calls[call_id] = call
    return call


def _answer_page(
    context: Context, page_id: str, native: str, shown: list[str], calls: list[OpenCall]
) -> None:
    said = next((text for text in shown if not text.startswith((THINKING, "→"))), "")
    title = said or (
        "→ " + ", ".join(call.title for call in calls) if calls else f"Thinking: {shown[0][11:]}"
    )
    context.page(
        page_id,
        PageType.CONVERSATION,
        "\n\n".join(shown),
        title=one_line(title),
        provenance=("span", native),
        hint={"calls": [call.title for call in calls]} if calls else None,
    )


def _answered(
    context: Context, native: str, page_id: str | None, message: dict[str, Any], *, first: bool
) -> None:
    held = message.get("usage")
    usage: dict[str, Any] = held if first and isinstance(held, dict) else {}
    names = {
        "input_tokens": "input",
        "output_tokens": "output",
        "cache_read_input_tokens": "cache_read",
        "cache_creation_input_tokens": "cache_write",
    }
    context.emit(
        "model_answered",
        {
            "request_id": native,
            "usage": {ours: usage[k] for k, ours in names.items() if whole(usage.get(k)) is not None},
            "page_id": page_id,
            "stop_reason": str(message.get("stop_reason") or "")[:60],
        },
    )


def user(context: Context, record: dict[str, Any]) -> None:
    """A user record: a prompt, tool results, a command of the program, or a compaction's summary."""
    content = _message(record).get("content")
    if record.get("isCompactSummary"):
        summary(context, content_text(content))
        return
    texts: list[Any] = []
    if isinstance(content, list):
        for part in content:
            if isinstance(part, dict) and part.get("type") == "tool_result":
                _result(context, part, record.get("toolUseResult"))
            else:
                texts.append(part)
    else:
        texts.append(content)
    text = content_text(texts if isinstance(content, list) else content)
    if text:
        prompt(context, text, meta=bool(record.get("isMeta")))


def prompt(
    context: Context, text: str, *, meta: bool = False, native: str = "", queued: bool = False
) -> None:
    """A user's text (or the program's in its name): a page, and a page for each rule that it states."""
    native = native or context.uuid or f"record-{context.n}"
    command = _COMMAND.match(text[:4_000])
    if command and command.group(1) in CLEAR:
        reset(context, command.group(1))
    skill = _SKILL.match(text[:1_000]) if meta else None
    if skill:
        _skill_page(context, skill.group(1), text, native)
        return
    by_program = meta or text.startswith(_CONTROL_TEXT)
    if by_program and not (command and command.group(1) not in CLEAR):
        title = one_line(re.sub(r"</?[a-z-]+>", " ", text[:400]), 80)
    elif command:
        args = text[:20_000].partition("<command-args>")[2].partition("</command-args>")[0]
        title = one_line(f"{command.group(1)} {args}")
    else:
        title = one_line(text)
        if not context.title:
            context.title = title
            context.noted("title", title=title, source="prompt")
    rules, lines = ([], [text]) if by_program else find_rules(text)
    page_id = clean_id(f"msg:{native}")
    body = text
    ids = _rule_ids(context, rules, native)
    if rules:
        body = "\n".join(f"[page:{ids[int(line[1:]) - 1]}]" if line[:1] == "\0" else line for line in lines)
    quoted = {} if by_program else gone_rules(context, body)
    body = with_handles(body, quoted)
    context.page(page_id, PageType.CONVERSATION, body, title=title, provenance=("span", native))
    hold(context, quoted, page_id, "a later prompt")
    _rule_pages(context, rules, ids, native)


def _skill_page(context: Context, name: str, text: str, native: str) -> None:
    context.page(
        clean_id(f"skill:{name}"),
        PageType.EVIDENCE,
        text,
        title=f"Skill {name}",
        provenance=("span", native),
        recompute_cost=6.0,
    )


def _rule_ids(context: Context, rules: list[Rule], native: str) -> list[str]:
    """A page for each rule: of its own, or the one of the same rule that a boundary took out."""
    gone = sorted(context.gone)
    ids: list[str] = []
    for number, rule in enumerate(rules, 1):
        again = (g for g in gone if g not in ids and same_rule(context.rules[g], rule.text))
        ids.append(next(again, f"{clean_id(f'rule:{native}')}#{number}"))
    return ids


def _rule_pages(context: Context, rules: list[Rule], ids: list[str], native: str) -> None:
    for rule, rule_id in zip(rules, ids, strict=True):
        # Soft: nothing that an operator did not confirm is pinned hard, stated or guessed.
        more: dict[str, Any] = {"pin": "soft", **({"inferred": True} if rule.inferred else {})}
        context.rules[rule_id] = rule.text
        context.page(
            rule_id,
            PageType.CONSTRAINT,
            rule.text,
            title=one_line(rule.text.strip(" -*#")),
            provenance=("span", native),
            base_utility=7.0,
            **more,
        )


def _result(context: Context, part: dict[str, Any], structured: Any) -> None:
    """A tool's result: its page's new version, and the call's end. Without its call it is unpaired."""
    call_id = native_id(part.get("tool_use_id"), f"result-{context.n}")
    text = content_text(part.get("content"))
    error = bool(part.get("is_error"))
    call = context.calls.get(call_id)
    if call is None:
        page_id = clean_id(f"result:{call_id}")
        title = "Result without its call"
        context.page(
            page_id,
            PageType.EVIDENCE,
            text,
            title=title,
            provenance=("tool_call", call_id),
            recompute_cost=6.0,
        )
        context.emit("tool_returned", {"call_id": call_id, "page_id": page_id, "error": error})
        return
    failed = error and call.tool != "Bash"
    page_id = (
        clean_id(f"failed:{call_id}") if failed or text.startswith("The user doesn't want") else call.page_id
    )
    own = page_id == call.page_id
    context.page(
        page_id,
        result_type(call.tool, call.call) if own else PageType.EVIDENCE,
        text,
        title=call.title if own else f"Failed: {call.title}",
        provenance=("tool_call", call_id),
        hint=hint_of(call.tool, call.args, call.call, error),
        resources=_depends(call) if own else (),
        what="called again",
        call_id=call_id,
        recompute_cost=recompute_cost(call.tool),
    )
    context.results[call.call.signature] = page_id
    context.emit("tool_returned", {"call_id": call_id, "page_id": page_id, "error": error})
    if call.tool in PLAN_TOOLS and not error:
        plan = context.plan.result(call.tool, call.args, text, structured)
        if plan is not None:
            plan_page(context, plan, call.tool, call_id)
    if (
        call.tool in AGENT_TOOLS
        and isinstance(structured, dict)
        and isinstance(structured.get("agentId"), str)
    ):
        agent = structured["agentId"][:200]
        context.emit("page_linked", {"page_id": page_id, "session": agent, "relation": "sub_agent"})


def _depends(call: OpenCall) -> tuple[str, ...]:
    """What a result depends on; an edit's answer depends on nothing (it says what was done)."""
    if call.call.writes:
        return ()
    return call.call.reads or (("workspace",) if call.tool == "Bash" else ())


def plan_page(context: Context, text: str, tool: str, ref: str) -> None:
    """The plan's new version; the harness keeps its own durable copy."""
    hint = {"goal": context.title} if context.title else None
    context.page(
        "plan",
        PageType.PLAN,
        text,
        title="Plan",
        provenance=("tool_call", ref),
        hint=hint,
        what=tool,
        base_utility=6.0,
    )


def queue(context: Context, record: dict[str, Any]) -> None:
    """Prompts typed while the agent works. Versions that write attachments record their delivery there.

    In older ones a queued prompt that is *removed* was
    delivered in the middle of a turn and stands nowhere else.
    """
    operation = record.get("operation")
    content = record.get("content")
    if operation == "enqueue" and isinstance(content, str):
        context.queue.append((content, str(record.get("timestamp") or context.n)))
    elif operation == "remove" and context.queue:
        text, when = context.queue.pop(0)
        if not context.attachments:
            prompt(context, text, native=f"queue:{when}", queued=True)
    elif operation in ("dequeue", "popAll") and context.queue:
        del context.queue[: 1 if operation == "dequeue" else None]
