"""One worker, one task at a time: a long import takes its turns and leaves the others theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memory import tasks
from memory.client import ClawWeb, event
from memory.client import Session as Remote
from tests.support.poll import poll

RECORDS = 1_800
WORDS = "the parser reads a line and keeps what it could not read beside it "


@pytest.fixture
def continued(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made = tasks._Continued()
    monkeypatch.setattr(tasks, "_continued", made)
    yield made


class Queue:
    """A broker's queue, and a worker that does its messages in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, work: dict[str, int]) -> None:
        self.messages: list[tuple[str, ...]] = []
        self.done: list[str] = []
        self.work = work  # session → turns that it still needs

        def send(*args: str) -> bool:
            self.messages.append(args)
            return True

        def drain(session_id: str) -> bool:
            self.done.append(session_id)
            self.work[session_id] = max(0, self.work[session_id] - 1)
            return self.work[session_id] > 0

        monkeypatch.setattr(tasks, "send_drain", send)
        monkeypatch.setattr(tasks, "drain_now", drain)

    def run(self) -> list[str]:
        while self.messages:
            tasks.drain_session(*self.messages.pop(0))
        return self.done


def test_many_messages_of_one_session_are_one_turn_a_round(
    continued: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(monkeypatch, {"import": 4, "live": 1})
    queue.messages += [("import",)] * 40 + [("live",)]
    assert queue.run() == ["import", "live", "import", "import", "import"]
    queue.messages.append(("import",))  # nothing is on its way any more: a new message works again
    queue.run()
    assert queue.done[-1] == "import" and len(queue.done) == 6


def test_a_continuation_that_is_lost_blocks_its_session_only_for_a_while(
    continued: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(tasks.time, "monotonic", lambda: now[0])
    queue = Queue(monkeypatch, {"import": 3})
    tasks.drain_session("import")
    queue.messages.clear()  # the broker was killed
    tasks.drain_session("import")
    assert len(queue.done) == 1
    now[0] += tasks.CONTINUED_SECONDS
    tasks.drain_session("import")
    assert len(queue.done) == 2


def test_a_message_of_another_process_is_no_continuation_here(
    continued: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(monkeypatch, {"import": 1})
    tasks.drain_session("import", "abcd1234")
    assert queue.done == ["import"]


def records(start: int, count: int) -> Iterator[dict[str, Any]]:
    """A transcript's lines: prompts and answers, each some 2 kB."""
    for n in range(start, start + count):
        role = "user" if n % 2 else "assistant"
        text = f"{n}: " + WORDS * 30
        content: Any = text if role == "user" else [{"type": "text", "text": text}]
        message = {
            "role": role,
            "content": content,
            "id": f"m{n}",
            "model": "x",
            "usage": {"input_tokens": n},
        }
        line = {
            "type": role,
            "uuid": f"u{n}",
            "parentUuid": f"u{n - 1}",
            "sessionId": "s",
            "message": message,
        }
        yield {"record_key": f"k{n}", "raw": json.dumps(line)}


def post_import(claw: ClawWeb) -> Remote:
    session = claw.session("import", harness="claude-code", mode="observed", adapter="claude-code")
    for start in range(1, RECORDS, 200):  # each batch asks for a drain of its own
        session.records(list(records(start, 200)))
    return session


@pytest.mark.integration
@pytest.mark.timeout(180)
def test_a_live_prompt_is_answered_while_an_import_is_under_way(live_site: Callable[..., Any]) -> None:
    server = live_site(worker=False)
    token = server.site.manage("token", "create", "tests").strip().splitlines()[-1]
    with ClawWeb(server.url, token) as claw:
        backlog = post_import(claw)
        live = claw.session("live", harness="mine", mode="enforced", started={"budget": 4000})
        live.append([event("noted", what="here")])
        server.site.worker()
        for number in range(3):
            live.prompt(f"r{number}", deadline_s=30)
            assert backlog.refresh()["pending"] > 0, "the import was over before: make it longer"
        poll(lambda: backlog.refresh()["pending"] == 0, 120, what="import drained")
        assert backlog.info["record_count"] == backlog.info["derived_n"] > RECORDS - 200
