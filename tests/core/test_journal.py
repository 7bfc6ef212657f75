"""The journal: checks in their order, declared rules, plug-ins with logged verdicts, answers, redelivery."""

from __future__ import annotations

import json
from typing import Any

import pytest

from memory.core import (
    EventError,
    Outcome,
    PageView,
    dump_state,
    load_state,
    page_view,
    replay,
    session_view,
    touched,
)
from memory.core.declarations import MAX_PAGE_LINKS
from memory.core.events import Update
from memory.core.journal import MAX_ENTRIES
from memory.core.validation import MAX_FIELD, MAX_VALUE_BYTES
from tests.core.cast import Session, faults, of
from tests.core.journal_cast import ANN, a_session, phases, version


def parked(session: Session, **fields: Any) -> tuple[str, str, str]:
    """Reason, validator and detail with which an update with these fields is parked."""
    session.stage("u", fields.pop("page_id", "plan"), **fields)
    (rejected,) = [
        o for o in of(session.boundary("flush"), "journal") if o.data["phase"] in ("rejected", "committed")
    ]
    return rejected.data["reason"], rejected.data.get("validator", ""), rejected.data.get("detail", "")


# --- the five checks ---

FAULTY: list[tuple[dict[str, Any], str, str]] = [
    ({"field": ""}, "SCHEMA_INVALID", "schema"),
    ({"evidence_ref": "nothing"}, "PROVENANCE_UNRESOLVED", "provenance"),
    ({"scope": "project"}, "SCOPE_DENIED", "scope"),
    ({"base_version": 9}, "DESTRUCTIVE_OP", "version"),
    ({"value": "x" * 300}, "POLICY_DENIED", "rule:short"),
]


@pytest.mark.parametrize("first", range(len(FAULTY)))
def test_the_first_check_that_fails_gives_the_reason(first: int) -> None:
    """An update that fails this check and every later one is parked for this one, by name."""
    session = a_session(write_rules=[{"name": "short", "max_value_bytes": 100}])
    fields: dict[str, Any] = {}
    for faulty, _, _ in FAULTY[first:]:
        fields |= faulty
    _, reason, validator = FAULTY[first]
    assert parked(session, **fields)[:2] == (reason, validator)


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"field": "f" * (MAX_FIELD + 1)}, f"field is longer than {MAX_FIELD} characters"),
        ({"value": None}, "value is missing"),
        ({"value": "x" * MAX_VALUE_BYTES}, f"value takes more than {MAX_VALUE_BYTES} bytes"),
        ({"scope": "world"}, "the page is of scope session"),
        ({"page_id": "shared", "scope": "project"}, "the session may not write scope project"),
        ({"op": "delete"}, "'delete' is none of append, merge, set_with_version"),
        ({"op": ""}, "'' is none of append, merge, set_with_version"),
        ({"base_version": 7}, "based on version 7, and 0 is the last committed one"),
        ({"page_id": "rule", "field": "pin", "value": "soft"}, "it would lower the pin of a hard pin"),
        (
            {"page_id": "rule", "field": "min_fidelity", "value": "pointer"},
            "it would lower the min_fidelity of a hard pin",
        ),
        (
            {"page_id": "rule", "field": "min_fidelity", "value": 3},
            "it would lower the min_fidelity of a hard pin",
        ),
    ],
)
def test_each_says_what_is_wrong(fields: dict[str, Any], detail: str) -> None:
    assert parked(a_session(settings={"grants": ["session"]}), **fields)[2] == detail


@pytest.mark.parametrize(
    "fields",
    [
        {"field": "f" * MAX_FIELD},
        {"value": "x" * (MAX_VALUE_BYTES - 2)},
        {"value": 0},
        {"value": False},
        {"op": "append", "base_version": 7},
        {"page_id": "rule", "field": "min_fidelity", "value": "full"},
        {"page_id": "rule", "field": "min_fidelity", "value": "structured"},
        {"page_id": "rule", "field": "pin", "value": "hard"},
        {"page_id": "plan", "field": "pin", "value": "none"},
        {"page_id": "shared", "scope": "project"},
    ],
)
def test_at_the_limit_it_is_committed(fields: dict[str, Any]) -> None:
    session = a_session()
    assert parked(session, **fields)[0] == ""
    assert version(session, fields.get("page_id", "plan")) == 1


