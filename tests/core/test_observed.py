"""Sessions that we only read: residency as recorded, the unseen segment, the shadow."""

from __future__ import annotations

import json

from memory.core import Outcome, page_view, session_view, touched
from tests.core.cast import Session, faults, of


def watched(**started: object) -> Session:
    session = Session("observed", **{"window": 1000, "shadow_policy": "clawvm", **started})  # type: ignore[arg-type]
    session.add("rule", "constraint", tokens={"structured": 20, "full": 60})
    session.add("a")
    session.add("b")
    session.prompt()
    return session


def test_a_page_is_full_from_the_next_prompt_on() -> None:
    session = watched()
    session.add("c")
    assert session.fidelity("c") == "absent"
    session.prompt()
    assert session.fidelity("c") == "full"
    assert of(session.prompt(), "residency") == []  # only what changed is written


def pending(session: Session, page_id: str, side: str = "primary") -> bool:
    """Whether the page waits for the next prompt, as a reader of the views finds out."""
    view, header = page_view(session.state, page_id), session_view(session.state)
    assert view is not None
    seat = getattr(view, side)
    return bool(seat.fidelity == 0 and seat.pending_seq > header.prompt_seq)


def test_what_came_since_the_last_prompt_is_pending_and_not_lost() -> None:
    """On both sides; a prompt ends it, whether it takes the page or not; a boundary may end it before."""
    session = watched(window=250)
    session.add("c")
    assert [pending(session, p) for p in ("a", "c")] == [False, True]
    assert pending(session, "c", "shadow")
    session.prompt()
    assert not pending(session, "c")
    assert not pending(session, "c", "shadow")
    session.add("d")
    told = session.boundary("compaction", preserved=["a"])
    assert not pending(session, "d")
    assert {"a", "d"} <= touched(told)  # so that their rows are written again
    session.prompt()
    assert session.fidelity("d") == "absent"
    assert not pending(session, "d")


def test_compaction_drops_what_is_not_preserved() -> None:
    """At the next prompt; pages stay in the table, the shadow keeps them, the rule's loss is two faults."""
    session = watched()
    session.add("summary", "conversation")
    (boundary,) = of(session.boundary("compaction", preserved=["b"], summary_page="summary"), "boundary")
    assert (boundary.data["kept"], boundary.data["dropped"]) == (["b", "summary"], ["rule", "a"])
    assert session.fidelity("a") == "full"  # as the last prompt held it
    told = session.prompt()
    assert [session.fidelity(p) for p in ("rule", "a", "b", "summary")] == [
        "absent",
        "absent",
        "full",
        "full",
    ]
    assert faults(told) == [
        ("pinned_invariant_miss", "rule", "policy"),
        ("post_compaction_bootstrap", "rule", "policy"),
    ]
    assert faults(told, "shadow") == []
    assert session.fidelity("a", "shadow") == "full"
    view = page_view(session.state, "a")
    assert view is not None
    assert (view.status, view.primary.reason) == ("live", "dropped")
    (missing,) = faults(session.prompt())  # one a page and prompt, as published
    assert missing == ("pinned_invariant_miss", "rule", "policy")


def test_a_pointer_that_the_harness_cannot_resolve_is_a_refetch() -> None:
    session = watched()
    session.boundary("prune", dropped=["a"])
    session.prompt()
    assert session.fidelity("a") == "pointer"
    assert faults(session.demand("a")) == [("refetch", "a", "policy")]


def test_a_pointer_takes_the_tokens_of_the_next_form_whatever_an_operator_asks_for() -> None:
    session = watched()
    session.add("long", "conversation", tokens={"structured": 40, "full": 50}, min_fidelity="compressed")
    session.prompt()
    session.boundary("prune", dropped=["long"])
    session.feed("operator_pin", page_ids=["long"], min_fidelity="full")
    (moved,) = [o for o in of(session.prompt(), "residency") if o.page_id == "long"]
    assert (moved.data["to"], moved.data["tokens_to"]) == ("pointer", 40)


