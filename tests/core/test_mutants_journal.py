"""What no other test of the journal noticed when it was changed (``python -m tests.mutation``)."""

from __future__ import annotations

from typing import Any

import pytest

from memory.core import dump_state, load_state, session_view
from memory.core import journal as journal_module
from memory.core import merging as merging_module
from memory.core.codec import MAX_VALIDATORS
from memory.core.events import Update
from memory.core.validation import check_form
from tests.core.cast import Session, of
from tests.core.journal_cast import ANN, a_session, phases


def side_of(session: Session, shadow: bool = False) -> Any:
    side = session.state.shadow if shadow else session.state.primary
    assert side is not None
    return side


def judged(session: Session, verdict: str = "allow", **fields: Any) -> list[str]:
    body = {"update_id": "u", "validator": "licence", "verdict": verdict, **fields}
    return [o.data["phase"] for o in of(session.feed("write_judged", **body), "journal")]


def test_a_page_whose_updates_are_settled_has_none_staged() -> None:
    """So a page that leaves later gives up what was only marked dirty, and that is told."""
    session = a_session()
    session.stage("u", "plan")
    session.stage("v", "plan", op="append")
    assert side_of(session).journal.has_staged(0)
    session.boundary("flush")
    assert not side_of(session).journal.has_staged(0)
    session.dirty("plan")
    told = session.feed("page_retired", page_id="plan")
    assert [o.data["reason"] for o in told if o.data.get("change") == "clean"] == ["retired"]


def test_a_page_with_one_of_two_updates_taken_back_still_has_one_staged() -> None:
    """An undone return to an earlier version takes its own update away, and no other."""
    session = a_session()
    session.dirty("plan")
    session.boundary("flush")
    act = session.state.seq + 1
    session.feed("operator_restore", ANN, page_ids=["plan"], version=1)
    session.stage("u", "plan", base_version=1)
    session.feed("operator_undo", ANN, act_seq=act)
    assert side_of(session).journal.has_staged(0)
    assert not [o for o in session.feed("page_retired", page_id="plan") if o.data.get("change") == "clean"]


def test_a_verdict_survives_a_reload_and_a_copy() -> None:
    session = a_session(validators=["licence"])
    session.stage("u", "plan")
    judged(session, "deny", reason="not yours")
    again = Session.__new__(Session)
    again.__dict__.update(session.__dict__)
    again.state = load_state(dump_state(session.state))
    for one in (session, again):
        one.boundary("flush")
        told = one.feed("write_resolved", ANN, update_id="u", action="approve")
        (committed,) = [o for o in of(told, "journal") if o.data["phase"] == "committed"]
        assert committed.data["overrides"] == "POLICY_DENIED: not yours"


def test_an_update_staged_again_is_staged_and_nothing_else() -> None:
    session = a_session(validators=["licence"])
    session.stage("u", "plan")
    session.boundary("flush")
    assert session_view(session.state).parked == 1
    assert judged(session) == ["judged", "staged"]
    entry = side_of(session).journal.find("u")
    assert (entry.state, entry.reason, entry.validator, entry.detail) == ("staged", "", "", "")
    assert session_view(session.state).parked == 0
    session.feed("write_resolved", ANN, update_id="u", action="drop")
    assert session.refused() == "no parked update 'u'"
    again = load_state(dump_state(session.state))
    assert session_view(again).parked == 0


def test_what_is_only_staged_is_not_resolved() -> None:
    session = a_session()
    session.stage("u", "plan")
    session.feed("write_resolved", ANN, update_id="u", action="drop")
    assert session.refused() == "no parked update 'u'"
    assert phases(session.boundary("flush"), "committed") == [("u", "")]


def test_a_verdict_does_not_stage_again_what_another_check_parked() -> None:
    session = a_session()
    session.stage("u", "plan", scope="project")
    session.boundary("flush")
    assert judged(session) == ["judged"]
    assert session_view(session.state).parked == 1


def test_an_update_has_so_many_verdicts_and_no_more() -> None:
    session = a_session()
    session.stage("u", "plan")
    for number in range(MAX_VALIDATORS):
        assert judged(session, validator=f"v{number}") == ["judged"]
    judged(session, validator="one more")
    assert session.refused() == f"update 'u' has {MAX_VALIDATORS} verdicts already"


def test_no_update_is_staged_for_a_page_that_left() -> None:
    session = a_session()
    session.feed("page_retired", page_id="plan")
    session.stage("u", "plan")
    assert session.refused() == "page 'plan' is retired"


@pytest.fixture
def room_for_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "MAX_ENTRIES", 3)


@pytest.mark.usefixtures("room_for_three")
def test_what_is_parked_takes_room_in_the_journal() -> None:
    session = a_session()
    for number in range(2):
        session.stage(f"u{number}", "plan", scope="project")
    session.boundary("flush")
    session.stage("u2", "plan")
    assert session_view(session.state).parked == 2
    session.stage("u3", "plan")
    assert session.refused().startswith("the journal is full")
    session.feed("write_resolved", ANN, update_id="u0", action="drop")
    assert phases(session.stage("u3", "plan"), "staged") == [("u3", "")]


