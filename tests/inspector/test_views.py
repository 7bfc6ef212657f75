"""The screens over HTTP: who may see what, what is escaped, what the parts are."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from clawweb.demo import replay
from clawweb.demo.agent import start
from inspector import offers
from inspector.panels import sessions as sessions_panel
from memory import store
from memory.store import NewEvent
from tests.inspector.cast import HOSTILE, add, person, session, small
from tests.memory.cast import page, prompt

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(person("ann"))
    return client


@pytest.fixture
def viewer() -> Client:
    client = Client()
    client.force_login(person("bob", "viewer"))
    return client


def get(client: Client, path: str, **headers: Any) -> str:
    response = client.get(path, **headers)
    assert response.status_code == 200, response.content[:500]
    return response.content.decode()


def test_strangers_see_nothing(client: Client) -> None:
    """Neither the list nor a session, a text or an act."""
    session_id = small()
    for path in (
        "/",
        f"/sessions/{session_id}/",
        f"/sessions/{session_id}/text/",
        f"/sessions/{session_id}/act/",
    ):
        assert client.get(path).status_code == 302
    assert client.get("/", headers=HTMX).status_code == 401


def test_another_projects_session_does_not_exist(client: Client) -> None:
    """Not by address, not in the list."""
    session_id = small("secret plans")
    client.force_login(person("eve", project="elsewhere"))
    for path in ("", "text/?page=file", "act/?act=pin&page=file"):
        assert client.get(f"/sessions/{session_id}/{path}").status_code == 404
    assert "secret plans" not in get(client, "/")
    assert client.get(f"/sessions/{uuid.uuid4()}/").status_code == 404


def test_the_whole_page_holds_every_panel(operator: Client) -> None:
    """Also before the first drain, when nothing is known yet."""
    content = get(operator, f"/sessions/{session()}/")
    for part in ("head", "map", "table", "drawer", "ledger", "talk", "view", "live", "stand"):
        assert f'id="{part}"' in content
    made, _ = store.find_or_create_session("lab", "new", name="new", harness="x", mode="observed")
    assert "No pages yet" in get(operator, f"/sessions/{made.id}/")


def test_ids_are_unique(operator: Client) -> None:
    """Morphing and labels rely on it."""
    content = get(operator, f"/sessions/{session()}/?page=rules&talk=1&side=both")
    ids = re.findall(r'\sid="([^"]+)"', content)
    assert len(ids) == len(set(ids))


def test_parts_are_swaps_and_carry_the_address(operator: Client) -> None:
    """Asked by htmx for one part, the answer holds that part and the view, nothing else."""
    path = f"/sessions/{small()}/"
    response = operator.get(path + "?text=file&sort=tokens&parts=table", headers=HTMX)
    content = response.content.decode()
    assert re.findall(r'hx-target="#([\w-]+)" hx-swap="(\w+)"', content) == [
        ("table", "outerMorph"),
        ("view", "outerMorph"),
    ]
    assert response.headers["HX-Push-Url"] == f"{path}?sort=tokens&text=file"
    assert 'data-parts="table"' in content
    assert 'id="main"' in get(operator, path + "?parts=table")  # not asked by htmx: a page for people


def test_hostile_text_is_escaped_everywhere(operator: Client) -> None:
    """Names, titles, ids, provenance, texts, ledger, conversation, session list."""
    clean = HOSTILE.replace("\ud800", "").replace("\x00", "")
    bad_id = "<script>x</script>&\"'"
    events = [
        page(bad_id, HOSTILE * 20, title=HOSTILE + "T" * 900, provenance={"kind": "file", "ref": clean}),
        prompt(1),
    ]
    session_id = session("hostile", events, name=clean + "N" * 10_000, harness="<b>h</b>")
    contents = [
        get(operator, "/"),
        get(operator, f"/sessions/{session_id}/?talk=1"),
        operator.get(f"/sessions/{session_id}/", {"page": bad_id, "rep": "full"}).content.decode(),
        operator.get(f"/sessions/{session_id}/act/", {"page": bad_id, "act": "pin"}).content.decode(),
    ]
    assert "No pages yet" not in contents[1]
    for content in contents:
        for sign in ("<script>alert", "<img src=x", "<b>h</b>", "<script>x", "\u202e", "\x1b", "\x00"):
            assert sign not in content
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in contents[2]


def test_a_viewer_reads_and_does_not_act(viewer: Client) -> None:
    """No buttons, and no way around them."""
    session_id = small()
    content = get(viewer, f"/sessions/{session_id}/?page=file")
    assert 'id="page-now"' in content
    assert "Pin…" not in content
    for method in (viewer.get, viewer.post):
        assert method(f"/sessions/{session_id}/act/", {"page": "file", "act": "pin"}).status_code == 403
    assert store.acts(session_id) == []


def test_an_act_asks_with_its_cost_and_is_then_logged_with_its_actor(operator: Client) -> None:
    """GET changes nothing; POST is an event of the log, applied by the worker."""
    session_id = small()
    path = f"/sessions/{session_id}/act/"
    asked = get(operator, path + "?act=pin&page=file")
    assert "of 600 tokens" in asked
    assert "tried on the state at event" in asked
    assert store.acts(session_id) == []
    done = operator.post(path, {"act": "pin", "page": "file", "choice": "hard", "reason": "so", "seq": "3"})
    assert done.status_code == 200
    assert "pin by ann: pending" in done.content.decode()
    add(session_id, [])
    (act,) = store.acts(session_id)
    assert (act.actor, act.state, act.reason) == ("operator:ann", "applied", "so")
    undone = operator.post(path, {"act": "undo", "page": "file", "act_seq": str(act.seq)})
    assert undone.status_code == 200
    add(session_id, [])
    assert {a.state for a in store.acts(session_id) if a.kind == "operator_pin"} == {"undone"}


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"act": "explode", "page": "file"}, 404),
        ({"act": "pin", "page": "nowhere"}, 404),
        ({"act": "pin", "page": "file", "choice": "harder"}, 422),
        ({"act": "undo", "page": "file", "act_seq": "x"}, 422),
    ],
)
def test_a_senseless_act_is_refused_in_words(operator: Client, data: dict[str, str], status: int) -> None:
    session_id = small()
    response = operator.post(f"/sessions/{session_id}/act/", data)
    assert response.status_code == status
    assert 'role="alert"' in response.content.decode()
    assert store.acts(session_id) == []


def test_acts_need_the_csrf_token() -> None:
    session_id = small()
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("ann"))
    assert client.post(f"/sessions/{session_id}/act/", {"act": "pin", "page": "file"}).status_code == 403


def test_the_whole_text_is_there_on_request(operator: Client) -> None:
    session_id = session("long", [page("big", "word " * 10_000), prompt(1)])
    path = f"/sessions/{session_id}/text/?page=big&rep=full"
    assert len(get(operator, path)) >= 49_999
    assert get(operator, path).count("word") == 10_000
    part = get(operator, path, headers=HTMX)
    assert part.startswith('<div id="page-text">')
    assert part.count("word") == 10_000


def test_an_act_on_an_ended_session_is_refused(operator: Client) -> None:
    """However it was asked: by a page that was opened before the end."""
    session_id = small("over")
    add(session_id, [NewEvent("session_ended", {"reason": "done"})])
    path, before = f"/sessions/{session_id}/act/", store.session_row(session_id)
    for method in (operator.get, operator.post):
        answer = method(path, {"act": "pin", "page": "file"})
        assert answer.status_code == 422
        assert "the session has ended: no next prompt" in answer.content.decode()
    after = store.session_row(session_id)
    assert before is not None
    assert after is not None
    assert after.last_seq == before.last_seq
    assert "no next prompt" in get(operator, f"/sessions/{session_id}/?page=file")


class Found:
    path = "/home/me/my sessions/a.jsonl"
    title = "<b>mine</b>"
    modified = 0.0


class Stagehand:
    """Stands in for the demo's replay and for what is found on this machine."""

    def __init__(self) -> None:
        self.running = False
        self.pace = 1.2
        self.started: list[float | None] = []
        self.read: list[str] = []
        self.agents: list[int] = []

    def hooks(self) -> dict[str, Any]:
        return {
            "start_demo": lambda pace, _: self.started.append(pace),
            "demo_runs": lambda _: self.running,
            "start_agent": lambda _: self.agents.append(1),
            "agent_runs": lambda _: bool(self.agents),
            "get_pace": lambda _: self.pace,
            "set_pace": lambda _, pace: setattr(self, "pace", pace),
            "discover": lambda: [Found()],
            "read_transcript": lambda path: not self.read.append(path),
        }


