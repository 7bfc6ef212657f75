"""The decision trace: chained, complete enough to rebuild residency, and the same bytes as the golden one.

``CLAWWEB_UPDATE_GOLDEN=1 pytest tests/core/test_trace.py`` writes the golden traces anew, on purpose.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from memory.core import session_view, trace_head
from tests.core.cast import Session, of

GOLDEN = Path(__file__).parent.parent / "golden"


def day(mode: str) -> Session:
    """A session with a bit of everything."""
    session = Session(mode, budget=300, window=600, reserve=20, policy="clawvm", shadow_policy="lru")
    session.add("agents.md", "bootstrap", tokens={"structured": 30, "full": 80})
    session.add("règle-1", "constraint", tokens={"structured": 20, "full": 55}, base_utility=7)
    session.add("plan", "plan", tokens={"pointer": 5, "structured": 15, "full": 40})
    for number in range(6):
        forms = {"pointer": 6, "structured": 20, "compressed": 45, "full": 90 + number}
        session.add(
            f"ev-{number}", tokens=forms, base_utility=5, recompute_cost=8, resources=[f"file:/s/{number}"]
        )
        session.prompt()
        session.call(f"read:{number}", f"ev-{number}")
        session.demand("ev-0", "structured", rule="path")
        session.answer()
    session.dirty("plan")
    session.stage("u1", "plan", base_version=0)
    session.stage("u2", "plan", base_version=0)
    session.feed(
        "operator_pin", "operator:ann", page_ids=["ev-1"], min_fidelity="structured", reason="needed"
    )
    session.boundary("flush")
    session.boundary("compaction", preserved=["plan", "ev-5"], trigger="auto")
    session.prompt()
    session.demand("ev-2", rule="range")
    session.demand("ev-0", exact=False, rule="text")
    session.demand("ev-5", "pointer", rule="range")
    session.demand("plan", "structured", rule="range")
    session.demand("plan", "full", exact=False, rule="text")
    session.call("read:3")
    session.call("edit:4", kind="write", writes=["file:/s/4"])
    session.call("read:4")
    session.answer()
    session.feed("settings_changed", budget=60)
    session.declare("ev-3")
    session.prompt()
    session.feed("recall", query="calendar")
    session.dirty("plan")
    session.boundary("reset")
    session.prompt()
    session.feed("session_ended")
    return session


def lines(session: Session, side: str) -> list[str]:
    return [
        trace_head(session.state).decode(),
        *(o.data["record"] for o in of(session.outcomes, "turn", side)),
    ]


@pytest.mark.parametrize("mode", ["enforced", "observed"])
@pytest.mark.parametrize("side", ["primary", "shadow"])
def test_golden(mode: str, side: str) -> None:
    """Byte for byte. A change here is a change of what the engine decides or writes: bump ENGINE_VERSION."""
    text = "\n".join(lines(day(mode), side)) + "\n"
    path = GOLDEN / f"day-{mode}-{side}.jsonl"
    if os.environ.get("CLAWWEB_UPDATE_GOLDEN") == "1":
        path.write_text(text, encoding="ascii")
    assert text == path.read_text(encoding="ascii")


@pytest.mark.parametrize("mode", ["enforced", "observed"])
def test_chain_and_residency(mode: str) -> None:
    """prev is the hash of the line before; changes and keyframes rebuild the residency and its hash."""
    session = day(mode)
    for side in ("primary", "shadow"):
        resident: dict[str, str] = {}
        keyframes = 0
        before, *records = lines(session, side)
        for number, line in enumerate(records, 1):
            record: dict[str, Any] = json.loads(line)
            assert line == json.dumps(record, sort_keys=True, separators=(",", ":"))
            assert record["prev"] == hashlib.sha256(before.encode()).hexdigest()
            assert record["turn"] == number
            for page_id, fidelity, _ in record["changes"]:
                resident[page_id] = fidelity
            resident = {page_id: f for page_id, f in resident.items() if f != "absent"}
            if "keyframe" in record:
                keyframes += 1
                assert record["keyframe"] == resident
            digests = (hashlib.sha256(f"{f}\0{p}".encode()).digest() for p, f in resident.items())
            assert int(record["residency"], 16) == sum(int.from_bytes(d, "big") for d in digests) % 2**256
            before = line
        assert keyframes
    view = session_view(session.state)
    assert view.primary.trace_sha256 == hashlib.sha256(lines(session, "primary")[-1].encode()).hexdigest()


def test_lifecycle_belongs_to_the_turn_it_begins() -> None:
    """As in a workload: boundary, writes and acts before prompt N stand in record N."""
    records = [json.loads(line) for line in lines(day("enforced"), "primary")[1:]]
    assert records[5]["boundaries"] == []
    assert [b["boundary"] for b in records[6]["boundaries"]] == ["flush", "compaction"]
    assert [a["act"] for a in records[6]["acts"]] == ["operator_pin"]
    assert {j["update_id"]: j["reason"] for j in records[6]["journal"] if j["phase"] == "rejected"} == {
        "u2": "DESTRUCTIVE_OP"
    }
