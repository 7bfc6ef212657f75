"""A commit to a project's page reaches every other live session that has it, once; conflicts are parked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memory import core, store
from memory.models import Event, ProjectPage, Session, Turn
from memory.store import apply, cache
from memory.store.drain import drain
from memory.store.log import log_events
from memory.store.pack import unpack_json
from tests.memory.cast import STARTED, page, prompt
from tests.support.processes import ROOT


@pytest.fixture(autouse=True)
def cold() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def new_session(key: str, project: str = "default", **started: Any) -> str:
    store.ensure_project(project)
    opening = {**STARTED, **started}
    row, _ = store.find_or_create_session(
        project, key, name=key, harness="mine", mode=opening["mode"], started=opening
    )
    return row.id


def feed(session: str, *events: tuple[str, dict[str, Any]] | store.NewEvent) -> None:
    items = [e if isinstance(e, store.NewEvent) else store.NewEvent(*e) for e in events]
    store.append_events(session, items)
    drain(session)


def style(text: str = "tabs") -> store.NewEvent:
    return page("style", text, "preference", scope="project")


def update(text: str) -> tuple[str, dict[str, Any]]:
    return "page_updated", {"page_id": "style", "text": text, "type": "preference"}


FLUSH = ("boundary", {"kind": "flush"})


def view(session: str) -> core.PageView:
    row = store.page(session, "style")
    assert row is not None
    return row.view


def commits(session: str) -> list[dict[str, Any]]:
    rows = Event.objects.filter(session_id=session, kind="project_commit").order_by("seq")
    return [unpack_json(row.body) for row in rows]


def parked(session: str) -> list[tuple[str, str]]:
    return [
        (row.reason, row.data["detail"])
        for row in store.journal(session)
        if row.phase == "rejected" and row.side == "primary"
    ]


def text_of(session: str) -> str:
    return store.page_texts(session, "style")["full"]["text"]


@pytest.mark.django_db
def test_a_commit_reaches_the_others_with_its_content() -> None:
    one, two, three = new_session("one"), new_session("two"), new_session("three")
    elsewhere, ended = new_session("other", "other"), new_session("ended")
    for session in (one, two, elsewhere, ended):
        feed(session, style())
    feed(three, page("else", "nothing of it"))
    feed(ended, ("session_ended", {}))
    feed(one, update("spaces"), FLUSH)
    (told,) = commits(two)
    assert (told["page_id"], told["version"], told["origin_session"]) == ("style", 1, "one")
    assert told["representations"]["full"]["text"] == "spaces"
    assert [commits(session) for session in (one, three, elsewhere, ended)] == [[], [], [], []]
    drain(two)
    assert (view(one).version, view(two).version, view(two).dirty) == (1, 1, False)
    assert text_of(two) == "spaces"
    feed(two, update("two spaces"), FLUSH)
    drain(one)
    assert (view(one).version, text_of(one)) == (2, "two spaces")
    assert not commits(two)[1:]


@pytest.mark.django_db
def test_no_sender_can_take_the_id_of_what_a_session_is_told() -> None:
    one, two = new_session("one"), new_session("two")
    for session in (one, two):
        feed(session, style())
    feed(one, update("spaces"), FLUSH)
    taken = Event.objects.get(session_id=two, kind="project_commit").client_event_id
    with pytest.raises(store.BadEvent, match="client_event_id"):
        store.append_events(one, [store.NewEvent("noted", {"what": "x"}, taken)])


@pytest.mark.django_db
def test_a_session_that_comes_later_is_told_of_the_version() -> None:
    one, two = new_session("one"), new_session("two")
    feed(one, style(), update("spaces"), FLUSH)
    feed(two, style("as it was once"))
    drain(two)
    assert (view(two).version, text_of(two)) == (1, "spaces")
    feed(two, update("four"), FLUSH)
    drain(one)
    assert (view(one).version, text_of(one)) == (2, "four")


@pytest.mark.django_db
def test_the_fields_that_updates_wrote_go_with_it_also_to_who_comes_later() -> None:
    one, two, late = new_session("one"), new_session("two"), new_session("late")
    for session in (one, two):
        feed(session, style())
    update = {
        "update_id": "u1", "page_id": "style", "field": "indent", "op": "append", "value": [4],
        "scope": "project", "evidence_ref": "style", "base_version": 0,
    }  # fmt: skip
    feed(one, ("write_staged", {"update": update}), FLUSH)
    drain(two)
    feed(late, style())
    assert [c["fields"] for c in commits(two) + commits(late)] == [{"indent": [4]}] * 2
    feed(two, ("write_staged", {"update": {**update, "update_id": "u2", "value": [8]}}), FLUSH)
    assert [c["fields"] for c in commits(one)] == [{"indent": [4, 8]}]


@pytest.mark.django_db
def test_two_dirty_copies_the_second_is_parked_and_can_be_approved() -> None:
    one, two = new_session("one"), new_session("two")
    for session in (one, two):
        feed(session, style())
    feed(one, update("spaces"))
    feed(two, update("eight"))
    feed(one, FLUSH)
    drain(two)
    assert (view(two).version, view(two).dirty, text_of(two)) == (1, True, "eight")
    feed(two, FLUSH)
    ((reason, detail),) = parked(two)
    assert (reason, detail) == ("DESTRUCTIVE_OP", "based on version 0, and 1 is the last committed one")
    assert (view(two).version, view(two).dirty) == (1, False)
    assert view(one).version == 1 and not commits(one)
    update_id = next(row.update_id for row in store.journal(two) if row.phase == "rejected")
    answer = store.NewEvent("write_resolved", {"update_id": update_id, "action": "approve"})
    store.append_events(two, [answer], actor="operator:ann")
    drain(two)
    drain(one)
    assert (view(one).version, text_of(one)) == (2, "eight")
    told = [row.data for row in store.journal(two) if row.phase == "committed" and row.side == "primary"]
    assert told[-1]["overrides"].startswith("DESTRUCTIVE_OP: ")


@pytest.mark.django_db
def test_commits_that_cross_have_one_winner_and_the_other_is_parked() -> None:
    one, two = new_session("one"), new_session("two")
    for session in (one, two):
        feed(session, style())
    for session, text in ((one, "spaces"), (two, "eight")):
        store.append_events(session, [store.NewEvent(*update(text)), store.NewEvent(*FLUSH)])
    drain(one)
    drain(two)
    drain(two)
    (row,) = ProjectPage.objects.all()
    assert (row.version, str(row.session_id)) == (1, one)
    assert [(c["version"], c["base_version"]) for c in commits(two)] == [(1, 0)]
    assert not commits(one)
    assert parked(two) == [("DESTRUCTIVE_OP", "it crossed with version 1 of another session")]
    assert (view(two).version, text_of(two)) == (1, "eight")
    feed(two, update("again"), FLUSH)
    drain(one)
    assert (view(one).version, text_of(one)) == (2, "again")


def singly(session: str) -> None:
    """Drains a session in batches of one event."""
    while apply.apply_pending(session, until=0.0).more:
        pass


@pytest.mark.django_db
@pytest.mark.parametrize("fold", [drain, singly])
def test_one_that_goes_on_before_it_is_told_writes_over_nothing(fold: Callable[[str], object]) -> None:
    """Whatever stood in its log when the other's commits were told, and however it is cut into batches."""
    one, two = new_session("one"), new_session("two")
    for session in (one, two):
        feed(session, style())
    for text in ("eight", "nine"):
        store.append_events(two, [store.NewEvent(*update(text)), store.NewEvent(*FLUSH)])
    events = [*(update("spaces"), FLUSH), *(update("more spaces"), FLUSH), *(update("most"), FLUSH)]
    store.append_events(one, [store.NewEvent(*event) for event in events])
    drain(one)
    fold(two)
    drain(one)
    (row,) = ProjectPage.objects.all()
    assert (row.version, str(row.session_id)) == (3, one)
    assert (view(one).version, text_of(one), commits(one)) == (3, "most", [])
    assert (view(two).version, text_of(two)) == (3, "nine")
    assert [reason for reason, _ in parked(two)] == ["DESTRUCTIVE_OP"]
    feed(two, update("ten"), FLUSH)
    drain(one)
    assert (view(one).version, text_of(one)) == (4, "ten")


