"""Demands and repeated calls: met, paged in, missed; amended; exact or inferred; refreshed."""

from __future__ import annotations

import json

import pytest

from memory.core import page_view, session_view
from tests.core.cast import Session, faults, of


def tight(**started: object) -> Session:
    """A session whose prompt holds a pointer of ``a`` and all of ``b``."""
    session = Session(**{"budget": 120, **started})  # type: ignore[arg-type]
    session.add("a")
    session.add("b", base_utility=9)
    session.prompt()
    assert (session.fidelity("a"), session.fidelity("b")) == ("pointer", "full")
    return session


def test_met_paged_in_and_missed() -> None:
    """Full is a hit, a resolvable pointer a page-in with its price, nothing there a refetch."""
    session = tight()
    assert [o.kind for o in session.demand("b")] == ["hit"]
    (page_in,) = session.demand("a")
    assert (page_in.kind, page_in.data["tokens"]) == ("page_in", 100)
    bare = Session(policy="retrieval", budget=100)
    bare.add("a")
    bare.prompt()
    assert faults(bare.demand("a")) == [("refetch", "a", "policy")]


def test_pointer_that_does_not_resolve_is_a_refetch() -> None:
    session = Session(budget=15)
    session.add("a", resolvable=False)
    session.prompt()
    assert session.fidelity("a") == "pointer"
    assert faults(session.demand("a")) == [("refetch", "a", "policy")]


def test_higher_demand_amends_and_counts_once() -> None:
    """A pointer is enough for the first demand; the higher one replaces the verdict."""
    session = tight()
    session.demand("a", "pointer")
    (amended,) = session.demand("a", "full")
    assert amended.kind == "page_in"
    assert amended.data["amends"] is True
    assert session.demand("a", "pointer") == []
    view = session_view(session.state).primary
    assert (view.hits, view.page_ins, view.page_in_tokens) == (1, 1, 100)


def test_inferred_demands_stand_beside_the_exact_ones() -> None:
    """A guess never enters the headline; an exact demand of the same level makes it exact, once."""
    session = Session(policy="retrieval", budget=100)
    session.add("a")
    session.prompt()
    session.demand("a", exact=False)
    view = session_view(session.state).primary
    assert (view.faults, view.faults_inferred) == ({}, {"refetch": 1})
    (amended,) = session.demand("a")
    assert (amended.data["exact"], amended.data["amends"]) == (True, True)
    view = session_view(session.state).primary
    assert (view.faults, view.faults_inferred) == ({"refetch": 1}, {})


def test_demand_below_the_minimum_is_raised_to_it() -> None:
    session = Session(budget=12, policy="retrieval_cached")
    session.add(
        "p", "preference", tokens={"pointer": 2, "structured": 10, "full": 50}, min_fidelity="structured"
    )
    session.declare("p", "pointer")
    session.prompt()
    assert session.fidelity("p") == "structured"


def test_declared_demand_is_selected_and_judged_at_the_prompt() -> None:
    session = Session(budget=120)
    session.add("a")
    session.add("b", base_utility=9)
    session.declare("a")
    told = session.prompt()
    assert [(o.page_id, o.data["fidelity"]) for o in of(told, "hit")] == [("a", "full")]
    assert of(session.prompt(), "hit") == []  # a demand is for one prompt


@pytest.mark.parametrize(("budget", "want"), [(90, "insufficient"), (150, "policy")])
def test_declared_miss_is_insufficient_only_if_the_required_set_is_too_large(budget: int, want: str) -> None:
    session = Session(budget=budget, policy="retrieval", settings={"multi_session": True})
    session.add("a", resolvable=False)
    session.declare("a")
    session.prompt()
    if budget == 90:
        assert faults(session.outcomes) == [("refetch", "a", want)]
    else:  # the policy's share of 150 is 117: enough
        assert faults(session.outcomes) == []


