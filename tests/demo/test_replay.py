"""The demo's replay: the recording's calls in order, one
replay at a time, through restarts, to a clean end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clawweb.demo import load_session, load_subagents, replay
from memory.client import ClawWeb
from tests.support.poll import poll
from tests.support.processes import ROOT, Process


def answer(number: int, message: str = "") -> bytes:
    record = {"type": "assistant", "timestamp": f"2026-01-01T00:00:{number:02d}Z", "message": {"id": message}}
    return json.dumps(record).encode()


def other(number: int) -> bytes:
    return json.dumps({"type": "user", "timestamp": f"2026-01-01T00:00:{number:02d}Z"}).encode()


def test_a_step_is_one_answer_with_what_follows_it() -> None:
    lines = [other(1), answer(2, "a"), answer(3, "a"), other(4), answer(5, "b"), b"not json", answer(6, "c")]
    steps = replay.steps_of(lines)
    assert [len(step.lines) for step in steps] == [4, 2, 1]
    assert [step.at[-3:] for step in steps] == ["04Z", "05Z", "06Z"]
    assert [line.raw for step in steps for line in step.lines] == lines
    places = [line.offset for step in steps for line in step.lines]
    whole = b"\n".join(lines)
    assert all(whole[place:].startswith(line) for place, line in zip(places, lines, strict=True))


def test_the_recording_is_whole_and_the_sub_agent_stands_in_the_middle() -> None:
    steps = replay.recorded_steps()
    assert len(steps) > 200
    assert [line.raw for step in steps if not step.agent for line in step.lines] == load_session()
    agents = load_subagents()
    assert agents
    for agent, lines in agents.items():
        places = [number for number, step in enumerate(steps) if step.agent == agent]
        assert [line.raw for n in places for line in steps[n].lines] == lines
        assert places[0] > 0 and places[-1] < len(steps) - 1


def test_one_at_a_time(tmp_path: Path) -> None:
    assert not replay.is_running(tmp_path)
    with replay.only_one(tmp_path):
        assert replay.is_running(tmp_path)
        with pytest.raises(replay.AlreadyRunning), replay.only_one(tmp_path):
            pass
        assert not replay.start_demo(1.0, tmp_path)
    assert not replay.is_running(tmp_path)


@pytest.mark.parametrize(
    ("given", "kept"), [(0.5, 0.5), (-1.0, 0.0), (1e9, 60.0), (float("nan"), replay.PACE_S)]
)
def test_the_pace_is_kept_within_reason(tmp_path: Path, given: float, kept: float) -> None:
    assert replay.get_pace(tmp_path, 7.0) == 7.0
    replay.set_pace(tmp_path, given)
    assert replay.get_pace(tmp_path) == kept
    (tmp_path / "demo.pace").write_text("rubbish")
    assert replay.get_pace(tmp_path, 2.0) == 2.0


class FakeSession:
    """Counts what is posted; folded after it was looked at twice."""

    def __init__(self, key: str) -> None:
        self.info = {"key": key, "pending": 2}
        self.posted: list[str] = []
        self.events: list[Any] = []

    def records(self, records: list[dict[str, Any]]) -> None:
        self.posted += [record["record_key"] for record in records]

    def refresh(self) -> dict[str, Any]:
        self.info["pending"] -= 1
        return self.info

    def append(self, events: list[Any]) -> None:
        assert self.info["pending"] == 0, "an event of ours before the last record was folded"
        self.events += events


class FakeClaw:
    def __init__(self) -> None:
        self.made: dict[str, FakeSession] = {}
        self.parents: dict[str, str | None] = {}

    def session(self, key: str, *, parent_key: str | None, **_more: Any) -> FakeSession:
        self.parents[key] = parent_key
        return self.made.setdefault(key, FakeSession(key))


def test_quick_at_first_then_at_the_pace_of_the_moment() -> None:
    claw, waits, pace = FakeClaw(), [], iter([1.0, 2.0, 3.0, 4.0])
    steps = replay.steps_of([answer(n, f"m{n}") for n in range(replay.QUICK_CALLS + 4)])
    steps.insert(2, replay.steps_of([answer(1, "sub")], "agent")[0])
    # type: ignore[arg-type]
    replay.Replay(claw, "demo-1", pace=lambda: next(pace), sleep=waits.append).run(steps[:-1])
    assert waits[: len(steps) - 1] == [replay.QUICK_PACE_S] * replay.QUICK_CALLS + [1.0, 2.0, 3.0, 4.0]
    assert claw.parents == {"demo-1": None, "demo-1/agent": "demo-1"}
    assert len(claw.made["demo-1"].posted) == len(set(claw.made["demo-1"].posted)) == len(steps) - 2
    assert all(session.events[0]["kind"] == "session_ended" for session in claw.made.values())


def test_it_stops_when_told_to() -> None:
    claw = FakeClaw()
    steps = replay.steps_of([answer(n, f"m{n}") for n in range(9)])
    player = replay.Replay(claw, "demo-1", pace=lambda: 0, sleep=lambda _s: None)  # type: ignore[arg-type]
    player.stop = lambda: len(claw.made["demo-1"].posted) >= 3
    player.run(steps)
    assert len(claw.made["demo-1"].posted) == 3
    assert claw.made["demo-1"].events[0]["body"]["reason"] == "the replay was stopped"


def run_demo(site: Any, url: str, *options: str) -> Process:
    argv = [sys.executable, str(ROOT / "manage.py"), "demo", *options]
    return Process(argv, {**site.env, "CLAWWEB_URL": url}, site.folder / "demo.out")


@pytest.mark.integration
def test_a_replay_survives_restarts_and_ends_cleanly(live_site: Callable[..., Any]) -> None:
    server = live_site()
    token = server.site.manage("token", "create", "tests").strip().splitlines()[-1]
    demo = run_demo(server.site, server.url, "--pace", "0", "--if-empty")
    with ClawWeb(server.url, token) as claw:
        poll(lambda: claw.sessions()["total"] and claw.sessions()["items"][0]["record_count"] > 30, 30)
        server.web.restart()
        server.worker.restart()
        assert demo.popen.wait(120) == 0, demo.text()
        found = {item["key"]: item for item in claw.sessions()["items"]}
    main = found.pop("demo-1")
    (child,) = found.values()
    assert main["record_count"] == len(load_session()) and main["broken_records"] == 0
    assert child["parent_id"] == main["id"] and child["record_count"] == sum(
        map(len, load_subagents().values())
    )
    for session in (main, child):
        assert session["ended"] and session["pending"] == 0 and session["view"]["rejected_events"] == 0
    assert main["turn"] >= 200 and main["view"]["boundaries"] == 3

    assert "no replay" in server.site.manage("demo", "--if-empty", "--server", server.url)


@pytest.mark.integration
def test_a_started_replay_ends_with_its_starter(live_site: Callable[..., Any]) -> None:
    server = live_site(worker=False)
    code = (
        "import time; from pathlib import Path; from clawweb.demo import replay;"
        f"print(replay.start_demo(0.2, Path({str(server.site.folder)!r})), flush=True); time.sleep(600)"
    )
    env = {**server.site.env, "CLAWWEB_URL": server.url}
    starter = Process([sys.executable, "-c", code], env, server.site.folder / "starter.out")
    poll(lambda: "True" in starter.text() and replay.is_running(server.site.folder), 60)
    starter.kill()
    poll(lambda: not replay.is_running(server.site.folder), 60)
