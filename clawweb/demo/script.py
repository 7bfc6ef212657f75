"""The scripted model: what it answers to each request of the program.

The plot (``plot.py``) is a list of turns; a turn is a user prompt and the steps
that the model takes for it. A step is one model call: some text, and the tool calls
that the program then really executes. This module holds the vocabulary of steps and
the `Player` that hands them out, one for each request that the program makes.

The player tells four sorts of request apart: the main conversation, a sub-agent's conversation, a compaction
(the program asks for a summary), and anything else (titles and the like). After a compaction it first plays
that compaction's *aftermath*: what an agent does that has lost part of its context.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

# Keys of a tool input that hold a path of the project; the plot writes them relative to its root.
_PATH_KEYS = ("file_path", "path")

_WRITTEN = Path(__file__).parent / "written"

# What the program says when it refuses to change a file whose current text the model has not seen. A model
# reads the file and tries again; so does the player, wherever in the plot it happens.
_UNREAD = ("has not been read yet", "modified since read", "must be read")

# What the program's own request for a summary says in its last message, and no prompt of the plot does.
_COMPACTION_MARK = "detailed summary of the conversation"


@dataclass(frozen=True)
class Call:
    """One tool call of an answer."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One model call: text, reasoning and the tool calls made with it. A step without calls ends the turn."""

    calls: tuple[Call, ...] = ()
    text: str = ""
    thinking: str = ""


@dataclass(frozen=True)
class Turn:
    """A user prompt and the steps that answer it. ``/compact …`` is a prompt as well, and needs no steps."""

    prompt: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class SubAgent:
    """The steps of a sub-agent, found by the prompt that the main conversation starts it with."""

    prompt: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Compaction:
    """The summary that a compaction is answered with, and what the agent does right after it."""

    summary: str
    aftermath: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Plot:
    """Everything that the scripted model knows."""

    turns: tuple[Turn, ...]
    subagents: tuple[SubAgent, ...]
    compactions: tuple[Compaction, ...]


@dataclass(frozen=True)
class Answer:
    """What the server sends: content blocks of the Messages API, and why the model stopped."""

    kind: str
    blocks: tuple[Mapping[str, Any], ...]
    stop_reason: str


def say(text: str, thinking: str = "") -> Step:
    """Text alone: the answer that ends a turn."""
    return Step(text=text, thinking=thinking)


def do(*calls: Call, text: str = "", thinking: str = "") -> Step:
    """Tool calls made in one answer, in parallel where there are several."""
    return Step(calls=calls, text=text, thinking=thinking)


def read(path: str, offset: int | None = None, limit: int | None = None) -> Call:
    """Read a file, or some lines of it."""
    arguments: dict[str, Any] = {"file_path": path}
    if offset is not None:
        arguments["offset"] = offset
    if limit is not None:
        arguments["limit"] = limit
    return Call("Read", arguments)


def grep(pattern: str, path: str = ".", glob: str | None = None) -> Call:
    """Search file contents; lines with their numbers."""
    arguments: dict[str, Any] = {"pattern": pattern, "path": path, "output_mode": "content", "-n": True}
    if glob is not None:
        arguments["glob"] = glob
    return Call("Grep", arguments)


def find(pattern: str, path: str = ".") -> Call:
    """Find files by name."""
    return Call("Glob", {"pattern": pattern, "path": path})


def edit(path: str, old: str, new: str) -> Call:
    """Replace one passage of a file."""
    return Call("Edit", {"file_path": path, "old_string": old, "new_string": new, "replace_all": False})


def write(path: str, content: str) -> Call:
    """Write a whole file."""
    return Call("Write", {"file_path": path, "content": content})


def written(name: str) -> str:
    """A longer text that the scripted model writes, kept as a file of its own."""
    return (_WRITTEN / f"{name}.txt").read_text(encoding="utf-8")


def bash(command: str, description: str) -> Call:
    """Run a command in the project's folder."""
    return Call("Bash", {"command": command, "description": description})


def task(subject: str, description: str) -> Call:
    """Add an item to the program's plan."""
    return Call("TaskCreate", {"subject": subject, "description": description, "activeForm": subject})


def task_set(number: int, status: str) -> Call:
    """Set the state of an item of the plan: pending, in_progress, completed or deleted."""
    return Call("TaskUpdate", {"taskId": str(number), "status": status})


def tasks() -> Call:
    """List the plan."""
    return Call("TaskList", {})


def delegate(description: str, prompt: str, kind: str = "Explore") -> Call:
    """Start a sub-agent and wait for it."""
    return Call(
        "Agent",
        {"description": description, "prompt": prompt, "subagent_type": kind, "run_in_background": False},
    )


def recall(query: str) -> Call:
    """Search the project's notes through their MCP server."""
    return Call("mcp__notes__search", {"query": query})


def remember(title: str, text: str) -> Call:
    """Add a note through the MCP server."""
    return Call("mcp__notes__add", {"title": title, "text": text})