@pytest.mark.django_db
@pytest.mark.parametrize("fold", [drain, singly])
def test_one_that_makes_the_page_and_commits_it_unseen_is_parked(fold: Callable[[str], object]) -> None:
    one, two = new_session("one"), new_session("two")
    feed(one, style(), update("spaces"), FLUSH, update("more"), FLUSH)
    store.append_events(two, [style("old"), store.NewEvent(*update("eight")), store.NewEvent(*FLUSH)])
    fold(two)
    drain(two)
    assert (view(one).version, view(two).version, commits(one)) == (2, 2, [])
    assert [reason for reason, _ in parked(two)] == ["DESTRUCTIVE_OP"]
    update_id = next(row.update_id for row in store.journal(two) if row.phase == "rejected")
    answer = store.NewEvent("write_resolved", {"update_id": update_id, "action": "approve"})
    feed(one, update("and more"), FLUSH)
    drain(two)
    store.append_events(two, [answer], actor="operator:ann")
    drain(two)
    drain(one)
    assert (view(one).version, text_of(one), text_of(two)) == (4, "eight", "eight")


@pytest.mark.django_db
def test_a_resumed_session_is_told_what_it_missed() -> None:
    one, two = new_session("one"), new_session("two")
    for session in (one, two):
        feed(session, style())
    feed(one, update("spaces"), FLUSH)
    drain(two)
    feed(two, ("session_ended", {}))
    feed(one, update("more"), FLUSH, update("most"), FLUSH)
    assert len(commits(two)) == 1
    feed(two, ("session_started", STARTED))
    drain(two)
    assert (view(two).version, text_of(two), parked(two)) == (3, "most", [])
    feed(two, ("session_ended", {}), ("session_started", STARTED))
    feed(one, ("session_ended", {}), ("session_started", STARTED))
    assert (len(commits(two)), commits(one)) == (2, [])