def test_what_a_reset_took_leaves_no_pointer_at_a_prune() -> None:
    session = watched()
    session.boundary("reset")
    session.boundary("prune", dropped=["a"])
    session.prompt()
    assert session.fidelity("a") == "absent"


def test_a_reset_takes_the_pointer_of_what_no_prompt_held() -> None:
    session = watched()
    session.add("late")
    session.boundary("prune", dropped=["late"])
    session.boundary("reset")
    session.prompt()
    assert session.fidelity("late") == "absent"


def test_prune_leaves_a_pointer_only_where_it_resolves() -> None:
    session = watched(settings={"harness_resolves": True})
    session.add("gone", resolvable=False)
    session.prompt()
    session.boundary("prune", dropped=["a", "gone"])
    session.prompt()
    assert (session.fidelity("a"), session.fidelity("gone"), session.fidelity("b")) == (
        "pointer",
        "absent",
        "full",
    )
    assert [o.kind for o in of(session.demand("a"), "page_in")] == ["page_in"]
    assert faults(session.demand("gone")) == [("refetch", "gone", "policy")]


def test_reset_drops_all_but_what_is_loaded_again() -> None:
    session = watched()
    session.boundary("reset")
    session.update("rule", durable=True)
    session.prompt()
    assert [session.fidelity(p) for p in ("rule", "a", "b")] == ["full", "absent", "absent"]


def test_unseen_is_what_the_record_counts_beyond_ours() -> None:
    session = watched()
    (prompt,) = of(session.prompt(recorded_tokens=700, unseen_items={"system": 400}), "prompt")
    assert prompt.data["unseen_tokens"] == 700 - 260
    assert prompt.data["tokens_used"] == 700
    assert session_view(session.state).unseen_items == {"system": 400, "first_prompt": 40}
    shadow = of(session.outcomes, "prompt", "shadow")[-1]
    assert shadow.data["budget"] == 1000 - 440
    (prompt,) = of(session.prompt(recorded_tokens=100), "prompt")
    assert (prompt.data["unseen_tokens"], prompt.data["excess_tokens"]) == (0, 160)


def test_what_stood_unseen_at_the_first_prompt_is_told_apart_from_what_came_since() -> None:
    session = watched()
    session.prompt(recorded_tokens=700)
    session.prompt(recorded_tokens=800)
    assert session_view(session.state).unseen_items == {"first_prompt": 440, "since": 100}
    session.prompt(recorded_tokens=500)
    assert session_view(session.state).unseen_items == {"first_prompt": 240}


def test_old_copies_are_stale_until_a_boundary_drops_them() -> None:
    """An updated page stands twice in the harness's prompt: once as the page, once as stale tokens."""
    session = watched()
    session.update("a", 120)
    (prompt,) = of(session.prompt(recorded_tokens=500), "prompt")
    assert (prompt.data["stale_tokens"], prompt.data["resident_tokens"]) == (100, 60 + 120 + 100)
    assert prompt.data["unseen_tokens"] == 500 - 280 - 100
    session.feed("page_superseded", page_id="b")
    (prompt,) = of(session.prompt(), "prompt")
    assert (prompt.data["stale_tokens"], session.fidelity("b")) == (200, "absent")
    session.boundary("compaction")
    (prompt,) = of(session.prompt(), "prompt")
    assert prompt.data["stale_tokens"] == 0


def test_two_updates_between_prompts_leave_two_copies() -> None:
    session = watched()
    session.update("a", 120)
    session.update("a", 130)
    (prompt,) = of(session.prompt(), "prompt")
    assert (prompt.data["stale_tokens"], prompt.data["resident_tokens"]) == (220, 60 + 130 + 100)


def test_retired_page_leaves_no_copy() -> None:
    """A rewind takes the page out of the prompt."""
    session = watched()
    session.feed("page_retired", page_id="b")
    (prompt,) = of(session.prompt(), "prompt")
    assert (prompt.data["stale_tokens"], session.fidelity("b")) == (0, "absent")


