"""An update that validation parked is answered by an operator: approved, merged or dropped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clawweb.demo.agent.runner import Agent, open_session
from clawweb.demo.agent.scratch import write_scratch
from clawweb.demo.agent.tools import Toolbox
from memory import store
from memory.client import ClawWeb
from tests.inspector.api_support import Api, fold, page

UPDATE = {
    "update_id": "u1",
    "page_id": "plan",
    "field": "text",
    "op": "overwrite",
    "value": "all is done",
    "scope": "session",
    "evidence_ref": "plan",
    "base_version": 0,
}


@pytest.fixture
def api(db: None) -> Api:
    return Api("alpha")


@pytest.fixture
def path(api: Api) -> str:
    """A session with one update that was parked as destructive."""
    path = api.session()
    events = [
        page("plan", "Goal: x\n- [ ] one\n", type="plan"),
        {"kind": "write_staged", "body": {"update": UPDATE}},
        {"kind": "boundary", "body": {"kind": "flush"}},
    ]
    api.post(f"{path}/events", {"events": events})
    fold(path)
    assert api.get(path)["view"]["parked"] == 1
    (line,) = api.get(f"{path}/faults?kind=parked")["items"]
    assert "DESTRUCTIVE_OP" in line["sentence"]
    return path


def resolve(**more: Any) -> dict[str, Any]:
    return {"act": "resolve", "update_id": "u1", **more}


@pytest.mark.parametrize(
    ("answer", "version"),
    [({"action": "approve"}, 1), ({"action": "merge", "value": "half of it"}, 1), ({"action": "drop"}, 0)],
)
def test_it_is_answered_and_listed(api: Api, path: str, answer: dict[str, Any], version: int) -> None:
    status, sent = api.call("POST", f"{path}/acts", resolve(**answer, client_event_id="mine"))
    assert (status, sent["kind"], sent["state"]) == (201, "write_resolved", "pending")
    assert sent["actor"].startswith("operator:")
    fold(path)
    (act,) = api.get(f"{path}/acts")["items"]
    assert (act["state"], act["page_ids"], act["actor"]) == ("applied", ["plan"], sent["actor"])
    assert act["reason"] == f"{answer['action']} u1"
    assert api.get(path)["view"]["parked"] == 0
    assert api.get(f"{path}/pages/plan")["version"] == version
    (line,) = api.get(f"{path}/faults?kind=resolved")["items"]
    assert line["sentence"] == f"update u1 answered by an operator: {answer['action']}"
    assert api.call("POST", f"{path}/acts", resolve(**answer, client_event_id="mine"))[0] == 200
    api.call("POST", f"{path}/acts", resolve(action="drop"))
    fold(path)
    again = api.get(f"{path}/acts")["items"][0]
    assert again["state"] == "refused" and "no parked update" in again["why"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (resolve(), "action"),
        ({"act": "resolve", "action": "drop"}, "update_id"),
        (resolve(action="merge"), "value"),
        (resolve(action="drop", value=1), "value"),
        (resolve(action="drop", page_ids=["plan"]), "page_ids"),
        (resolve(action="drop", cap="pointer"), "cap"),
        (resolve(action="drop", dry_run=True), "dry_run"),
        (resolve(action="drop", reason="x"), "reason"),
        ({"act": "undo", "act_seq": 1, "update_id": "u1"}, "update_id"),
        (resolve(action="drop") | {"update_id": "u" * 201}, "body.body.update_id"),
    ],
)
def test_a_wrong_answer_is_refused(api: Api, path: str, body: dict[str, Any], where: str) -> None:
    assert api.refused("POST", f"{path}/acts", body, status=422)["where"] == where
    assert api.get(path)["last_seq"] == 4


def test_a_viewer_may_not(path: str) -> None:
    viewer = Api("alpha", role="viewer")
    assert viewer.refused("POST", f"{path}/acts", resolve(action="drop"), status=403)
    assert not store.acts(path.rpartition("/")[2])


@pytest.mark.integration
@pytest.mark.timeout(180)
def test_the_scripted_agents_parked_update(live_site: Callable[..., Any], tmp_path: Path) -> None:
    server = live_site()
    write_scratch(tmp_path)
    secret = server.site.manage("token", "create", "test").strip().splitlines()[-1]
    with ClawWeb(server.url, secret) as claw:
        session = open_session(claw, "parked", 4000)
        agent = Agent(session, Toolbox(tmp_path), "parked")
        agent.begin()
        for _ in range(60):
            agent.one_turn()
            if session.refresh()["view"]["parked"]:
                break
        (line,) = session.faults(kind="parked")
        assert "DESTRUCTIVE_OP" in line["sentence"]
        act = session.resolve(line["data"]["update_id"], "approve", wait_ms=10_000)
        assert act["state"] == "applied", act
        assert session.refresh()["view"]["parked"] == 0
        assert session.acts()[0]["seq"] == act["seq"]
