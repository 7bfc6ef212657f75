"""Record by record: which kind it is, whose it is, and what it changes."""

from __future__ import annotations

import re
from typing import Any, Final

from memory.harness import Derived, RawRecord
from memory.harness.claude_code import lifecycle, messages
from memory.harness.claude_code.attachments import attachment
from memory.harness.claude_code.context import Context
from memory.harness.claude_code.identity import one_line
from memory.harness.jsonl import decode_line

#: Claude Code asks for at most this many tokens of answer by default; kept free for it.
OUTPUT_RESERVE: Final = 32_000
WINDOW: Final = 200_000  # published window of Claude models
#: Of those named ``[1m]``, or whose prompts are recorded as larger than the short one.
LONG_WINDOW: Final = 1_000_000

#: Types that hold nothing of the model's context (states of the program, copies, displays).
SILENT: Final = frozenset(
    {"progress", "file-history-snapshot", "file-history-delta", "last-prompt", "permission-mode", "mode",
     "pr-link", "tag", "agent-name", "agent-color", "agent-setting", "worktree-state", "content-replacement",
     "marble-origami-commit", "marble-origami-snapshot", "attribution-snapshot", "speculation-accept",
     "task-summary", "bridge-session", "relocated"}
)  # fmt: skip
#: Types that are read.
READ: Final = frozenset(
    {"assistant", "user", "system", "attachment", "queue-operation", "ai-title", "custom-title", "summary"}
)
TYPES: Final = SILENT | READ
HEAD_BYTES: Final = 64 * 1024
_TYPE_IN_HEAD = re.compile(rb'^\s*\{.*"type"\s*:\s*"(?:assistant|user|system|attachment)"', re.DOTALL)


class ClaudeCode:
    """Reads one transcript. Lines of sub-agents are never the context of the session they stand in."""

    name = "claude-code"
    version = "4"

    def __init__(self) -> None:
        self._c = Context()
        self._started = False
        self._seen: set[str] = set()  # record uuids: a resumed file repeats its history
        #: The agent whose own transcript this is ('' = the main one), once known.
        self._agent: str | None = None
        self._agents: set[str] = set()  # sub-agents that were noted
        self._chain = lifecycle.Chain()
        self._window = WINDOW
        self._model = ""

    def recognises(self, record: RawRecord) -> bool:
        """Whether a value of the record has a type of Claude Code's; see ``memory.harness.Adapter``."""
        if record.truncated:  # too long to be read: its head must do
            return _TYPE_IN_HEAD.search(record.raw[:HEAD_BYTES]) is not None
        types = (value.get("type") for value in decode_line(record.raw)[0] if isinstance(value, dict))
        return any(isinstance(kind, str) and kind in TYPES for kind in types)

    def feed(self, record: RawRecord) -> Derived:
        """The events of the next record; see ``memory.harness.Adapter``."""
        values, problem = decode_line(record.raw, record.truncated)
        derived = Derived(problem=problem)
        context = self._c
        for value in values:
            context.out, context.n = [], record.n
            if not isinstance(value, dict):
                derived.unknown = True
                continue
            try:
                known = self._one(value)
            except Exception as error:  # a record of a shape that nobody foresaw must not stop the rest
                derived.problem = (
                    derived.problem or f"{value.get('type')!s:.40}: {type(error).__name__}: {error!s:.120}"
                )
                known = True
            derived.events.extend(context.out)
            derived.unknown = derived.unknown or not known
        context.out = []
        return derived

    def _one(self, record: dict[str, Any]) -> bool:
        """One record; False where its type is not known."""
        context, kind = self._c, record.get("type")
        context.at = record["timestamp"][:40] if isinstance(record.get("timestamp"), str) else ""
        context.uuid = record["uuid"][:100] if isinstance(record.get("uuid"), str) else ""
        if isinstance(record.get("cwd"), str):
            context.cwd = record["cwd"]
            context.root = context.cwd if context.root is None else context.root
        if not self._started:
            self._start(record)
        if context.uuid:
            if context.uuid in self._seen:
                return True
            self._seen.add(context.uuid)
            self._chain.add(context.uuid, record)
        if kind in ("user", "assistant") and self._agent is None:
            self._agent = str(record.get("agentId") or "") if record.get("isSidechain") else ""
        if record.get("isSidechain") and str(record.get("agentId") or "") != (self._agent or None):
            self._sub_agent(record.get("agentId"))
            return True
        return self._dispatch(str(kind), record)

    def _dispatch(self, kind: str, record: dict[str, Any]) -> bool:
        context = self._c
        if kind == "assistant":
            if messages.is_synthetic(record):
                context.noted("synthetic answer", text=one_line(messages.shown_text(record), 300))
                return True
            self._model_and_window(record)
            messages.assistant(context, record)
            self._chain.leaf = context.uuid or self._chain.leaf
        elif kind == "user":
            lifecycle.rewind(context, self._chain, record)
            messages.user(context, record)
            self._chain.leaf = context.uuid or self._chain.leaf
        elif kind == "system":
            return lifecycle.system(context, self._chain, record)
        elif kind == "attachment":
            return attachment(context, record)
        elif kind == "queue-operation":
            messages.queue(context, record)
        elif kind in ("ai-title", "custom-title", "summary"):
            self._title(kind, record)
        elif kind == "progress":
            data = record.get("data")
            if isinstance(data, dict) and data.get("type") == "agent_progress":
                self._sub_agent(data.get("agentId"))
        return kind in TYPES

    def _start(self, record: dict[str, Any]) -> None:
        self._started = True
        settings = {
            k: str(record[k])[:200] for k in ("version", "cwd", "gitBranch", "sessionId") if record.get(k)
        }
        self._c.emit(
            "session_started",
            {
                "harness": "claude-code",
                "mode": "observed",
                "policy": "observed",
                "shadow_policy": "clawweb",
                "window": WINDOW,
                "window_source": "published",
                "reserve": OUTPUT_RESERVE,
                "settings": settings,
            },
        )

    def _model_and_window(self, record: dict[str, Any]) -> None:
        """The model is known from its first answer; a prompt larger than the window proves the long one."""
        message = record.get("message")
        model = str(message.get("model") or "")[:120] if isinstance(message, dict) else ""
        size = messages.prompt_tokens(record) or 0
        window = LONG_WINDOW if "[1m]" in model or max(size, self._window) > WINDOW else WINDOW
        body: dict[str, Any] = {}
        if model and model != self._model:
            self._model = body["model"] = model
        if window != self._window:
            self._window = body["window"] = window
        if body:
            self._c.emit("settings_changed", body)

    def _sub_agent(self, agent: Any) -> None:
        """Notes a sub-agent once; its records are its own session's."""
        name = str(agent or "side chain")[:100]
        if name not in self._agents:
            self._agents.add(name)
            self._c.noted("sub_agent", agent=name)

    def _title(self, kind: str, record: dict[str, Any]) -> None:
        text = next(
            (
                record[k]
                for k in ("aiTitle", "customTitle", "title", "summary")
                if isinstance(record.get(k), str)
            ),
            "",
        )
        # Old versions put other sessions' summaries at the head of the file: only a leaf that is here counts.
        if text and (kind != "summary" or record.get("leafUuid") in self._seen):
            self._c.noted("title", title=one_line(text, 200), source=kind)
