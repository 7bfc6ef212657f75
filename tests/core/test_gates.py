"""The six published lifecycle gates: each shows the right fault or rejection, and none under ``clawvm``."""

from __future__ import annotations

import json

from memory.core import session_view
from tests.core.cast import Session, faults, of


def test_post_compaction_bootstrap() -> None:
    """A policy without pins lets the rules go; the first prompt after shows it, once."""
    session = Session(policy="compaction_hybrid", budget=15)
    session.add("agents", "bootstrap", tokens={"structured": 20, "full": 60})
    session.prompt()
    session.boundary("compaction")
    assert ("post_compaction_bootstrap", "agents", "insufficient") in faults(session.prompt())
    session.feed("settings_changed", budget=100)
    session.boundary("compaction")
    session.add("filler", tokens={"full": 100}, base_utility=1000)
    assert ("post_compaction_bootstrap", "agents", "policy") in faults(session.prompt())
    assert not [f for f in faults(session.prompt()) if f[0] == "post_compaction_bootstrap"]

    kept = Session(policy="clawvm", budget=100)
    kept.add("agents", "bootstrap", tokens={"structured": 20, "full": 60})
    kept.add("filler", tokens={"full": 100}, base_utility=1000)
    kept.prompt()
    kept.boundary("compaction")
    assert faults(kept.prompt()) == []


def test_reset_with_dirty_pages() -> None:
    """compaction_hybrid does not write back at a reset: one flush_miss; clawvm does."""
    for policy, want in (("compaction_hybrid", [("flush_miss", "plan", "policy")]), ("clawvm", [])):
        session = Session(policy=policy, budget=500)
        session.add("plan", "plan")
        session.prompt()
        session.dirty("plan")
        assert faults(session.boundary("reset")) == want
        assert faults(session.prompt()) == []


def test_threshold_jump_race() -> None:
    """Flush and compaction in one turn: the flush comes first, so nothing is lost at the compaction."""
    session = Session(policy="compaction_hybrid", budget=15)
    session.add("plan", "plan", tokens={"pointer": 5, "full": 40})
    session.prompt()
    session.dirty("plan")
    (flush,) = of(session.boundary("flush"), "boundary")
    assert (flush.data["staged"], flush.data["committed"]) == (1, 1)
    assert faults(session.boundary("compaction")) == []
    assert faults(session.prompt()) == []
    lossy = Session(policy="retrieval", budget=15)
    lossy.add("plan", "plan", tokens={"pointer": 5, "full": 40})
    lossy.prompt()
    lossy.dirty("plan")
    assert faults(lossy.boundary("compaction")) == []  # settled by the next prompt
    assert faults(lossy.prompt()) == [("flush_miss", "plan", "policy")]


def test_silent_recall() -> None:
    """Nothing found and no reason is a fault where recalls carry none; with a reason it is not."""
    session = Session(policy="retrieval", budget=100)
    session.prompt()
    assert faults(session.feed("recall", query="calendar")) == [("silent_recall", None, "policy")]
    assert faults(session.feed("recall", query="calendar", reason="DENIED")) == []
    assert faults(session.feed("recall", query="calendar", found=1)) == []
    other = Session(policy="clawvm", budget=100)
    other.prompt()
    assert faults(other.feed("recall", query="calendar")) == []


def test_unsafe_persistence() -> None:
    """Destructive, unfounded or forbidden updates are parked with their reason and never applied."""
    session = Session(budget=500, settings={"grants": ["session"]})
    session.add("plan", "plan")
    session.add("shared", "preference", scope="project")
    session.add("rule", "constraint")
    session.prompt()
    session.stage("malformed", "plan", field="")
    session.stage("unfounded", "plan", evidence_ref="nothing")
    session.stage("elsewhere", "shared", scope="project")
    session.stage("delete", "plan", op="delete")
    session.stage("old", "plan", base_version=7)
    session.stage("unpin", "rule", field="pin", op="merge", value="none")
    session.stage("good", "plan", op="append")
    told = session.boundary("flush")
    rejected = {
        o.data["update_id"]: o.data["reason"] for o in of(told, "journal") if o.data["phase"] == "rejected"
    }
    assert rejected == {
        "malformed": "SCHEMA_INVALID",
        "unfounded": "PROVENANCE_UNRESOLVED",
        "elsewhere": "SCOPE_DENIED",
        "delete": "DESTRUCTIVE_OP",
        "old": "DESTRUCTIVE_OP",
        "unpin": "POLICY_DENIED",
    }
    (boundary,) = of(told, "boundary")
    assert (boundary.data["staged"], boundary.data["committed"], boundary.data["rejected"]) == (7, 1, 6)
    assert faults(session.boundary("reset")) == []  # parked is not lost, and not dirty because of it


