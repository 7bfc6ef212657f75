"""Pages of project scope: what another session committed is taken, and what crossed with it is parked."""

from __future__ import annotations

from typing import Any

import pytest

from memory.core import (
    Outcome,
    clone,
    committed_fields,
    committed_text,
    dump_state,
    load_state,
    page_view,
    session_view,
    touched,
)
from memory.core.handling import primary_side
from tests.core.cast import Session, faults
from tests.core.journal_cast import ANN, a_session, phases, version


def project_commit(session: Session, version: int = 1, **fields: Any) -> list[Outcome]:
    reps = {"full": {"tokens": 77}}
    return session.feed("project_commit", page_id="shared", version=version, representations=reps, **fields)


def tokens(session: Session) -> int:
    view = page_view(session.state, "shared")
    assert view is not None
    return max(view.tokens.values())


def test_a_clean_page_takes_the_projects_text() -> None:
    session = a_session()
    told = project_commit(session, origin_session="other")
    assert (version(session, "shared"), tokens(session)) == (1, 77)
    assert told[0].data["taken"] and told[0].data["by"] == "other"
    project_commit(session)
    assert session.refused() == "version 1 is not above 1, the project's last one"


def test_a_dirty_copy_stays_and_is_parked_at_the_next_boundary() -> None:
    session = a_session()
    session.update("shared", 120)
    project_commit(session)
    assert (version(session, "shared"), tokens(session)) == (1, 120)
    told = session.boundary("reset")
    assert [reason for _, reason in phases(told, "rejected")] == ["DESTRUCTIVE_OP"]
    assert faults(told) == [] and session_view(session.state).dirty == 0
    session.feed("operator_restore", ANN, page_ids=["shared"], version=1)
    assert tokens(session) == 77


def test_a_staged_update_of_its_own_is_the_conflict() -> None:
    session = a_session()
    session.stage("mine", "shared", scope="project")
    session.stage("adds", "shared", scope="project", op="append")
    project_commit(session)
    told = session.boundary("flush")
    assert phases(told, "rejected") == [("mine", "DESTRUCTIVE_OP")]
    assert phases(told, "committed") == [("adds", "")]


def test_a_commit_that_crossed_is_parked_at_once() -> None:
    session = a_session()
    session.update("shared", 120)
    session.boundary("flush")
    told = project_commit(session, base_version=0)
    assert [reason for _, reason in phases(told, "rejected")] == ["DESTRUCTIVE_OP"]
    assert (version(session, "shared"), tokens(session)) == (1, 120)
    update_id = phases(told, "rejected")[0][0]
    session.feed("write_resolved", ANN, update_id=update_id, action="approve")
    assert version(session, "shared") == 2


@pytest.mark.parametrize(("theirs", "base"), [(1, None), (1, 0), (2, None), (4, 1)])
def test_commits_above_the_version_that_the_other_followed_do_not_stand(
    theirs: int, base: int | None
) -> None:
    session = a_session()
    for tokens_of in (120, 130):
        session.update("shared", tokens_of)
        session.boundary("flush")
    told = project_commit(session, theirs, base_version=base)
    assert [reason for _, reason in phases(told, "rejected")] == ["DESTRUCTIVE_OP"]
    assert (version(session, "shared"), tokens(session)) == (theirs, 130)


@pytest.mark.parametrize(("theirs", "base"), [(3, None), (3, 2), (5, 2)])
def test_what_followed_the_own_commit_is_taken(theirs: int, base: int | None) -> None:
    session = a_session()
    for tokens_of in (120, 130):
        session.update("shared", tokens_of)
        session.boundary("flush")
    told = project_commit(session, theirs, base_version=base)
    assert phases(told, "rejected") == []
    assert (version(session, "shared"), tokens(session)) == (theirs, 77)


def test_fields_of_a_commit_that_crossed_are_parked_each_with_its_value() -> None:
    session = a_session()
    for n, field in enumerate(("mine", "same", "theirs")):
        session.stage(f"u{n}", "shared", scope="project", field=field, op="append", value=[field])
    session.boundary("flush")
    assert version(session, "shared") == 3
    told = project_commit(session, base_version=0, fields={"same": ["same"], "theirs": ["other"]})
    rejected = [update_id for update_id, _ in phases(told, "rejected")]
    assert len(rejected) == 3
    assert committed_fields(session.state, "shared") == {"same": ["same"], "theirs": ["other"]}
    session.state = load_state(dump_state(session.state))
    session.feed("write_resolved", ANN, update_id=rejected[1], action="approve")
    assert committed_fields(session.state, "shared")["mine"] == ["mine"]
    session.feed("write_resolved", ANN, update_id=rejected[2], action="merge", value=["theirs"])
    assert committed_fields(session.state, "shared")["theirs"] == ["other", "theirs"]
    assert version(session, "shared") == 3


def test_a_working_copy_beside_a_commit_that_crossed_is_parked_at_the_next_boundary() -> None:
    session = a_session()
    session.update("shared", 120)
    committed = session.state.seq
    session.boundary("flush")
    session.update("shared", 130)
    working = session.state.seq
    (first,) = phases(project_commit(session), "rejected")
    (second,) = phases(session.boundary("flush"), "rejected")
    assert (version(session, "shared"), tokens(session)) == (1, 130)
    texts = {e.update.update_id: e.text for e in primary_side(session.state).journal.parked()}
    assert [texts[first[0]], texts[second[0]]] == [
        (committed, (0, 0, 0, 0, 120)), (working, (0, 0, 0, 0, 130)),
    ]  # fmt: skip


def test_an_approved_text_is_the_one_that_was_parked() -> None:
    """Also where the project's next one stands in its place by then; a newer one that is unwritten stays."""
    session = a_session()
    session.update("shared", 120)
    mine = session.state.seq
    project_commit(session)
    session.boundary("flush")
    project_commit(session, 2)
    assert tokens(session) == 77
    session.state = load_state(dump_state(session.state))
    (update_id,) = [entry.update.update_id for entry in primary_side(session.state).journal.parked()]
    other = clone(session.state)
    session.feed("write_resolved", ANN, update_id=update_id, action="merge", value="x")
    assert session.refused().startswith("a page's text is merged by no rule")
    told = session.feed("write_resolved", ANN, update_id=update_id, action="approve")
    assert (version(session, "shared"), tokens(session)) == (3, 120)
    assert touched(told) == {"shared"}
    assert committed_text(session.state, "shared") == (3, mine)
    session.state = other
    session.update("shared", 150)
    session.feed("write_resolved", ANN, update_id=update_id, action="approve")
    assert (version(session, "shared"), tokens(session)) == (3, 150)
    assert committed_text(session.state, "shared") == (3, mine)
    assert session_view(session.state).dirty == 1
    session.boundary("flush")
    assert committed_text(session.state, "shared") == (4, session.state.seq - 2)


def test_pages_of_the_session_are_not_the_projects() -> None:
    session = a_session()
    session.feed("project_commit", page_id="plan", version=1, representations={"full": {"tokens": 7}})
    assert session.refused() == "page 'plan' is not of project scope"