def test_evidence_must_be_known_when_the_update_is_validated() -> None:
    """A result may come between the update and the boundary; a page that left the table still resolves."""
    session = a_session()
    session.stage("before", "plan", evidence_ref="late")
    session.stage("never", "plan", evidence_ref="later still")
    session.add("late")
    session.feed("page_superseded", page_id="late")
    told = session.boundary("flush")
    assert phases(told, "committed") == [("before", "")]
    assert phases(told, "rejected") == [("never", "PROVENANCE_UNRESOLVED")]
    session.add("later still")


def test_each_is_validated_against_what_the_commits_before_it_left() -> None:
    session = a_session()
    for update_id, base in (("a", 0), ("b", 0), ("c", 1), ("d", 2)):
        session.stage(update_id, "plan", base_version=base)
    told = session.boundary("flush")
    assert phases(told, "committed") == [("a", ""), ("c", ""), ("d", "")]
    assert phases(told, "rejected") == [("b", "DESTRUCTIVE_OP")]
    assert [o.data["validator"] for o in of(told, "journal") if o.data["phase"] == "validated"] == [
        "all", "version", "all", "all",
    ]  # fmt: skip


def test_a_dirty_page_with_a_staged_update_gets_no_implied_one() -> None:
    session = a_session()
    session.dirty("plan")
    session.stage("u", "plan", base_version=5)
    session.dirty("rule")
    told = session.boundary("compaction")
    assert phases(told, "committed") == [(f"implied:{session.state.seq}:2", "")]
    assert (version(session), version(session, "rule")) == (0, 1)
    header = session_view(session.state)
    assert (header.dirty, header.parked) == (0, 1)
    assert faults(session.prompt()) == []


@pytest.mark.parametrize(("kind", "lost"), [("reset", ["plan"]), ("shutdown", ["plan"]), ("flush", [])])
def test_a_policy_that_does_not_write_back_does_nothing_there(kind: str, lost: list[str]) -> None:
    """Pages of the session are lost at a reset or shutdown; those of the project stay dirty, and wait."""
    session = a_session(policy="retrieval")
    session.stage("mine", "plan")
    session.stage("ours", "shared", scope="project")
    told = session.boundary(kind)
    (boundary,) = of(told, "boundary")
    counted = [boundary.data[name] for name in ("staged", "committed", "rejected", "lost")]
    assert counted == [0, 0, 0, lost]
    assert [page for _, page, _ in faults(told)] == lost
    assert phases(told, "lost") == [("mine", kind)] * len(lost)
    assert session_view(session.state).dirty == 2 - len(lost)
    assert session.state.primary is not None and session.state.primary.journal.has_staged(1)


def test_a_crash_is_no_boundary() -> None:
    session = a_session()
    session.stage("u", "plan")
    session.state = load_state(dump_state(session.state))
    assert version(session) == 0
    session.boundary("flush")
    assert version(session) == 1


# --- declared rules ---


@pytest.mark.parametrize(
    ("rule", "fields", "denied"),
    [
        ({"deny": True}, {}, True),
        ({"deny": True, "types": ["constraint"]}, {}, False),
        ({"deny": True, "types": ["plan", "constraint"]}, {}, True),
        ({"deny": True, "scopes": ["project"]}, {}, False),
        ({"deny": True, "pages": ["pl*"]}, {}, True),
        ({"deny": True, "pages": ["pla"]}, {}, False),
        ({"deny": True, "fields": ["goal"]}, {}, False),
        ({"deny": True, "fields": ["step"], "types": ["plan"]}, {}, True),
        ({"ops": ["append", "merge"]}, {}, True),
        ({"ops": ["append", "merge"]}, {"op": "merge"}, False),
        ({"max_value_bytes": 3}, {}, False),
        ({"max_value_bytes": 2}, {}, True),
    ],
)
def test_a_rule_binds_what_fits_it(rule: dict[str, Any], fields: dict[str, Any], denied: bool) -> None:
    session = a_session(write_rules=[{"name": "mine", **rule}])
    session.state = load_state(dump_state(session.state))
    reason, validator, detail = parked(session, **fields)
    assert (reason, validator) == (("POLICY_DENIED", "rule:mine") if denied else ("", ""))
    assert bool(detail) is denied