@pytest.fixture
def stagehand(monkeypatch: pytest.MonkeyPatch) -> Stagehand:
    found = Stagehand()
    monkeypatch.setattr(offers, "hook", found.hooks().get)
    offers.forget()
    return found


@pytest.fixture
def owner(operator: Client) -> Client:
    """An operator of the default project: who runs this server."""
    person("ann", project="default")
    return operator


def test_the_empty_list_teaches_the_next_step(owner: Client, stagehand: Stagehand) -> None:
    """Commands to paste, a button that starts the demo, the user's own sessions where there are some."""
    content = get(owner, "/")
    assert ".venv/bin/python manage.py demo" in content
    assert ".venv/bin/python manage.py watch FILE" in content
    assert ".venv/bin/python manage.py watch &#x27;/home/me/my sessions/a.jsonl&#x27;" in content
    assert "<b>mine</b>" not in content
    assert owner.post("/demo/", {"pace": "0.6"}).status_code == 200
    assert stagehand.started == [0.6]
    assert owner.get("/demo/").status_code == 405


def test_the_demo_is_at_hand_beside_sessions_too(owner: Client, stagehand: Stagehand) -> None:
    """Its button, and while it runs its pace, which is changed by the same control."""
    small()
    content = get(owner, "/")
    assert "Replay the demo" in content
    assert 'value="1.2" selected' in content
    assert "1 Claude Code session found on this machine" in content
    stagehand.running = True
    content = get(owner, "/")
    assert "is being replayed" in content
    assert "Replay the demo" not in content
    answer = owner.post("/demo/", {"pace": "0.2"}).content.decode()
    assert stagehand.pace == 0.2
    assert 'value="0.2" selected' in answer
    assert stagehand.started == []
    assert "must be one of" in owner.post("/demo/", {"pace": "0"}).content.decode()


