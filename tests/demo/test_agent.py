"""The enforced agent: real tools that stay in their folder, and a model that knows only its prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from clawweb.demo.agent.model import PREFERENCE_PAGE, Answer
from clawweb.demo.agent.runner import Agent, open_session, run_agent
from clawweb.demo.agent.scratch import files, write_scratch
from clawweb.demo.agent.tools import Call, Toolbox
from memory.client import ClawWeb, Event, Prompt, Section, Session

Absent = Callable[[str, int], bool]


class Desk:
    """Stands in for ClawWeb: every live page in full, but
    for those that ``pointer`` takes down to a pointer.
    """

    def __init__(self, pointer: Absent) -> None:
        self.pointer = pointer
        self.pages: dict[str, tuple[str, str]] = {}
        self.info = {"key": "run"}
        self.turn = 0
        self.events: list[Event] = []

    def append(self, events: Sequence[Event]) -> None:
        for item in events:
            body = item["body"]
            if item["kind"] == "page_created":
                self.pages[body["page"]["page_id"]] = (body["page"]["type"], body["page"]["text"])
            elif item["kind"] == "page_updated":
                self.pages[body["page_id"]] = (body["type"], body["text"])
            elif item["kind"] in ("page_retired", "page_superseded"):
                self.pages.pop(body["page_id"], None)
            elif item["kind"] == "tool_called" and body["kind"] == "write":
                self.pages.pop(f"file:{body['args']['path']}", None)
        self.events += events

    def prompt(self, request_id: str, _fixed: int, deadline_s: float) -> Prompt:
        self.turn += 1
        sections = []
        for page_id, (kind, text) in self.pages.items():
            held = not self.pointer(page_id, self.turn)
            sections.append(
                Section(page_id, kind, "full" if held else "pointer", 1, text if held else "[page]")
            )
        return Prompt(request_id, self.turn, len(sections), "", b"", "", tuple(sections))

    def page(self, _page_id: str) -> dict[str, Any]:
        return {"version": 0}


def play(
    root: Path, turns: int, pointer: Absent = lambda _page, _turn: False
) -> tuple[Agent, Desk, list[Answer]]:
    write_scratch(root)
    desk, answers = Desk(pointer), []
    # type: ignore[arg-type]
    agent = Agent(desk, Toolbox(root), "run", lambda _t, _p, answer: answers.append(answer))
    agent.begin()
    for _ in range(turns):
        agent.one_turn()
    return agent, desk, answers


def count(desk: Desk, kind: str, **wanted: Any) -> int:
    return sum(e["kind"] == kind and wanted.items() <= e["body"].items() for e in desk.events)


def test_a_whole_round_with_everything_in_the_prompt(tmp_path: Path) -> None:
    agent, desk, answers = play(tmp_path, 90)
    assert agent.model.rounds >= 2 and all(agent.model.followed)
    assert not any(answer.opens for answer in answers)
    assert {e["body"]["kind"] for e in desk.events if e["kind"] == "boundary"} == {
        "flush",
        "compaction",
        "reset",
    }
    stale = [e for e in desk.events if e["kind"] == "write_staged" and e["body"]["update"]["base_version"]]
    assert len(stale) == agent.model.rounds  # one update a round is staged on a wrong version


def test_a_preference_that_is_not_held_is_not_followed_until_it_is_looked_up(tmp_path: Path) -> None:
    asked: set[int] = set()

    def pointer(page_id: str, turn: int) -> bool:
        return page_id == PREFERENCE_PAGE and turn not in asked

    _agent, desk, answers = play(tmp_path, 10, pointer)
    code = (tmp_path / "parcel/rates.py").read_text()
    assert "What was asked for." in code and "PD-12:" not in code
    assert any(PREFERENCE_PAGE in answer.opens for answer in answers)
    assert count(desk, "demand_observed", page_id=PREFERENCE_PAGE, rule="handle_opened")

    asked |= set(range(60))  # now it is there
    for _ in range(10):
        _agent.one_turn()
    assert "PD-12:" in (tmp_path / "parcel/rates.py").read_text()


def test_a_file_that_is_gone_from_the_prompt_is_opened_not_guessed(tmp_path: Path) -> None:
    _agent, _desk, answers = play(
        tmp_path, 8, lambda page_id, turn: page_id == "file:parcel/zones.py" and turn == 3
    )
    opened = [number for number, answer in enumerate(answers, 1) if "file:parcel/zones.py" in answer.opens]
    assert opened == [3]


def test_tools_do_what_they_say_and_stay_inside(tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("secret")
    root = tmp_path / "in"
    write_scratch(root)
    (root / "link").symlink_to(tmp_path / "outside.txt")
    tools = Toolbox(root)
    assert tools.run(Call("read_file", {"path": "RULES.md"})).text == files()["RULES.md"]
    assert "parcel/zones.py" in tools.run(Call("grep", {"pattern": "def zone_of"})).text
    assert "whole cents" in tools.run(Call("run_check", {"name": "modules"}, "volatile")).text
    for call in (
        Call("read_file", {"path": "../outside.txt"}),
        Call("read_file", {"path": "link"}),
        Call("read_file", {"path": "/etc/hostname"}),
        Call("write_file", {"path": "../new", "content": "x"}),
        Call("write_file", {"path": "checks/style.py", "content": "x"}),
        Call("run_check", {"name": "../../outside"}),
        Call("grep", {"pattern": "("}),
        Call("read_file", {}),
        Call("nonsense", {}),
    ):
        assert tools.run(call).error, call
    assert not (tmp_path / "new").exists()


def test_putting_the_scratch_back_says_what_changed(tmp_path: Path) -> None:
    assert set(write_scratch(tmp_path)) == set(files())
    (tmp_path / "PLAN.md").write_text("other")
    assert write_scratch(tmp_path) == ["PLAN.md"]


@pytest.fixture
def server(live_site: Callable[..., Any]) -> tuple[Any, str]:
    """A running installation and an operator's token of it."""
    site = live_site()
    return site, site.site.manage("token", "create", "tests").strip().splitlines()[-1]