def message_text(message: Mapping[str, Any]) -> str:
    """All text of a message of a request, tool results left out."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(part.get("text", "") for part in content if part.get("type") == "text")


def _errors(message: Mapping[str, Any]) -> list[str]:
    """The texts of the failed tool results in a message."""
    found: list[str] = []
    content = message.get("content")
    for part in content if isinstance(content, list) else []:
        if part.get("type") == "tool_result" and part.get("is_error"):
            inner = part.get("content")
            found.append(inner if isinstance(inner, str) else json.dumps(inner))
    return found


@dataclass
class Player:
    """Hands out the plot's steps. One for each recording; the server calls it from its request threads."""

    plot: Plot
    root: PurePosixPath
    compactions_done: int = 0
    served: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[Step] = deque()
        self._sub_queues = {agent.prompt: deque(agent.steps) for agent in self.plot.subagents}
        self._last: Step | None = None
        self._after_compaction = False
        self._calls = 0

    def begin(self, turn: Turn) -> None:
        """A new user prompt is about to be sent."""
        with self._lock:
            # A manual compaction leaves its aftermath to the prompt that follows.
            aftermath = self._queue if self._after_compaction else deque()
            if self._queue and not aftermath:
                self.problems.append(f"{len(self._queue)} steps left before {turn.prompt[:40]!r}")
            self._queue = deque((*aftermath, *turn.steps))
            self._after_compaction = False
            self._last = None

    def left(self) -> int:
        """Steps of the current turn that no request has taken yet."""
        return len(self._queue)

    def classify(self, body: Mapping[str, Any]) -> tuple[str, str]:
        """The sort of a request, and the key of its conversation (the prompt, for a sub-agent)."""
        messages: Sequence[Mapping[str, Any]] = body.get("messages") or []
        spoken = [message_text(message) for message in messages if message.get("role") == "user"]
        if spoken and _COMPACTION_MARK in spoken[-1]:
            return "compaction", "main"
        if not body.get("tools"):
            return "side", "side"
        for prompt in self._sub_queues:
            if spoken and spoken[0].rstrip().endswith(prompt):
                return "subagent", prompt
        return "main", "main"

    def answer(self, body: Mapping[str, Any]) -> Answer:
        """The answer to one request."""
        with self._lock:
            kind, key = self.classify(body)
            self.served[kind] = self.served.get(kind, 0) + 1
            if kind == "compaction":
                return self._summarise()
            if kind == "side":
                return Answer(kind, ({"type": "text", "text": "Tallybook security work"},), "end_turn")
            if kind == "subagent":
                queue = self._sub_queues[key]
                step = queue.popleft() if queue else say("That is all I found.")
                return self._render(kind, step)
            return self._render(kind, self._next_main(body["messages"]))

    def _summarise(self) -> Answer:
        index = min(self.compactions_done, len(self.plot.compactions) - 1)
        compaction = self.plot.compactions[index]
        if self.compactions_done < len(self.plot.compactions):
            # In front of what is left of the turn: the agent has to find its way again first. After a manual
            # compaction nothing is left, and the next prompt's steps follow.
            self._queue.extendleft(reversed(compaction.aftermath))
        else:
            self.problems.append("more compactions than the plot has summaries")
        self.compactions_done += 1
        self._after_compaction = True
        self._last = None
        return Answer("compaction", ({"type": "text", "text": compaction.summary},), "end_turn")

    def _next_main(self, messages: Sequence[Mapping[str, Any]]) -> Step:
        tail = messages[-1] if messages else {}
        for error in _errors(tail):
            step = self._last
            if step is None or not any(mark in error for mark in _UNREAD):
                continue
            changed = [call for call in step.calls if call.name in ("Edit", "Write")]
            if changed:
                self._queue.appendleft(Step(calls=step.calls))
                path = changed[0].arguments["file_path"]
                self._last = do(read(path), text="I need the current text of that file first.")
                return self._last
        self._after_compaction = False
        if not self._queue:
            self.problems.append("a request came with no step left")
            return say("Nothing is left to do here.")
        self._last = self._queue.popleft()
        return self._last

    def _render(self, kind: str, step: Step) -> Answer:
        blocks: list[Mapping[str, Any]] = []
        if step.thinking:
            blocks.append({"type": "thinking", "thinking": step.thinking})
        if step.text:
            blocks.append({"type": "text", "text": step.text})
        for call in step.calls:
            self._calls += 1
            blocks.append(
                {
                    "type": "tool_use",
                    "id": f"toolu_demo{self._calls:05d}",
                    "name": call.name,
                    "input": self._absolute(call.arguments),
                }
            )
        return Answer(kind, tuple(blocks), "tool_use" if step.calls else "end_turn")

    def _absolute(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        made = dict(arguments)
        for key in _PATH_KEYS:
            if key in made:
                made[key] = str(self.root / made[key])
        return made