@pytest.mark.django_db
def test_who_may_not_write_for_the_project_still_follows_it() -> None:
    """Its own count of versions is ahead of the project's; what it held is parked, not in the way."""
    one, two = new_session("one"), new_session("two", settings={"grants": ["session"]})
    for session in (one, two):
        feed(session, style())
    feed(two, update("a"), FLUSH, update("b"), FLUSH)
    feed(one, update("spaces"), FLUSH)
    drain(two)
    assert (view(two).version, text_of(two), len(parked(two))) == (1, "b", 1)
    feed(one, update("more"), FLUSH)
    drain(two)
    assert (view(two).version, text_of(two), len(parked(two))) == (2, "more", 1)


@pytest.mark.django_db
def test_what_a_session_may_not_write_goes_nowhere() -> None:
    one, two = new_session("one", settings={"grants": ["session"]}), new_session("two")
    for session in (one, two):
        feed(session, style())
    feed(one, update("spaces"), FLUSH)
    assert commits(two) == []
    staged = {
        "update_id": "u1", "page_id": "style", "field": "indent", "op": "append", "value": [4],
        "scope": "project", "evidence_ref": "style", "base_version": 0,
    }  # fmt: skip
    feed(one, ("write_staged", {"update": staged}), FLUSH)
    assert commits(two) == []
    answer = store.NewEvent("write_resolved", {"update_id": "u1", "action": "approve"})
    store.append_events(one, [answer], actor="operator:ann")
    drain(one)
    ((version, fields),) = [(c["version"], c["fields"]) for c in commits(two)]
    assert (version, fields) == (2, {"indent": [4]})


@pytest.mark.django_db
def test_a_session_that_is_only_read_keeps_what_its_record_shows() -> None:
    one, two = new_session("one"), new_session("two", mode="observed")
    for session in (one, two):
        feed(session, style())
    feed(one, update("spaces"), FLUSH)
    drain(two)
    assert (view(two).version, text_of(two)) == (1, "tabs")


@pytest.mark.django_db
def test_a_drain_done_again_sends_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction fails after everything was written: nothing was sent; done again, it is sent once."""
    one, two = new_session("one"), new_session("two")
    for session in (one, two):
        feed(session, style())
    store.append_events(one, [store.NewEvent(*update("spaces")), store.NewEvent(*FLUSH)])
    real = apply.commits.store

    def failing(plan: Any) -> None:
        real(plan)
        raise MemoryError

    monkeypatch.setattr(apply.commits, "store", failing)
    with pytest.raises(MemoryError):
        drain(one)
    assert commits(two) == []
    monkeypatch.setattr(apply.commits, "store", real)
    drain(one)
    drain(one)
    assert len(commits(two)) == 1
    row = Session.objects.get(pk=two)
    assert (row.last_seq, row.applied_seq) == (3, 2)


@pytest.mark.django_db
def test_the_others_log_folds_alone() -> None:
    one, two = new_session("one"), new_session("two")
    for session in (one, two):
        feed(session, style(), prompt(1))
    feed(two, update("eight"), FLUSH)
    feed(one, update("spaces"), FLUSH)
    drain(one)
    feed(two, update("unwritten"))
    feed(one, update("four"), FLUSH)
    feed(two, FLUSH)
    update_id = next(row.update_id for row in store.journal(two) if row.phase == "rejected")
    answer = store.NewEvent("write_resolved", {"update_id": update_id, "action": "approve"})
    store.append_events(two, [answer], actor="operator:ann")
    feed(two, prompt(2), prompt(3))
    said = [row.sentence for row in store.ledger(two, side="primary") if row.kind == "overruled"]
    assert len(said) == 1 and "committed all the same; DESTRUCTIVE_OP: based on version" in said[0]
    state = core.new_state()
    for event in log_events(two, 99):
        core.step(state, event)
    again = core.page_view(state, "style")
    assert again is not None and again.primary == view(two).primary
    stored = [(turn.turn, turn.sha256) for turn in Turn.objects.filter(session_id=two, side="primary")]
    assert state.primary is not None and (2, state.primary.chain) in stored


def _crossing(env: dict[str, str]) -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.memory.crossing"]
    done = subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    assert (found["errors"], found["pending"]) == ([], 0)
    assert found["sent"] > 0
    assert [tuple(pair) for pair in found["versions"]] == sorted(found["agreed"].items())
    return found


@pytest.mark.integration
def test_sessions_that_commit_to_each_other_agree(make_site: Callable[..., Any]) -> None:
    assert _crossing(make_site().env)["vendor"] == "sqlite"


@pytest.mark.postgres
@pytest.mark.integration
def test_on_postgresql_they_agree_and_never_wait_for_each_other(
    make_site: Callable[..., Any], postgres_url: str
) -> None:
    assert _crossing(make_site(DATABASE_URL=postgres_url).env)["vendor"] == "postgresql"