@pytest.mark.parametrize(
    ("rules", "where"),
    [
        ([{"name": "a"}], "write_rules[0]"),
        ([{"name": "a", "deny": True, "ops": ["append"]}], "write_rules[0]"),
        ([{"name": "a", "deny": True}] * 2, "write_rules[1].name"),
        ([{"deny": True}], "write_rules[0].name"),
        ([{"name": "a", "deny": 1}], "write_rules[0].deny"),
        ([{"name": "a", "deny": True, "pages": ["p"] * 101}], "write_rules[0].pages"),
        ([{"name": "a", "deny": True, "fields": ["f"] * 101}], "write_rules[0].fields"),
        ([{"name": "a", "ops": ["delete"]}], "write_rules[0].ops[0]"),
        ([{"name": "a", "types": ["note"], "deny": True}], "write_rules[0].types[0]"),
        ([{"name": "a", "max_value_bytes": -1}], "write_rules[0].max_value_bytes"),
        ([{"name": "a", "deny": True, "more": 1}], "write_rules[0].more"),
        ([{"name": f"r{n}", "deny": True} for n in range(101)], "write_rules"),
    ],
)
def test_a_rule_is_read_strictly(rules: Any, where: str) -> None:
    with pytest.raises(EventError) as caught:
        Session(write_rules=rules)
    assert caught.value.where == where


# --- plug-ins ---


def judged(
    session: Session, verdict: str = "allow", validator: str = "licence", **fields: Any
) -> list[Outcome]:
    return session.feed("write_judged", update_id="u", validator=validator, verdict=verdict, **fields)


def test_a_logged_denial_parks_with_its_reason() -> None:
    session = a_session()
    session.stage("u", "plan")
    judged(session, "deny", reason="the licence forbids it")
    told = session.boundary("flush")
    (rejected,) = [o for o in of(told, "journal") if o.data["phase"] == "rejected"]
    words = (rejected.data["reason"], rejected.data["validator"], rejected.data["detail"])
    assert words == ("POLICY_DENIED", "plugin:licence", "the licence forbids it")


def test_what_lacks_a_required_verdict_is_parked_and_staged_again_when_it_comes() -> None:
    session = a_session(validators=["licence", "owner"])
    assert parked(session) == ("POLICY_DENIED", "plugin:licence", "no verdict of licence")
    told = judged(session)
    assert [o.data["phase"] for o in of(told, "journal")] == ["judged"]
    told = judged(session, validator="owner")
    assert [o.data["phase"] for o in of(told, "journal")] == ["judged", "staged"]
    assert session_view(session.state).dirty == 1
    assert phases(session.boundary("flush"), "committed") == [("u", "")]
    assert version(session) == 1


def test_a_late_denial_keeps_it_parked_with_the_new_reason() -> None:
    session = a_session(validators=["licence"])
    parked(session)
    judged(session, "deny", reason="no")
    assert session_view(session.state).parked == 1
    entry = session.state.primary.journal.find("u")  # type: ignore[union-attr]
    assert entry is not None and (entry.state, entry.detail) == ("parked", "no")


def test_a_verdict_is_given_once_and_for_a_known_update() -> None:
    session = a_session()
    judged(session)
    assert session.refused() == "no update 'u' is staged or parked"
    session.stage("u", "plan")
    judged(session)
    judged(session, "deny")
    assert session.refused() == "'licence' has judged update 'u' before: allow"
    assert version(session) == 0 and phases(session.boundary("flush"), "committed")