def dropped_and_read_again(**started: object) -> tuple[Session, list[Outcome]]:
    """A result that a compaction dropped; the agent makes the same call again."""
    session = watched(**started)
    session.call("read:a", "a")
    session.boundary("compaction", preserved=["rule", "b"])
    session.prompt()
    return session, [*session.demand("a", call_repeat=True, rule="repeat"), *session.call("read:a")]


def test_one_repeated_call_is_one_fault() -> None:
    """The demand that is the call itself is told and not judged; nothing else of the session is a fault."""
    session, told = dropped_and_read_again()
    assert faults(told) == [("duplicate_tool", "a", "policy")]
    (demand,) = of(told, "page")
    assert (demand.data["judged"], demand.data["reason"]) == (False, "the repeated call is the fault")
    view = session_view(session.state).primary
    assert view.faults == {"duplicate_tool": 1}
    assert view.reread_tokens == 100  # the price of what was dropped: its result came once more
    assert faults(session.demand("a")) == [("refetch", "a", "policy")]  # another demand is another fact


def test_a_repeated_call_that_is_met_is_judged_as_ever() -> None:
    session = watched()
    session.call("read:a", "a")
    session.prompt()
    told = [*session.demand("a", call_repeat=True), *session.call("read:a")]
    assert [o.kind for o in told if o.side == "primary"] == ["hit", "alert"]
    view = session_view(session.state).primary
    assert (view.hits, view.alerts) == (1, 1)


def test_repeat_caused_by_the_drop_is_neither_charged_nor_credited_to_the_shadow() -> None:
    session, told = dropped_and_read_again()
    (hit,) = of(told, "hit", "shadow")
    (alert,) = of(told, "alert", "shadow")
    assert hit.data["caused_by_drop"] is alert.data["caused_by_drop"] is True
    shadow = session_view(session.state).shadow
    assert shadow is not None
    assert (shadow.alerts, shadow.faults, shadow.hits) == (0, {}, 0)
    session.prompt()
    view = page_view(session.state, "a")
    assert view is not None and view.shadow is not None
    assert (view.shadow.recency, view.shadow.demand_turns) == (0.0, ())
    assert (view.primary.recency, view.primary.demand_turns) == (1.0, (2,))
    record = json.loads(of(session.outcomes, "turn", "shadow")[-1].data["record"])
    assert (record["hits"], record["caused_by_drop"]) == ([], [["a", True]])


def test_the_price_of_what_the_drop_caused_is_counted() -> None:
    """The shadow holds a pointer: what was brought in is paid, but it is no hit."""
    session, told = dropped_and_read_again(window=175)
    assert session.fidelity("a", "shadow") == "pointer"
    (page_in,) = of(told, "page_in", "shadow")
    assert (page_in.data["caused_by_drop"], page_in.data["tokens"]) == (True, 100)
    shadow = session_view(session.state).shadow
    assert shadow is not None
    assert (shadow.hits, shadow.page_ins, shadow.page_in_tokens) == (0, 1, 100)


def test_what_was_met_before_the_drop_mattered_stays_a_hit() -> None:
    """A pointer was enough for the first demand on both sides; only the higher one is the drop's doing."""
    session = watched()
    session.boundary("prune", dropped=["a"])
    session.prompt()
    session.demand("a", "pointer")
    told = session.demand("a", "full")
    assert faults(told) == [("refetch", "a", "policy")]
    shadow = session_view(session.state).shadow
    assert shadow is not None
    assert shadow.hits == 1


def test_a_result_dropped_before_any_prompt_held_it_has_its_cause() -> None:
    """Compactions run between a result and the prompt that would hold it."""
    session = watched()
    session.add("new")
    session.call("read:new", "new")
    told = session.boundary("compaction")
    seq = session.state.seq
    assert "new" in touched(told)
    session.prompt()
    told = [*session.demand("new"), *session.call("read:new")]
    cause = {"seq": seq, "turn": 1, "what": "compaction"}
    assert [o.data["cause"] for o in of(told, "fault")] == [cause, cause]
    assert [o.data["caused_by_drop"] for o in told if o.side == "shadow"] == [True, True]
    shadow = session_view(session.state).shadow
    assert shadow is not None
    assert (shadow.alerts, shadow.hits) == (0, 0)
    session.update("new", durable=True)
    session.prompt()
    view = page_view(session.state, "new")
    assert view is not None
    assert (view.primary.fidelity.label, view.primary.reason) == ("full", "recorded")