def test_observed_miss_is_insufficient_only_if_the_floor_is_too_large() -> None:
    """The required set is empty and fits; the minima of all live pages do not."""
    session = Session(budget=15, policy="retrieval")
    session.add("a")
    session.add("b")
    session.prompt()
    assert faults(session.demand("a")) == [("refetch", "a", "insufficient")]


def test_page_that_came_after_the_prompt_is_not_judged() -> None:
    session = tight()
    session.add("new")
    (told,) = session.demand("new")
    assert (told.kind, told.data["judged"]) == ("page", False)


def test_superseded_page_is_judged_only_in_the_turn_it_left() -> None:
    session = tight()
    session.feed("page_superseded", page_id="b")
    assert [o.kind for o in session.demand("b")] == ["hit"]
    session.prompt()
    assert [o.kind for o in session.demand("b")] == ["page"]


def test_cause_names_the_selection_that_displaced_the_page() -> None:
    session = Session(budget=100, policy="lru")
    session.add("a", tokens={"full": 100}, resolvable=False)
    session.prompt()
    session.declare("a")
    session.add("b", tokens={"full": 100})
    session.feed("operator_pin", page_ids=["b"])
    session.prompt()
    (fault,) = [o for o in of(session.outcomes, "fault") if o.page_id == "a"]
    assert fault.data["cause"]["what"] == "selection: unmet"
    assert fault.data["cause"]["seq"] == session.state.prompt_seq


def test_a_guess_takes_no_exact_hit_away() -> None:
    """Of a page whose pointer met an exact demand, a guess asks for more: both are counted, each as it is."""
    session = tight()
    session.demand("a", "pointer")
    (guessed,) = session.demand("a", "full", exact=False)
    assert (guessed.kind, guessed.data["exact"], guessed.data["amends"]) == ("page_in", False, False)
    view = session_view(session.state).primary
    assert (view.hits, view.page_ins, view.hits_inferred, view.page_ins_inferred) == (1, 0, 1, 1)
    (proved,) = session.demand("a", "full")  # the exact one covers the guess
    assert (proved.data["exact"], proved.data["amends"]) == (True, True)
    view = session_view(session.state).primary
    assert (view.hits, view.page_ins, view.hits_inferred, view.page_ins_inferred) == (1, 1, 0, 0)


def test_an_exact_demand_below_a_guess_stands_beside_it() -> None:
    """And whatever stands is told last, so that who drops what was amended has each once."""
    session = Session(policy="retrieval_cached", budget=100)
    session.add("a", tokens={"pointer": 5, "structured": 20, "compressed": 50, "full": 100})
    session.declare("a", "structured")
    session.prompt()
    session.demand("a", "full", exact=False)
    view = session_view(session.state).primary
    assert (view.hits, view.hits_inferred, view.page_ins_inferred) == (1, 1, 1)
    (exact,) = session.demand("a", "compressed")  # the guess is of the same kind: covered
    assert (exact.kind, exact.data["tokens"], exact.data["amends"]) == ("page_in", 50, True)
    view = session_view(session.state).primary
    assert (view.page_in_tokens, view.page_in_tokens_inferred, view.hits_inferred) == (50, 0, 0)


def test_row_and_header_agree_on_what_is_insufficient() -> None:
    """A guessed miss that no policy could have met is told and counted nowhere."""
    session = Session(budget=3)
    session.add("a", resolvable=False)
    session.prompt()
    assert faults(session.demand("a", exact=False)) == [("refetch", "a", "insufficient")]
    view, header = page_view(session.state, "a"), session_view(session.state).primary
    assert view is not None
    assert (view.primary.insufficient, header.insufficient) == (0, {})
    session.demand("a")
    view, header = page_view(session.state, "a"), session_view(session.state).primary
    assert view is not None
    assert (view.primary.insufficient, header.insufficient) == (1, {"refetch": 1})


def test_a_text_that_came_after_the_prompt_is_not_judged() -> None:
    """Prompt N held the older text: it neither met nor missed a demand for the new one."""
    session = tight()
    session.update("b", 130)
    (told,) = session.demand("b")
    assert (told.kind, told.data["judged"], told.data["reason"]) == (
        "page",
        False,
        "new text since the prompt",
    )
    session.prompt()
    assert [o.data.get("judged") for o in session.demand("b")] == [None]