def with_plugin(calls: list[str], **started: Any) -> Session:
    def no_secrets(update: Update, page: PageView) -> str:
        calls.append(update.update_id)
        if update.value == "crash":
            raise ValueError("secret text")
        return f"a secret for {page.type.value}" if update.value == "secret" else ""

    session = a_session(**started)
    session.state.validators = {"secrets": no_secrets}
    return session


@pytest.mark.parametrize(
    ("value", "detail"),
    [("fine", ""), ("secret", "a secret for plan"), ("crash", "the validator failed: ValueError")],
)
def test_a_plug_in_of_this_process_is_asked(value: str, detail: str) -> None:
    calls: list[str] = []
    session = with_plugin(calls, validators=["secrets"])
    want = ("POLICY_DENIED", "plugin:secrets", detail) if detail else ("", "", "")
    assert parked(session, value=value) == want
    assert calls == ["u"]


def test_a_logged_verdict_is_used_and_nobody_is_asked_again() -> None:
    calls: list[str] = []
    session = with_plugin(calls)
    session.stage("u", "plan", value="secret")
    judged(session, "allow", validator="secrets")
    assert phases(session.boundary("flush"), "committed") == [("u", "")]
    assert calls == []


def test_a_replay_of_the_log_needs_no_validator() -> None:
    """What looked at the outside world stands in the log: the trace is the session's, byte for byte."""
    session = a_session(validators=["licence"])
    for update_id, verdict in (("u1", "allow"), ("u2", "deny"), ("u3", "")):
        session.stage(update_id, "plan", op="append", value=update_id)
        if verdict:
            body = {"update_id": update_id, "validator": "licence", "verdict": verdict, "evidence": "seen"}
            session.feed("write_judged", **body)
    session.boundary("compaction")
    session.prompt()
    session.feed("session_ended")
    live = [o.data["record"].encode() for o in of(session.outcomes, "turn")]
    assert list(replay(session.events).trace) == [session.state.head, *live]
    moves = [[m["update_id"], m["phase"]] for m in json.loads(live[-1])["journal"]]
    assert [move for move in moves if move[1] in ("committed", "rejected")] == [
        ["u1", "committed"], ["u2", "rejected"], ["u3", "rejected"],
    ]  # fmt: skip


def test_plug_ins_in_use_are_named_in_the_trace() -> None:
    from memory.core import Event, decode_body, new_state, step

    state = new_state(validators={"b": lambda update, page: "", "a": lambda update, page: ""})
    step(state, Event(1, decode_body("session_started", {"harness": "h", "mode": "enforced"})))
    assert b'"plugins":["a","b"]' in state.head
    assert load_state(dump_state(state), state.validators).validators.keys() == {"a", "b"}
    assert load_state(dump_state(state)).validators == {}


# --- answers ---


def test_only_an_operator_approves_or_merges() -> None:
    session = a_session()
    parked(session, base_version=5)
    for action in ("approve", "merge"):
        session.feed("write_resolved", update_id="u", action=action, value="v")
        assert session.refused() == f"only an operator can {action} what validation parked"
    session.feed("write_resolved", update_id="u", action="drop")
    assert session_view(session.state).parked == 0


@pytest.mark.parametrize(
    ("fields", "action", "value", "why"),
    [
        ({"field": ""}, "approve", None, "a malformed update cannot be approved"),
        ({"page_id": "rule", "field": "pin", "value": "none"}, "approve", None, "take the pin away first"),
        ({"page_id": "rule", "field": "pin", "value": "none"}, "merge", "soft", "take the pin away first"),
        ({"value": None}, "merge", None, "merge needs a value"),
        ({"base_version": 3}, "merge", "x" * MAX_VALUE_BYTES, "value takes more than"),
    ],
)
def test_what_an_operators_word_cannot_mend(fields: Any, action: str, value: Any, why: str) -> None:
    session = a_session()
    parked(session, **fields)
    session.feed("write_resolved", ANN, update_id="u", action=action, value=value)
    assert why in session.refused()
    assert session_view(session.state).parked == 1


