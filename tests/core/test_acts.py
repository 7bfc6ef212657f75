"""Operators' acts: what they do, when they are refused, how they are proved, undone and tried."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.core import (
    Event,
    Outcome,
    clone,
    decode_body,
    dry_run,
    dump_state,
    new_state,
    page_ids,
    page_view,
    step,
)
from memory.core.acts import bound_side
from memory.core.types import Fidelity
from tests.core.cast import Session, of
from tests.core.strategies import streams


def session_of_three(budget: int = 220, mode: str = "enforced") -> Session:
    session = Session(mode, budget=budget)
    session.add("rule", "constraint", tokens={"structured": 20, "full": 60})
    session.add("a")
    session.add("b", base_utility=9)
    session.prompt()
    return session


def act(session: Session, kind: str, **fields: Any) -> Outcome:
    told = of(session.feed(f"operator_{kind}", "operator:ann", **fields), "act")
    return told[0]


def test_pin_is_held_and_its_receipt_seen() -> None:
    session = session_of_three(120)
    done = act(session, "pin", page_ids=["a"], min_fidelity="full", reason="keep it")
    assert (done.data["state"], done.data["reach"]) == ("applied", "enforced")
    assert [o.data["state"] for o in of(session.outcomes, "receipt")] == ["due"]
    session.prompt()
    assert session.fidelity("a") == "full"
    (seen,) = of(session.answer(), "receipt")
    assert (seen.data["state"], seen.data["prompt_turn"]) == ("seen", 2)


def test_receipt_is_missing_when_the_agent_sent_something_else() -> None:
    session = session_of_three()
    act(session, "pin", page_ids=["a"])
    session.prompt()
    assert of(session.answer(matches=None), "receipt") == []  # nobody looked: still due
    session.prompt()
    (missing,) = of(session.answer(matches=False), "receipt")
    assert missing.data["state"] == "missing"


def test_receipt_is_missing_when_the_prompt_lacked_the_page() -> None:
    session = session_of_three()
    act(session, "pin", page_ids=["a"])
    session.feed("page_retired", page_id="a")
    session.prompt()
    (missing,) = of(session.answer(), "receipt")
    assert (missing.data["state"], missing.data["how"]) == ("missing", "not in the prompt")


def test_receipt_of_a_demotion_is_missing_where_no_smaller_form_is_left() -> None:
    session = session_of_three(1000)
    act(session, "demote", page_ids=["a"])
    session.update("a", 120)  # comes without a pointer
    session.prompt()
    assert session.fidelity("a") == "full"
    (missing,) = of(session.answer(), "receipt")
    assert (missing.data["state"], missing.data["how"]) == (
        "missing",
        "no form at or below pointer: it stands at full",
    )


def test_receipt_of_a_restore_does_not_stay_due_for_ever() -> None:
    """It asked for one prompt; nobody answered that one, and the next begins."""
    session = session_of_three(1000)
    done = act(session, "restore", page_ids=["a"])
    assert of(session.prompt(), "receipt") == []
    (missing,) = of(session.prompt(), "receipt")
    assert (missing.data["act_seq"], missing.data["state"], missing.data["prompt_turn"]) == (
        done.seq,
        "missing",
        2,
    )
    assert session.state.due == []


def test_injected_receipts_are_told() -> None:
    session = session_of_three(mode="injected")
    done = act(session, "pin", page_ids=["a"])
    assert done.data["reach"] == "injected"
    session.prompt()
    assert of(session.answer(), "receipt") == []
    (seen,) = session.feed("receipt", act_seq=done.seq, seen=True, turn=2, how="line 7")
    assert (seen.kind, seen.data["state"], seen.data["how"]) == ("receipt", "seen", "line 7")


def test_a_demotion_of_an_injected_session_is_shadow_only() -> None:
    """We can add to its prompt, not take away: no receipt is due for what nobody can keep."""
    session = session_of_three(mode="injected")
    assert act(session, "demote", page_ids=["a"]).data["reach"] == "shadow"
    assert session.state.due == []
    assert act(session, "restore", page_ids=["a"]).data["reach"] == "injected"


def test_demote_caps_and_restore_lifts() -> None:
    session = session_of_three(1000)
    act(session, "demote", page_ids=["a", "b"])
    session.prompt()
    assert (session.fidelity("a"), session.fidelity("b")) == ("pointer", "pointer")
    session.declare("a")
    session.prompt()
    assert session.fidelity("a") == "pointer"  # never above the cap, whoever asks
    act(session, "restore", page_ids=["a"])
    session.prompt()
    view = page_view(session.state, "a")
    assert view is not None
    assert (session.fidelity("a"), view.cap) == ("full", None)


@pytest.mark.parametrize(
    ("kind", "fields", "why"),
    [
        ("demote", {"page_ids": ["rule"], "cap": "pointer"}, "minimum"),
        ("demote", {"page_ids": ["a"], "cap": "full"}, "no demotion"),
        ("demote", {"page_ids": ["whole"], "cap": "pointer"}, "no smaller form"),
        ("pin", {"page_ids": ["a"], "pin": "none"}, "unpin"),
        ("pin", {"page_ids": ["rule"], "min_fidelity": "compressed"}, "path"),
        ("pin", {"page_ids": ["a"], "min_fidelity": "full"}, "break the floor"),
        ("restore", {"page_ids": ["a"], "version": 3}, "version"),
        ("pin", {"page_ids": ["gone"]}, "superseded"),
        ("undo", {"act_seq": 1}, "no act"),
    ],
)
def test_refused_with_the_reason_and_nothing_changed(kind: str, fields: dict[str, Any], why: str) -> None:
    session = session_of_three(110)
    session.add("whole", tokens={"full": 5})
    session.add("gone")
    session.feed("page_superseded", page_id="gone")
    told = session.feed(f"operator_{kind}", "operator:ann", **fields)
    assert [o.kind for o in told] == ["act"]
    assert told[0].data["state"] == "refused"
    assert why in told[0].data["reason"]


def test_unknown_page_is_rejected() -> None:
    session = session_of_three()
    session.feed("operator_pin", page_ids=["a", "nobody"])
    assert "nobody" in session.refused()
    view = page_view(session.state, "a")
    assert view is not None
    assert view.pin == "none"


def test_inferred_rule_is_not_pinned_hard_before_someone_confirms_it() -> None:
    session = Session(budget=500)
    session.add("guess", "constraint", inferred=True)
    view = page_view(session.state, "guess")
    assert view is not None
    assert view.pin == "soft"
    act(session, "pin", page_ids=["guess"])
    view = page_view(session.state, "guess")
    assert view is not None
    assert (view.pin, view.inferred) == ("hard", False)


def test_undo_puts_back_what_stood_before() -> None:
    session = session_of_three()
    done = act(session, "pin", page_ids=["a"], pin="soft")
    told = session.feed("operator_undo", "operator:bob", act_seq=done.seq)
    assert [(o.data["act_seq"], o.data["state"]) for o in of(told, "act")] == [
        (session.state.seq, "applied"),
        (done.seq, "undone"),
    ]
    view = page_view(session.state, "a")
    assert view is not None
    assert view.pin == "none"
    assert act(session, "undo", act_seq=done.seq).data["state"] == "refused"


def test_undo_is_refused_when_someone_acted_since() -> None:
    """No act is lost: the later one stands, and the second operator is told of the first."""
    session = session_of_three()
    looked_at = session.state.seq
    first = act(session, "pin", page_ids=["a"], pin="soft")
    second = act(session, "pin", page_ids=["a"], pin="hard", based_on_seq=looked_at)
    assert second.data["newer"] == [first.seq]
    assert "changed again" in act(session, "undo", act_seq=first.seq).data["reason"]


def test_undo_takes_back_its_own_act_and_no_other() -> None:
    """A later demotion stands when the pin before it is undone, and its receipt is still due."""
    session = session_of_three()
    pin = act(session, "pin", page_ids=["a"], pin="soft")
    demote = act(session, "demote", page_ids=["a"])
    session.feed("operator_undo", act_seq=pin.seq)
    view = page_view(session.state, "a")
    assert view is not None
    assert (view.pin, view.cap) == ("none", 1)
    assert session.state.due == [demote.seq]


def test_undo_of_a_restore_leaves_the_agents_own_demand() -> None:
    session = session_of_three(120)
    session.declare("a", "full")
    done = act(session, "restore", page_ids=["a"])
    session.feed("operator_undo", act_seq=done.seq)
    assert [o.page_id for o in of(session.prompt(), "hit")] == ["a"]


def test_undo_of_a_demotion_brings_the_restore_before_it_back() -> None:
    session = session_of_three(120)
    act(session, "restore", page_ids=["a"])
    done = act(session, "demote", page_ids=["a"])
    session.feed("operator_undo", act_seq=done.seq)
    session.prompt()
    assert session.fidelity("a") == "full"


def returned_to_version_one() -> tuple[Session, int]:
    """A clean page with a durable working text of 50, returned to its version 1 of 100."""
    session = session_of_three(1000)
    session.dirty("a")
    session.boundary("flush")
    session.update("a", 50, durable=True)
    done = act(session, "restore", page_ids=["a"], version=1)
    assert page_of(session, "a") == (100, True, 1)
    return session, done.seq


def page_of(session: Session, page_id: str) -> tuple[int, bool, int]:
    view = page_view(session.state, page_id)
    assert view is not None
    return view.tokens[Fidelity.FULL], view.dirty, view.version


def test_undo_of_a_restored_version_leaves_no_false_dirt() -> None:
    session, seq = returned_to_version_one()
    session.feed("operator_undo", act_seq=seq)
    assert page_of(session, "a") == (50, False, 1)
    session.boundary("flush")
    assert page_of(session, "a") == (50, False, 1)  # nothing was committed


def test_undo_of_a_restored_version_keeps_dirt_that_came_since() -> None:
    session, seq = returned_to_version_one()
    session.dirty("a")
    session.feed("operator_undo", act_seq=seq)
    assert page_of(session, "a") == (50, True, 1)


def test_undo_of_a_restored_version_that_was_committed_is_written_in_turn() -> None:
    session, seq = returned_to_version_one()
    session.boundary("flush")
    assert page_of(session, "a") == (100, False, 2)
    session.feed("operator_undo", act_seq=seq)
    assert page_of(session, "a") == (50, True, 2)
    session.boundary("flush")
    assert page_of(session, "a") == (50, False, 3)


def test_restore_of_a_version_goes_through_the_journal() -> None:
    session = session_of_three(1000)
    session.update("a", 130)
    session.boundary("flush")  # version 1
    session.update("a", 140)
    session.boundary("flush")  # version 2
    act(session, "restore", page_ids=["a"], version=1)
    view = page_view(session.state, "a")
    assert view is not None
    assert (view.tokens, view.dirty) == ({4: 130}, True)
    told = session.boundary("flush")
    assert [o.data["field"] for o in of(told, "journal") if o.data["phase"] == "committed"] == ["text"]
    view = page_view(session.state, "a")
    assert view is not None
    assert (view.version, view.dirty) == (3, False)


def test_parked_update_is_resolved() -> None:
    session = session_of_three()
    session.stage("u1", "a", base_version=5)
    session.boundary("flush")
    session.feed("write_resolved", "operator:ann", update_id="u1", action="approve")
    view = page_view(session.state, "a")
    assert view is not None
    assert view.version == 1
    session.feed("write_resolved", update_id="u1", action="drop")
    assert "no parked update" in session.refused()


def test_dry_run_tells_the_cost_and_changes_nothing() -> None:
    session = session_of_three(130)
    before = dump_state(session.state)
    event = Event(
        session.state.seq + 1, decode_body("operator_pin", {"page_ids": ["a"], "min_fidelity": "full"})
    )
    tried = dry_run(session.state, event)
    assert dump_state(session.state) == before
    assert (tried.allowed, tried.budget) == (True, 130)
    assert ("a", 1, 4) in tried.changes
    assert ("b", 4, 1) in tried.changes
    session.feed("operator_pin", page_ids=["a"], min_fidelity="full")
    session.prompt()
    assert (session.fidelity("a"), session.fidelity("b")) == ("full", "pointer")  # as it was foretold


@settings(max_examples=20)
@given(streams(), st.data())
def test_a_dry_run_is_what_the_next_prompt_becomes(
    stream: list[tuple[str, Any]], data: st.DataObject
) -> None:
    """At any moment, on whichever side an act moves; and the state is as it was."""
    stream[0][1]["shadow_budget"] = data.draw(st.sampled_from([None, 80]))
    state = new_state()
    for seq, (kind, body) in enumerate(stream, 1):
        step(state, Event(seq, decode_body(kind, body)))
    side = bound_side(state)
    if side is None:
        return
    acts = ("operator_pin", "operator_demote", "operator_unpin", "operator_restore")
    for page_id in page_ids(state):
        body = {"page_ids": [page_id]}
        event = Event(state.seq + 1, decode_body(data.draw(st.sampled_from(acts)), body), "operator:ann")
        before, other = dump_state(state), clone(state)
        tried = dry_run(state, event)
        assert dump_state(state) == before
        assert tried.allowed != any(o.data.get("state") == "refused" for o in step(other, event))
        kind = "prompt_requested" if state.mode == "enforced" else "prompt_observed"
        fixed = {"fixed_tokens": state.fixed_tokens} if state.mode == "enforced" else {}
        asked = Event(other.seq + 1, decode_body(kind, {"request_id": "next", **fixed}))
        (prompt,) = (o.data for o in step(other, asked) if o.kind == "prompt" and o.side == side.side)
        assert prompt["tokens_used"] == tried.tokens_after
        assert prompt["page_budget"] == tried.budget
        assert (prompt["floor_tokens"], prompt["insufficient_by"]) == (
            tried.floor_tokens,
            tried.insufficient_by,
        )


def test_dry_run_of_a_shadow_has_the_shadows_own_budget() -> None:
    session = Session("observed", window=3000, shadow_policy="clawweb", shadow_budget=150)
    session.add("a", tokens={"pointer": 10, "full": 100})
    session.add("b", tokens={"pointer": 10, "full": 100})
    session.prompt(recorded_tokens=200)
    body = decode_body("operator_pin", {"page_ids": ["a", "b"], "pin": "hard", "min_fidelity": "full"})
    tried = dry_run(session.state, Event(session.state.seq + 1, body, "operator:ann"))
    assert (tried.budget, tried.allowed) == (150, False)
    assert "pins would take 200 of 150 tokens" in tried.why


def test_dry_run_tells_why_not() -> None:
    session = session_of_three(110)
    event = Event(
        session.state.seq + 1, decode_body("operator_pin", {"page_ids": ["a"], "min_fidelity": "full"})
    )
    tried = dry_run(session.state, event)
    assert not tried.allowed
    assert "break the floor" in tried.why
