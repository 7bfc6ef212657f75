"""verify_trace: whatever was done to a trace is found, and the turn is said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.core import POLICIES, TraceError, read_workload, replay, replay_workload, verify_trace
from tests.core.cast import Session

GOLDEN = Path(__file__).parents[1] / "golden" / "replay"
WORKLOAD = read_workload((GOLDEN / "gates.json").read_bytes())
LINES = replay_workload(WORKLOAD, POLICIES["clawvm"], 180).trace
FILE = [line + b"\n" for line in LINES]
TURNS = len(LINES) - 1


def error(lines: list[bytes]) -> TraceError:
    with pytest.raises(TraceError) as caught:
        verify_trace(lines)
    assert str(caught.value).startswith(f"turn {caught.value.turn}: " if caught.value.turn else "head: ")
    return caught.value


def sealed(value: dict[str, Any]) -> bytes:
    """As the engine writes a line: what a forger would do, too."""
    value.pop("verify", None)
    body = json.dumps(value, sort_keys=True, separators=(",", ":"))[:-1].encode()
    return body + b',"verify":"' + hashlib.sha256(body).hexdigest().encode() + b'"}'


def test_a_trace_as_it_was_written() -> None:
    assert verify_trace(LINES) == verify_trace(FILE) == TURNS == 9


def test_the_forgers_seal_is_the_engines() -> None:
    assert [sealed(json.loads(line)) for line in LINES] == list(LINES)


@given(st.data())
def test_any_changed_byte(data: st.DataObject) -> None:
    """In the head, in any record, in the last one: it is the line that is named."""
    turn = data.draw(st.integers(0, TURNS))
    place = data.draw(st.integers(0, len(LINES[turn]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != LINES[turn][place]))
    edited = LINES[turn][:place] + bytes([byte]) + LINES[turn][place + 1 :]
    assert error([*FILE[:turn], edited + b"\n", *FILE[turn + 1 :]]).turn == turn


@pytest.mark.parametrize("turn", range(TURNS + 1))
def test_a_removed_line(turn: int) -> None:
    found = error([*FILE[:turn], *FILE[turn + 1 :]])
    assert found.turn == turn


@pytest.mark.parametrize("turn", range(TURNS + 1))
def test_a_repeated_line(turn: int) -> None:
    assert error([*FILE[: turn + 1], *FILE[turn:]]).turn == turn + 1


@pytest.mark.parametrize("turn", range(1, TURNS))
def test_two_lines_that_changed_places(turn: int) -> None:
    assert error([*FILE[:turn], FILE[turn + 1], FILE[turn], *FILE[turn + 2 :]]).turn == turn


@given(st.data())
def test_a_file_cut_anywhere(data: st.DataObject) -> None:
    """In the middle of a line, at its end, between two lines: the first turn that lacks is named."""
    whole = b"".join(FILE)
    cut = data.draw(st.integers(0, len(whole) - 1))
    left = whole[:cut].splitlines(keepends=True)
    complete = whole[:cut].count(b"\n")
    if whole[:cut] == LINES[0]:  # one line without newline is a whole head: the turns are what lacks
        complete = 1
    assert error(left).turn == complete


def test_lines_of_another_trace() -> None:
    other = [line + b"\n" for line in replay_workload(WORKLOAD, POLICIES["lru"], 180).trace]
    assert error([*FILE[:4], *other[4:]]).turn == 3  # turn 4 follows another turn 3
    assert error([other[0], *FILE[1:]]).turn == 0


@pytest.mark.parametrize("extra", [b"\n", b"{}\n", b"[]\n", b"\xff\n"])
def test_a_line_that_is_none(extra: bytes) -> None:
    assert error([*FILE[:3], extra, *FILE[3:]]).turn == 3
    assert error([*FILE, extra]).turn == TURNS + 1


def edits() -> list[tuple[str, Callable[[dict[str, Any]], Any]]]:
    return [
        ("tokens_used", lambda r: r.update(tokens_used=1)),
        ("changes", lambda r: r["changes"].append(["plan", "absent", "dropped"])),
        ("no move", lambda r: r["changes"].append(["nobody", "absent", "displaced"])),
        ("residency", lambda r: r.update(residency="0" * 64)),
        ("turn", lambda r: r.update(turn=7)),
        ("side", lambda r: r.update(side="shadow")),
        ("prev", lambda r: r.update(prev="0" * 64)),
        ("a key gone", lambda r: r.pop("changes")),
        ("another type", lambda r: r.update(changes=3)),
        ("keyframe", lambda r: r.update(keyframe={"plan": "full", "nobody": "full"})),
    ]


@pytest.mark.parametrize(("name", "edit"), edits(), ids=[name for name, _ in edits()])
def test_an_edit_with_a_new_seal(name: str, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Who recomputes the line's own hash is still found: by the next line, or by what it says itself."""
    record = json.loads(LINES[4])
    edit(record)
    assert error([*FILE[:4], sealed(record) + b"\n", *FILE[5:]]).turn in (3, 4)


@pytest.mark.parametrize(("name", "edit"), edits()[1:], ids=[name for name, _ in edits()[1:]])
def test_an_edit_of_the_last_line_with_a_new_seal(name: str, edit: Callable[[dict[str, Any]], Any]) -> None:
    """No line follows that could tell: what the record says must hold together by itself."""
    record = json.loads(LINES[-1])
    edit(record)
    blamed = TURNS - 1 if name == "prev" else TURNS
    assert error([*FILE[:-1], sealed(record) + b"\n"]).turn == blamed


def test_a_head_with_a_new_seal() -> None:
    head = json.loads(LINES[0])
    head["recency"]["decay"] = 0.9
    assert error([sealed(head), *LINES[1:]]).turn == 0
    head["session"]["settings"]["turns"] = "many"
    assert error([sealed(head)]).turn == 0
    head["trace"] = "other"
    assert error([sealed(head), *LINES[1:]]).turn == 0


def test_a_head_of_something_else() -> None:
    assert error([sealed({"trace": "other", "session": {}})]).turn == 0


def test_a_turn_added_at_the_end_that_follows_well() -> None:
    """Its seal and chain hold, but the workload had fewer turns."""
    record = json.loads(LINES[-1])
    record |= {"turn": TURNS + 1, "prev": hashlib.sha256(LINES[-1]).hexdigest(), "changes": []}
    record.pop("keyframe", None)
    assert error([*LINES, sealed(record)]).turn == TURNS + 1


def test_a_cut_log_is_not_known_by_itself() -> None:
    """Only a workload's head says how many turns there were; for other logs the metrics' hash tells."""
    session = Session(budget=180)
    for _ in range(3):
        session.prompt()
    found = replay(session.events)
    assert verify_trace(found.trace[:-1]) == 2
    cut = b"".join(line + b"\n" for line in found.trace[:-1])
    assert hashlib.sha256(cut).hexdigest() != found.metrics["trace_sha256"]


def test_nothing_is_no_trace() -> None:
    assert error([]).turn == 0


def test_traces_with_keyframes() -> None:
    """A long one, in which the residency is stated anew now and then."""
    workload = read_workload((GOLDEN / "churn.json").read_bytes())
    for policy in ("clawvm", "clawweb", "oracle"):
        lines = replay_workload(workload, POLICIES[policy], 180).trace
        assert any(b'"keyframe"' in line for line in lines)
        assert verify_trace(lines) == 30