def test_evidence_churn_with_a_duplicate_call() -> None:
    """Fresh evidence pushes an old result out; calling for it again is a duplicate if no pointer is left."""
    for policy, want in (("retrieval", "fault"), ("clawvm", "alert")):
        session = Session(policy=policy, budget=300)
        session.add("old")
        session.prompt()
        session.call("read:old", "old")
        for number in range(8):
            session.add(f"new{number}", base_utility=5)
            session.prompt()
        told = session.call("read:old")
        assert [o.kind for o in told] == [want]


def test_a_page_that_left_the_table_is_no_flush_miss() -> None:
    """What was only marked dirty goes with it, and that is told; nothing is charged for it later."""
    session = Session(policy="retrieval", budget=1000)
    session.add("old", dirty=True)
    session.add("gone", dirty=True)
    session.prompt()
    told = session.feed("page_superseded", page_id="old") + session.feed("page_retired", page_id="gone")
    clean = [(o.page_id, o.data["reason"]) for o in of(told, "page") if o.data["change"] == "clean"]
    assert clean == [("old", "superseded"), ("gone", "retired")]
    assert session_view(session.state).dirty == 0
    session.boundary("compaction")
    assert faults(session.prompt()) == []


def test_a_staged_update_outlives_its_pages_place_in_the_table() -> None:
    session = Session(budget=1000)
    session.add("plan", "plan")
    session.prompt()
    session.stage("u1", "plan")
    session.feed("page_superseded", page_id="plan")
    told = session.boundary("flush")
    assert [o.data["update_id"] for o in of(told, "journal") if o.data["phase"] == "committed"] == ["u1"]


def test_ledger_and_trace_agree_on_the_turn_of_a_loss() -> None:
    session = Session(policy="compaction_hybrid", budget=1000)
    session.add("a", dirty=True)
    session.prompt()
    (lost,) = of(session.boundary("reset"), "fault")
    session.prompt()
    session.feed("session_ended")
    records = [json.loads(o.data["record"]) for o in of(session.outcomes, "turn")]
    assert [record["turn"] for record in records if record["faults"]] == [lost.turn] == [2]


def test_a_loss_at_the_end_belongs_to_the_last_turn() -> None:
    session = Session(policy="compaction_hybrid", budget=1000)
    session.add("a", dirty=True)
    session.prompt()
    (lost,) = of(session.boundary("shutdown"), "fault")
    session.feed("session_ended")
    records = [json.loads(o.data["record"]) for o in of(session.outcomes, "turn")]
    assert [record["turn"] for record in records if record["faults"]] == [lost.turn] == [1]


def test_what_a_compaction_lost_stands_in_the_turn_that_lost_it() -> None:
    """The flush_miss and the update that went with it, both in the record of the prompt that settled it."""
    session = Session(policy="retrieval", budget=15)
    session.add("plan", "plan", tokens={"pointer": 5, "full": 40})
    session.prompt()
    session.stage("u1", "plan")
    session.boundary("compaction")
    session.prompt()
    session.prompt()
    session.feed("session_ended")
    records = [json.loads(o.data["record"]) for o in of(session.outcomes, "turn")]
    assert [[m["phase"] for m in r["journal"]] for r in records] == [[], ["staged", "lost"], []]
    assert [r["turn"] for r in records if r["faults"]] == [2]