@pytest.mark.parametrize(
    ("fields", "action", "overrides"),
    [
        (
            {"base_version": 3},
            "approve",
            "DESTRUCTIVE_OP: based on version 3, and 0 is the last committed one",
        ),
        ({"scope": "project"}, "approve", "SCOPE_DENIED: the page is of scope session"),
        ({"evidence_ref": "x"}, "approve", "PROVENANCE_UNRESOLVED: no page 'x' is known"),
        (
            {"op": "delete"},
            "approve",
            "DESTRUCTIVE_OP: 'delete' is none of append, merge, set_with_version",
        ),
        ({"base_version": 3}, "merge", None),
        ({"op": "delete"}, "merge", None),
    ],
)
def test_what_an_answer_overrides_is_said(fields: Any, action: str, overrides: str | None) -> None:
    session = a_session()
    parked(session, **fields)
    told = session.feed("write_resolved", ANN, update_id="u", action=action, value="merged")
    (committed,) = [o for o in of(told, "journal") if o.data["phase"] == "committed"]
    assert committed.data.get("overrides") == overrides
    assert (committed.data["reason"], version(session)) == (ANN, 1)


def test_after_the_pin_is_taken_away_the_same_answer_passes() -> None:
    session = a_session()
    session.feed("operator_pin", ANN, page_ids=["plan"], pin="hard")
    parked(session, field="pin", value="none")
    session.feed("operator_unpin", ANN, page_ids=["plan"])
    told = session.feed("write_resolved", ANN, update_id="u", action="approve")
    assert "overrides" not in told[-1].data and version(session) == 1


# --- redelivery and limits ---


@pytest.mark.parametrize("when", ["staged", "committed", "parked", "dropped"])
def test_the_same_update_again_has_no_second_effect(when: str) -> None:
    session = a_session()
    fields = {"base_version": 0 if when in ("staged", "committed") else 4}
    session.stage("u", "plan", **fields)
    if when != "staged":
        session.boundary("flush")
    if when == "dropped":
        session.feed("write_resolved", update_id="u", action="drop")
    before = dump_state(session.state)
    (told,) = session.stage("u", "plan", **fields)
    assert (told.kind, told.data) == ("session", {"redelivered": "u"})
    session.state.seq -= 1
    assert dump_state(session.state) == before
    session.state.seq += 1
    session.stage("u", "plan", value="other", **fields)
    assert session.refused() == "update 'u' is already in the journal, with other content"


def test_ids_of_ours_are_not_taken() -> None:
    session = a_session()
    for update_id in ("restore:5:0", "implied:9:1"):
        session.stage(update_id, "plan")
        assert "does not begin with" in session.refused()


def test_the_journal_has_an_end() -> None:
    session = a_session()
    update = {"page_id": "plan", "field": "f", "op": "append", "value": 1, "scope": "session"}
    for number in range(MAX_ENTRIES):
        update |= {"update_id": f"u{number}", "evidence_ref": "plan", "base_version": 0}
        session.feed("write_staged", update=update)
    session.stage("one more", "plan")
    assert session.refused() == f"the journal is full: {MAX_ENTRIES} updates are staged or parked"
    (boundary,) = of(session.boundary("flush"), "boundary")
    assert boundary.data["committed"] == MAX_ENTRIES


# --- lineage ---


def test_links_are_kept_with_the_page() -> None:
    session = a_session()
    told = session.feed("page_linked", page_id="plan", session="child", relation="sub_agent")
    assert touched(told) == {"plan"}
    session.feed("page_linked", page_id="plan", session="child", relation="fork")
    session.feed("page_linked", page_id="plan", session="child", relation="fork")
    assert session.refused() == "page 'plan' is linked so already"
    again = load_state(dump_state(session.state))
    view = page_view(again, "plan")
    assert view is not None and view.links == (("child", "sub_agent"), ("child", "fork"))
    for number in range(MAX_PAGE_LINKS - 2):
        session.feed("page_linked", page_id="plan", session=f"s{number}", relation="fork")
    session.feed("page_linked", page_id="plan", session="one more", relation="fork")
    assert session.refused().startswith(f"a page has at most {MAX_PAGE_LINKS} links")