@pytest.mark.integration
def test_a_pin_set_in_the_middle_is_in_the_next_prompt_and_proved(
    server: tuple[Any, str], tmp_path: Path
) -> None:
    site, token = server
    seen: dict[int, Prompt] = {}
    target = "file:parcel/zones.py"
    write_scratch(tmp_path)
    with ClawWeb(site.url, token) as claw:
        session = open_session(claw, "pinned", 2500)

        agent = Agent(
            session, Toolbox(tmp_path), "pinned", lambda turn, prompt, _a: seen.update({turn: prompt})
        )
        agent.begin()
        cost = None
        while agent.turn < 80 and not cost:
            agent.one_turn()
            cost = _cost_of_pin(session, target)
        assert cost, "the budget never made the page fall"
        assert cost["allowed"] and cost["tokens_after"] <= cost["budget"]
        before = agent.turn
        act = session.act("pin", [target], min_fidelity="full", wait_ms=10_000)
        assert (act["state"], act["reach"]) == ("applied", "enforced")
        agent.one_turn()
        section = seen[before + 1].section(target)
        assert section is not None and section.fidelity == "full"
        assert section.text == files()["parcel/zones.py"]
        agent.one_turn()
        (found,) = session.acts()
        assert (found["receipt"], found["receipt_turn"]) == ("seen", before + 1)
        agent.end("test")
        assert session.refresh()["view"]["primary"]["faults"].get("pinned_invariant_miss", 0) == 0


def _cost_of_pin(session: Session, page_id: str) -> dict[str, Any] | None:
    """What pinning would cost, if it would make a difference to the next prompt."""
    if not any(page["page_id"] == page_id for page in session.pages()):
        return None
    cost = session.act("pin", [page_id], min_fidelity="full", dry_run=True)
    return cost if [page_id, "full"] in [[change[0], change[2]] for change in cost["changes"]] else None


@pytest.mark.integration
def test_demoting_the_preference_changes_what_the_agent_writes(
    server: tuple[Any, str], tmp_path: Path
) -> None:
    site, token = server
    write_scratch(tmp_path)
    with ClawWeb(site.url, token) as claw:
        session = open_session(claw, "demoted", 4000)
        agent = Agent(session, Toolbox(tmp_path), "demoted")
        agent.begin()
        agent.one_turn()
        act = session.act("demote", [PREFERENCE_PAGE], cap="pointer", wait_ms=10_000)
        assert act["state"] == "applied"
        while not agent.model.followed:
            agent.one_turn()
        assert agent.model.followed == [False]
        session.act("undo", act_seq=act["seq"], wait_ms=10_000)
        while len(agent.model.followed) < 2:
            agent.one_turn()
        assert agent.model.followed == [False, True]
        agent.end("test")


@pytest.mark.integration
def test_a_run_leaves_no_fault_and_one_parked_update(server: tuple[Any, str]) -> None:
    site, token = server
    session = run_agent(site.url, token, turns=55, pace_s=0.0, key="whole")
    with ClawWeb(site.url, token) as claw:
        header = claw.request("GET", f"/sessions/{session.id}")
    view = header["view"]
    assert header["ended"] and header["pending"] == 0 and view["turn"] == 55
    assert view["rejected_events"] == 0, [f["sentence"] for f in _rejected(site, token, session.id)]
    assert view["parked"] == 1 and view["boundaries"] >= 8
    assert sum(view["primary"]["faults"].values()) == 0
    assert view["primary"]["moved_tokens"] > 0  # pages did fall and rise


def _rejected(site: Any, token: str, session_id: str) -> list[dict[str, Any]]:
    with ClawWeb(site.url, token) as claw:
        items: list[dict[str, Any]] = claw.request("GET", f"/sessions/{session_id}/faults?kind=rejected")[
            "items"
        ]
        return items