# --- repeated calls ---


def test_repeat_with_its_result_there_is_an_alert() -> None:
    session = tight()
    session.call("read:b", "b")
    session.prompt()
    assert [o.kind for o in session.call("read:b")] == ["alert"]
    assert session_view(session.state).primary.alerts == 1


def test_repeat_without_its_result_is_a_duplicate() -> None:
    session = Session(policy="retrieval", budget=100)
    session.add("a")
    session.prompt()
    session.call("read:a", "a")
    assert faults(session.call("read:a")) == [("duplicate_tool", "a", "policy")]


def test_repeat_with_no_known_result_is_nothing() -> None:
    session = tight()
    session.call("read:x")
    assert session.call("read:x") == []


@pytest.mark.parametrize("fields", [{"refresh": True}, {"kind": "volatile"}, {"kind": "write"}])
def test_refresh_whatever_the_result(fields: dict[str, object]) -> None:
    session = tight()
    session.call("run:tests")
    assert [o.kind for o in session.call("run:tests", **fields)] == ["refresh"]


@pytest.mark.parametrize(
    ("resource", "write", "hit"),
    [
        ("file:/s/a.py", "file:/s/a.py", True),
        ("file:/s/a.py", "file:/s/b.py", False),
        ("file:/s/a.py", "dir:/s", True),
        ("file:/s/a.py", "dir:/", True),
        ("file:/sx/a.py", "dir:/s", False),
        ("dir:/s", "file:/s/deep/a.py", True),
        ("dir:/s", "file:/t/a.py", False),
        ("dir:.", "file:src/a.py", True),
        ("file:src/a.py", "dir:.", True),
        ("workspace", "file:/s/a.py", True),
        ("workspace", "url:https://x", True),
        ("file:/s/a.py", "workspace", False),
        ("url:https://x", "url:https://x", True),
    ],
)
def test_write_supersedes_what_depended_on_it(resource: str, write: str, hit: bool) -> None:
    """And a repeat of the read is then a refresh, no fault."""
    session = Session(budget=500)
    session.add("result", resources=[resource])
    session.prompt()
    session.call("read", "result")
    told = session.call("edit", kind="write", writes=[write])
    assert [o.data["change"] for o in of(told, "page")] == (["superseded"] if hit else [])
    assert [o.kind for o in session.call("read")] == (["refresh"] if hit else ["alert"])


def test_rules_are_never_superseded_by_a_write() -> None:
    """Only evidence depends on what it read; a rule whose file is edited keeps its pin and place."""
    session = Session(budget=500)
    session.add("rule", "constraint", resources=["file:/AGENTS.md"])
    session.prompt()
    assert session.call("edit", kind="write", writes=["file:/AGENTS.md"]) == []


def test_late_result_counts_and_an_unpaired_one_is_kept() -> None:
    session = Session(policy="retrieval", budget=100)
    session.add("a")
    session.prompt()
    session.call("read:a")
    session.boundary("compaction")
    session.prompt()
    session.feed("tool_returned", call_id="c1", page_id="a")
    assert faults(session.call("read:a")) == [("duplicate_tool", "a", "policy")]
    (told,) = session.feed("tool_returned", call_id="unknown")
    assert (told.kind, told.data["unpaired"]) == ("session", "unknown")


def test_recency_decays_to_nothing() -> None:
    """1 at the end of the turn, × 0.88 a turn, 0 below 0.0001, and the demand is in the record."""
    session = tight()
    session.demand("a")
    session.prompt()
    side = session.state.primary
    assert side is not None
    assert side.hot == {0: 1.0}
    session.prompt()
    assert side.hot == {0: 0.88}
    for _ in range(80):
        session.prompt()
    assert side.hot == {}
    record = json.loads(of(session.outcomes, "turn")[0].data["record"])
    assert record["page_ins"] == [["a", "pointer", "full", 100, True]]