def test_a_rewind_leaves_nothing() -> None:
    session = watched(settings={"harness_resolves": True})
    session.boundary("prune", trigger="any word", dropped=["a"], leaves_pointers=False)
    (prompt,) = of(session.prompt(recorded_tokens=500), "prompt")
    assert session.fidelity("a") == "absent"
    assert (prompt.data["resident_tokens"], prompt.data["unseen_tokens"]) == (160, 340)


def test_cause_of_a_refetch_is_the_boundary() -> None:
    session = watched()
    session.boundary("compaction")
    seq = session.state.seq
    session.prompt()
    (fault,) = of(session.demand("a"), "fault")
    assert fault.data["cause"] == {"seq": seq, "turn": 1, "what": "compaction"}


def test_operators_move_only_the_shadow() -> None:
    """A pin is shown on both; the primary is judged by its own pins and no receipt is due."""
    session = watched()
    told = session.feed("operator_pin", "operator:ann", page_ids=["a"])
    told += session.feed("operator_demote", "operator:ann", page_ids=["b"])
    assert {o.data["reach"] for o in of(told, "act")} == {"shadow"}
    assert of(told, "receipt") == []
    session.boundary("compaction")
    told = session.prompt()
    assert ("pinned_invariant_miss", "a", "policy") not in faults(told)
    assert (session.fidelity("b"), session.fidelity("b", "shadow")) == ("absent", "pointer")
    view = page_view(session.state, "a")
    assert view is not None
    assert view.pin == "hard"


def test_an_operators_cap_takes_nothing_from_what_the_recorded_side_needs() -> None:
    session = Session("observed", window=300, shadow_policy="lru")
    session.add("a", tokens={"pointer": 10, "full": 250})
    session.prompt()
    session.feed("operator_demote", "operator:ann", page_ids=["a"], cap="pointer")
    session.declare("a")
    told = session.prompt()
    needed = {
        side: (prompt.data["required_tokens"], prompt.data["floor_tokens"])
        for side in ("primary", "shadow")
        for prompt in of(told, "prompt", side)
    }
    assert needed == {"primary": (250, 250), "shadow": (10, 10)}


def test_dirty_page_not_at_full_after_a_compaction_is_lost() -> None:
    session = watched()
    session.update("a")  # not durable
    session.update("b", durable=True)
    session.boundary("compaction")
    told = session.prompt()
    assert ("flush_miss", "a", "policy") in faults(told)
    assert ("flush_miss", "b", "policy") not in faults(told)
    assert faults(told, "shadow") == []


def test_dirty_page_held_at_a_pointer_is_lost_too() -> None:
    """Only full keeps content that nobody wrote down."""
    session = watched()
    session.dirty("a")
    session.boundary("prune", dropped=["a"])
    told = session.prompt()
    assert session.fidelity("a") == "pointer"
    assert ("flush_miss", "a", "policy") in faults(told)


def test_prompts_of_the_wrong_kind_are_rejected() -> None:
    session = watched()
    session.feed("prompt_requested", request_id="x")
    assert "observed" in session.refused()
    enforced = Session(budget=10)
    enforced.feed("prompt_observed", request_id="x")
    assert "enforced" in enforced.refused()


def test_same_request_id_is_rejected() -> None:
    session = watched()
    session.feed("prompt_observed", request_id="p1")
    assert "p1" in session.refused()


def test_a_second_start_changes_nothing() -> None:
    session = watched()
    (told,) = session.feed("session_started", harness="x", mode="observed", resumed_from="s0")
    assert told.data["resumed"] is True
    assert session_view(session.state).harness == "test"


def test_unknown_policies_are_rejected() -> None:
    session = Session(policy="clawnest")
    assert "clawnest" in session.refused()
    session = Session("observed", shadow_policy="nonsense")
    assert "nonsense" in session.refused()
    session.add("a")
    assert "not started" in session.refused()