@pytest.mark.usefixtures("room_for_three")
def test_the_journal_of_either_side_can_be_full() -> None:
    session = a_session(shadow_policy="retrieval")
    for number in range(3):
        session.stage(f"u{number}", "plan", op="append")
    session.boundary("flush")  # the shadow writes nothing back, and a flush loses nothing
    assert side_of(session).journal.staged() == []
    session.stage("u3", "plan")
    assert session.refused().startswith("the journal is full")


def test_an_answer_is_for_the_side_where_the_update_is_parked() -> None:
    """On the other side it is still staged, or was lost."""
    for boundary, left in (("flush", ["u"]), ("reset", [])):
        session = a_session(shadow_policy="retrieval")
        session.stage("u", "plan", scope="project")
        session.boundary(boundary)
        told = session.feed("write_resolved", ANN, update_id="u", action="drop")
        assert [(o.side.value, o.data["phase"]) for o in told] == [("primary", "resolved")]
        assert [e.update.update_id for e in side_of(session, shadow=True).journal.staged()] == left


def test_an_update_delivered_again_after_a_reload_is_known() -> None:
    session = a_session()
    session.stage("u", "plan")
    session.boundary("flush")
    session.state = load_state(dump_state(session.state))
    (told,) = session.stage("u", "plan")
    assert told.data["redelivered"] == "u"
    assert session_view(session.state).dirty == 0


@pytest.mark.parametrize(("pin", "reason"), [("hard", "POLICY_DENIED"), ("soft", "")])
@pytest.mark.parametrize("field", ["pin", "min_fidelity"])
def test_only_a_hard_pin_keeps_its_minimum_from_being_lowered(pin: str, reason: str, field: str) -> None:
    session = a_session()
    session.add("a", "preference", pin=pin, min_fidelity="structured", tokens={"structured": 5, "full": 9})
    session.stage("u", "a", field=field, value={"pin": "none", "min_fidelity": "pointer"}[field])
    told = of(session.boundary("flush"), "journal")
    assert [o.data["reason"] for o in told if o.data["phase"] == "validated"] == [reason]


def bound(rule: dict[str, Any], page_id: str = "plan") -> bool:
    """Is an update of the page parked by this rule?"""
    session = a_session(write_rules=[{"name": "r", "deny": True, **rule}])
    session.add("plank", "plan")
    session.add("pool", "plan")
    session.add("plot", "plan")
    session.stage("u", page_id)
    return phases(session.boundary("flush"), "rejected") == [("u", "POLICY_DENIED")]


def test_a_rule_binds_the_scopes_and_pages_that_it_names() -> None:
    assert bound({"scopes": ["session"]})
    assert not bound({"scopes": ["project"]})
    assert bound({"pages": ["pool", "plan"]})
    assert bound({"pages": ["nothing*", "pla*"]})
    assert bound({"pages": ["plan*"]}, "plank")
    assert not bound({"pages": ["pla*"]}, "pool")
    assert not bound({"pages": ["pla*"]}, "plot")
    assert not bound({"pages": ["plan"]}, "plank")


def test_a_required_verdict_is_missing_though_other_validators_are_here() -> None:
    calls: list[str] = []
    session = a_session(validators=["licence"])
    session.state.validators = {"secrets": lambda update, page: calls.append(update.update_id) or "a secret"}
    session.stage("u", "plan")
    (rejected,) = [o.data for o in of(session.boundary("flush"), "journal") if o.data["phase"] == "rejected"]
    assert (rejected["validator"], rejected["detail"]) == ("plugin:licence", "no verdict of licence")
    assert calls == []
    assert judged(session) == ["judged"]
    assert calls == ["u"]
    assert judged(session, validator="another") == ["judged"]
    assert calls == ["u"]  # a denial is not asked for again


def test_a_negative_base_version_is_malformed() -> None:
    fields = {"field": "f", "op": "append", "value": 1, "scope": "session", "evidence_ref": "plan"}
    for version, reason in ((-1, "SCHEMA_INVALID"), (0, "")):
        update = Update(update_id="u", page_id="plan", base_version=version, **fields)
        assert check_form(update).reason == reason


def test_an_operators_return_to_a_version_is_bound_by_no_rule_and_needs_no_verdict() -> None:
    session = a_session(write_rules=[{"name": "r", "fields": ["text"], "deny": True}], validators=["licence"])
    session.dirty("plan")
    session.boundary("flush")
    session.feed("operator_restore", ANN, page_ids=["plan"], version=1)
    told = session.boundary("flush")
    assert [update_id.split(":")[0] for update_id, _ in phases(told, "committed")] == ["restore"]
    assert phases(told, "rejected") == []


def test_an_operators_return_to_a_version_is_bound_by_the_sessions_grants() -> None:
    session = a_session(settings={"grants": ["session"]})
    session.dirty("shared")
    session.boundary("flush")
    session.feed("operator_restore", ANN, page_ids=["shared"], version=1)
    (rejected,) = phases(session.boundary("flush"), "rejected")
    assert rejected[1] == "SCOPE_DENIED"


def test_an_operators_return_to_a_version_needs_no_room_among_the_fields(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(merging_module, "MAX_FIELDS", 1)
    session = a_session()
    session.stage("u", "plan")
    session.boundary("flush")
    session.stage("v", "plan", field="another", base_version=1)
    assert phases(session.boundary("flush"), "rejected") == [("v", "SCHEMA_INVALID")]
    session.feed("operator_restore", ANN, page_ids=["plan"], version=1)
    assert phases(session.boundary("flush"), "rejected") == []