def test_the_agent_is_at_hand_beside_the_demo(owner: Client, stagehand: Stagehand) -> None:
    """A button where none runs, a word where one does."""
    small()
    assert "Run the agent again" in get(owner, "/")
    assert owner.get("/agent/").status_code == 405
    answer = owner.post("/agent/").content.decode()
    assert stagehand.agents == [1]
    for content in (answer, get(owner, "/")):
        assert "The agent runs" in content
        assert "Run the agent again" not in content
        assert "Replay the demo" in content


def test_viewers_see_neither_demo_nor_paths(viewer: Client, operator: Client, stagehand: Stagehand) -> None:
    """Nor do operators of another project: paths are those of the server's user."""
    person("bob", role="viewer", project="default")
    for _ in range(2):  # without and with sessions
        for client in (viewer, operator):
            content = get(client, "/")
            assert "/home/me" not in content
            assert "Replay the demo" not in content
            assert client.post("/demo/", {"pace": "1.2"}).status_code == 403
            assert "Run the agent" not in content
            assert client.post("/agent/").status_code == 403
            assert client.post("/transcripts/", {"file": "x"}).status_code == 403
        small()
    assert stagehand.started == []
    assert stagehand.agents == []
    assert stagehand.read == []


def test_only_what_was_found_is_read(owner: Client, stagehand: Stagehand) -> None:
    """By the key that the list gave it: a path is not a key."""
    (key,) = re.findall(r'name="file" value="([\w-]+)"', get(owner, "/"))
    assert owner.post("/transcripts/", {"file": "/etc/passwd"}).status_code == 422
    assert owner.post("/transcripts/", {"file": Found.path}).status_code == 422
    assert stagehand.read == []
    assert "Reading" in owner.post("/transcripts/", {"file": key}).content.decode()
    assert stagehand.read == [Found.path]


def test_a_demo_that_does_not_start_says_why(
    owner: Client, stagehand: Stagehand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(offers, "hook", {**stagehand.hooks(), "start_demo": broken}.get)
    assert "no space left" in owner.post("/demo/").content.decode()


def test_every_hook_is_there() -> None:
    assert all(callable(offers.hook(name)) for name in offers.HOOKS)


def test_the_list_searches_filters_and_sorts(operator: Client) -> None:
    small("alpha")
    small("beta", harness="other")
    content = get(operator, "/?search=alp")
    assert "alpha" in content
    assert "beta" not in content
    assert "beta" in get(operator, "/?harness=other")
    assert "No session matches" in get(operator, "/?search=nothing")
    names = re.findall(r"<bdi>(alpha|beta)</bdi>", get(operator, "/?sort=name"))
    assert names == ["alpha", "beta"]


def test_the_gauge_splits_the_budget_by_type() -> None:
    """Shares of the bar, in the order of the types, never over its end."""
    row = store.session_row(session())
    assert row is not None
    gauge = sessions_panel.gauge(row)
    assert gauge is not None
    end = max(float(c["x"].rstrip("%")) + float(c["width"].rstrip("%")) for c in gauge["cells"])
    assert end <= 100.1
    assert gauge["cells"][0]["type"] == "bootstrap"


def test_one_agent_at_a_time_beside_a_replay(tmp_path: Path) -> None:
    """The agent's lock is not the replay's."""
    assert not start.is_running(tmp_path)
    with replay.only_one(tmp_path, name=start.LOCK):
        assert start.is_running(tmp_path)
        assert not start.start_agent(tmp_path)
        assert not replay.is_running(tmp_path)
    assert not (tmp_path / "agent.log").exists()
