"""The agent's loop: declare, ask for the prompt, answer,
act, report; and the harness's duties at boundaries.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clawweb.demo.agent.model import PLAN_PAGE, PREFERENCE_PAGE, Answer, Model, file_page
from clawweb.demo.agent.scratch import write_scratch
from clawweb.demo.agent.tools import Call, Result, Toolbox
from memory.client import ClawWeb, Event, Prompt, Session, event

KEYS_AT_ONCE = 100  # sessions asked for in one request
FIXED_TOKENS = 350  # what the agent sends beside our pages: its tool descriptions
COMPACT_EVERY = 14  # turns
FLUSH_BEFORE = 2  # turns before a compaction, so that a flush is seen by itself

#: The pages that the agent opens with: id, type, file, title.
OPENING = (
    ("rules", "bootstrap", "RULES.md", "House rules"),
    ("constraint:week", "constraint", "WEEK.md", "Rules for this week"),
    (PREFERENCE_PAGE, "preference", "PREFERENCES.md", "Preferences of the project"),
    (PLAN_PAGE, "plan", "PLAN.md", "Plan: open tickets"),
)


@dataclass
class Agent:
    """One run. ``on_turn`` is told after each turn (turn number, prompt, answer): for output and tests."""

    session: Session
    toolbox: Toolbox
    run: str  # goes into request ids, so that two runs never share one
    on_turn: Callable[[int, Prompt, Answer], None] = lambda *_: None
    model: Model = field(default_factory=Model)
    turn: int = 0
    _queue: list[Event] = field(default_factory=list)
    _pages: set[str] = field(default_factory=set)
    _read: set[str] = field(default_factory=set)  # files whose page is as the disk has them
    _talk: list[str] = field(default_factory=list)  # conversation pages since the last compaction
    _asked: str = ""
    _updates: int = 0

    # -- the loop --------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Brings the rules, the preferences and the plan in."""
        for page_id, kind, path, title in OPENING:
            text = (self.toolbox.root / path).read_text("utf-8")
            self._page(page_id, kind, text, title, ("file", path), base_utility=2.0)
        self._send()

    def one_turn(self) -> None:
        """Prompt, answer, calls; then what the harness does on its own."""
        self.turn += 1
        self._bring_the_users_words()
        self._send()
        request_id = f"{self.run}-t{self.turn}"
        prompt = self.session.prompt(request_id, FIXED_TOKENS, deadline_s=600)
        answer = self.model.answer(prompt)
        self._report_answer(request_id, prompt, answer)
        for number, call in enumerate(answer.calls, 1):
            self._execute(f"{request_id}-c{number}", call)
        if answer.plan is not None:
            self._write_plan(answer.plan, answer.bad_base)
        self._send()
        self.on_turn(self.turn, prompt, answer)
        self._boundaries(answer)

    def end(self, reason: str) -> None:
        """Closes the session; what is dirty is written back first."""
        self._queue.append(event("boundary", kind="shutdown", trigger=reason))
        self._queue.append(event("session_ended", reason=reason))
        self._send()

    def _send(self) -> None:
        if self._queue:
            self.session.append(self._queue)
            self._queue = []

    # -- pages -----------------------------------------------------------------------------------------

    def _page(
        self, page_id: str, kind: str, text: str, title: str, provenance: tuple[str, str], **more: Any
    ) -> None:
        """Queues the page's creation, or its new version where the table has it."""
        where = {"kind": provenance[0], "ref": provenance[1]}
        if page_id in self._pages:
            self._queue.append(
                event("page_updated", page_id=page_id, text=text, type=kind, durable=True, what="read again",
                      title=title, provenance=where)
            )  # fmt: skip
            return
        self._pages.add(page_id)
        page = {"page_id": page_id, "type": kind, "text": text, "title": title, "provenance": where, **more}
        self._queue.append(event("page_created", page=page))

    def _bring_the_users_words(self) -> None:
        ask = self.model.ask
        if ask == self._asked:
            return
        self._asked = ask
        page_id = f"ask:{self.turn}"
        self._page(page_id, "conversation", ask, f"User: {ask[:60]}", ("span", page_id), base_utility=3.0)
        self._talk.append(page_id)
        self._queue.append(
            event("demand_declared", page_id=page_id, fidelity="full", rule="the user's words")
        )

    def _report_answer(self, request_id: str, prompt: Prompt, answer: Answer) -> None:
        page_id = f"say:{self.turn}"
        self._page(page_id, "conversation", answer.text, f"Agent: {answer.text[:60]}", ("span", request_id))
        self._talk.append(page_id)
        self._queue.append(
            event(
                "model_answered",
                client_event_id=f"answered:{request_id}",
                request_id=request_id,
                page_id=page_id,
                prompt_sha256=hashlib.sha256(prompt.body).hexdigest(),  # of the bytes that the model got
                usage={"input": prompt.tokens + FIXED_TOKENS, "output": max(1, len(answer.text) // 4)},
                stop_reason="tool_use" if answer.calls or answer.opens else "end_turn",
            )
        )
        for opened in answer.opens:
            self._queue.append(
                event("demand_observed", page_id=opened, fidelity="full", rule="handle_opened",
                      evidence=f"answer {self.turn}")
            )  # fmt: skip
        for wanted in (*answer.opens, *answer.keeps):
            self._queue.append(
                event("demand_declared", page_id=wanted, fidelity="full", rule="needed for the next step")
            )

    # -- tools -----------------------------------------------------------------------------------------

    def _execute(self, call_id: str, call: Call) -> None:
        """Runs the call for real and reports it; its result is a page with the identity of what was asked."""
        result = self.toolbox.run(call)
        page_id = _result_page(call)
        resources = [f"file:{call.path}"] if call.path else ["workspace"]
        body: dict[str, Any] = {"call_id": call_id, "tool": call.tool, "args": call.args, "kind": call.kind}
        body["writes" if call.kind == "write" else "reads"] = resources
        repeats = page_id in self._pages and call.kind == "read"
        (self._read.discard if call.kind == "write" else self._read.add)(call.path)
        self._queue.append(event("tool_called", **body))
        if repeats:
            self._queue.append(
                event(
                    "demand_observed", page_id=page_id, fidelity="full", rule="read_again", evidence=call_id
                )
            )
        if page_id and not (result.error and call.tool == "read_file"):
            self._result(call_id, page_id, call, result, resources)
        else:
            self._queue.append(event("tool_returned", call_id=call_id, error=result.error))

    def _result(self, call_id: str, page_id: str, call: Call, result: Result, resources: list[str]) -> None:
        title = f"{call.tool} {call.path or call.args.get('name') or call.args.get('pattern', '')}"
        hint = {
            "tool": "read" if call.tool == "read_file" else call.tool,
            "path": call.path,
            "error": result.error,
        }
        self._page(
            page_id,
            "evidence",
            result.text,
            title,
            ("tool_call", call_id),
            base_utility=5.0,
            recompute_cost=12.0 if call.kind == "write" else 8.0,
            resources=resources,
            hint=hint,
        )
        if call.tool == "run_check":
            self._queue.append(
                event("demand_declared", page_id=page_id, fidelity="full", rule="newest check")
            )
        self._queue.append(event("tool_returned", call_id=call_id, page_id=page_id, error=result.error))

    def _write_plan(self, text: str, bad_base: bool) -> None:
        """The plan's new text: on disk, as the page's working version, and staged as a typed update."""
        self._updates += 1
        version = int(self.session.page(PLAN_PAGE)["version"])
        (self.toolbox.root / "PLAN.md").write_text(text, "utf-8")
        self._queue.append(
            event("page_updated", page_id=PLAN_PAGE, text=text, type="plan", what="a ticket was ticked")
        )
        update = {
            "update_id": f"{self.run}-u{self._updates}",
            "page_id": PLAN_PAGE,
            "field": "text",
            "op": "set_with_version",
            "value": text,
            "scope": "session",
            "evidence_ref": f"say:{self.turn}",
            "base_version": version + 7 if bad_base else version,
        }
        self._queue.append(event("write_staged", update=update))

    # -- boundaries ------------------------------------------------------------------------------------

    def _boundaries(self, answer: Answer) -> None:
        """A flush, then a compaction every so many turns; a reset when the whole list of tasks is done."""
        if answer.done and self.model.task == 0:
            self._reset()
        elif self.turn % COMPACT_EVERY == COMPACT_EVERY - FLUSH_BEFORE:
            self._queue.append(event("boundary", kind="flush", trigger="schedule"))
        elif self.turn % COMPACT_EVERY == 0:
            self._compact()
        self._send()

    def _compact(self) -> None:
        summary = f"summary:{self.turn}"
        text = f"Up to turn {self.turn}: {len(self._talk)} pieces of dialogue. The task now: {self._asked}"
        self._page(
            summary, "conversation", text, f"Summary at turn {self.turn}", ("span", summary), base_utility=4.0
        )
        self._queue.append(event("boundary", kind="compaction", trigger="auto", summary_page=summary))
        self._retire_talk(f"stands in {summary}")
        self._talk = [summary]

    def _reset(self) -> None:
        self._queue.append(event("boundary", kind="reset", trigger="all tasks done"))
        self._retire_talk("before the reset")
        self._asked = ""
        for path in write_scratch(self.toolbox.root):
            if path in self._read:
                self._read.discard(path)
                self._queue.append(
                    event(
                        "page_superseded", page_id=file_page(path), reason="the scratch folder was put back"
                    )
                )
        for page_id, kind, path, title in OPENING:
            if page_id == PLAN_PAGE:
                text = (self.toolbox.root / path).read_text("utf-8")
                self._page(page_id, kind, text, title, ("file", path))

    def _retire_talk(self, reason: str) -> None:
        self._queue += [event("page_retired", page_id=page_id, reason=reason) for page_id in self._talk]
        self._talk = []


def _result_page(call: Call) -> str:
    """The identity of a result: one file, one search and one check are one page each; a write has none."""
    if call.tool == "read_file":
        return file_page(call.path)
    if call.tool == "run_check":
        return f"check:{call.args['name']}"
    return f"grep:{call.args['pattern']}" if call.tool == "grep" else ""


def free_key(claw: ClawWeb, prefix: str) -> str:
    """``prefix-<n>``, n one above the highest of the sessions there are; those of sub-agents do not count."""
    highest = offset = 0
    own = re.compile(rf"{re.escape(prefix)}-(\d{{1,9}})")
    while True:
        window = claw.sessions(search=f"{prefix}-", offset=offset, limit=KEYS_AT_ONCE)
        found = [own.fullmatch(item["key"]) for item in window["items"]]
        highest = max([highest, *(int(match[1]) for match in found if match)])
        offset += len(found)
        if not found or offset >= int(window["total"]):
            return f"{prefix}-{highest + 1}"


def run_agent(
    url: str,
    token: str,
    *,
    turns: int | None = 60,
    pace_s: float = 1.5,
    budget: int = 4000,
    scratch: Path | None = None,
    key: str = "",
    on_turn: Callable[[int, Prompt, Answer], None] = lambda *_: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Session:
    """Runs the agent to ``turns`` (None: until stopped) and
    closes its session. Raises what `memory.client` raises.
    """
    with ExitStack() as stack:
        claw = stack.enter_context(ClawWeb(url, token, retry_for_s=600))
        root = scratch or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clawweb-agent-")))
        write_scratch(root)
        session = open_session(claw, key, budget)
        agent = Agent(session, Toolbox(root), session.info["key"], on_turn)
        agent.begin()
        reason = "stopped"
        try:
            while not should_stop():
                agent.one_turn()
                if turns is not None and agent.turn >= turns:
                    reason = "done"
                    break
                time.sleep(pace_s)
        finally:
            claw.retry_for_s = 5.0  # a server that is gone must not keep us from ending
            agent.end(reason)
        return session


def open_session(claw: ClawWeb, key: str, budget: int) -> Session:
    """A fresh enforced session under ``clawweb``; without a key, the next free ``agent-<n>``."""
    started = {
        "policy": "clawweb",
        "model": "scripted",
        "window": budget + 2000,
        "window_source": "configured",
        "reserve": 1000,
        "budget": budget,
    }
    for _ in range(20):
        wanted = key or free_key(claw, "agent")
        session = claw.session(
            wanted, harness="scripted", mode="enforced", name=f"Scripted agent {wanted}", started=started
        )
        if session.created:
            return session
        if key:
            raise ValueError(f"a session with the key {key!r} exists already")
    raise ValueError("no free session key was found")
