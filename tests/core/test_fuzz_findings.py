"""What fuzzing found (``python -m tests.fuzz``), each as the smallest input that showed it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from memory.core import (
    EventError,
    WorkloadError,
    decode_body,
    dump_state,
    encode_body,
    load_state,
    read_log,
    read_policy,
    read_workload,
    replay,
    replay_workload,
    step,
    touched,
    workload_events,
    write_log,
)
from tests.core.cast import Session


def test_a_page_that_names_a_resource_twice_can_leave_and_come_back() -> None:
    session = Session(policy="clawvm", budget=100)
    session.add("a", resources=["workspace", "file:/x", "workspace"])
    session.feed("page_retired", page_id="a")
    session.update("a")
    session.prompt()
    told = session.call("write:/x", kind="write", writes=["file:/x"])
    assert any(o.data.get("change") == "superseded" for o in told)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("reason\ud800", "reason\\ud800"),
        ("a\0", "a\\x00"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202ea", "\\u202ea"),
        ("", '""'),
        ("é", "é"),
    ],
)
def test_a_refusal_can_be_printed_and_stored_whatever_the_field_was_called(name: str, shown: str) -> None:
    with pytest.raises(EventError) as caught:
        decode_body("dirty_marked", {name: "w", "page_id": "a"})
    assert caught.value.where == shown
    with pytest.raises(WorkloadError) as refused:
        read_workload({"pages": [{name: 1}], "turns": []})
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("digits", [4_000, 5_000])
def test_a_version_of_very_many_digits_is_not_repeated_to_the_reader(digits: int) -> None:
    with pytest.raises(EventError, match="1000000") as caught:
        decode_body("session_ended", {}, 10**digits)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_that_cannot_be_written_as_json_is_refused(sign: int) -> None:
    with pytest.raises(EventError) as caught:
        decode_body("noted", {"what": "x", "data": {"a": [sign * 10**5_000]}})
    assert caught.value.where == "data"
    body = decode_body("noted", {"what": "x", "data": {"a": sign * 10**4_000}})
    assert decode_body("noted", encode_body(body)) == body


@pytest.mark.parametrize("mode", ["observed", "enforced"])
def test_new_text_of_the_same_size_is_told_by_the_prompt_that_takes_it_up(mode: str) -> None:
    session = Session(mode, budget=100)
    session.add("a", tokens={"full": 2})
    session.prompt()
    session.update("a", 2)
    told = session.prompt()
    assert touched(told) == {"a"}
    assert [o.data["to"] for o in told if o.kind == "residency"] == ["full"]
    assert session.prompt()[-1].kind == "prompt"
    assert not [o for o in session.outcomes[-3:] if o.kind == "residency"]


def test_a_steady_side_keeps_its_recencies_in_the_same_order_after_a_reload() -> None:
    """A set of 8 and 0 gives back 8 first where it once was larger, and 0 first when it is made anew."""
    session = Session(policy="clawvm", budget=1000)
    for number in range(10):
        session.add(f"p{number}")
    session.prompt()
    session.feed("settings_changed", policy="clawweb")
    session.update("p8")
    session.update("p0")
    again = load_state(dump_state(session.state))
    session.prompt()
    step(again, session.events[-1])
    assert dump_state(again) == dump_state(session.state)


@pytest.mark.parametrize("name", ["demands", "dirty", "tool_calls"])
def test_a_long_id_is_cut_where_it_is_repeated_to_the_reader(name: str) -> None:
    page_id = "\u202e" * 512
    entry: Any = {"demands": {"page_id": page_id, "fidelity": "full"}, "dirty": page_id}.get(
        name, {"signature": "s", "result": page_id}
    )
    with pytest.raises(WorkloadError, match="there is no page") as caught:
        read_workload({"pages": [], "turns": [{name: [entry]}]})
    assert len(str(caught.value)) < 700


def test_a_version_above_every_count_does_not_come_from_another_session() -> None:
    """It would be one more at the next commit, and then a snapshot of what rests on it could not be read."""
    session = Session(budget=100)
    session.add("a", "preference", scope="project")
    body = {"page_id": "a", "representations": {"full": {"tokens": 9}}}
    with pytest.raises(EventError) as caught:
        session.feed("project_commit", **body, version=10**15)
    assert caught.value.where == "version"
    session.feed("project_commit", **body, version=10**12)
    session.dirty("a")
    session.boundary("flush")
    session.feed("operator_restore", "operator:ann", page_ids=["a"], version=10**12 + 1)
    assert dump_state(load_state(dump_state(session.state))) == dump_state(session.state)


def small(**policy: Any) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """A trace, and that of the same log when it was written and read back."""
    page = {
        "page_id": "a",
        "type": "evidence",
        "tokens": {"full": 9},
        "provenance": {"kind": "file", "ref": "x"},
    }
    workload = read_workload({"pages": [page], "turns": [{}]})
    declared = read_policy({"name": "own", **policy})
    log = list(write_log(workload_events(workload, declared, 20)))
    return replay_workload(workload, declared, 20).trace, replay(read_log(log)).trace


def test_negative_zero_as_a_weight_is_zero() -> None:
    once, again = small(hard_weight=-0.0)
    assert once == again == small(hard_weight=0)[0]


def test_a_key_twice_among_very_many_is_found_at_once() -> None:
    keys = ",".join(f'"k{number}":0' for number in range(40_000))
    started = time.thread_time()
    with pytest.raises(WorkloadError, match="twice"):
        read_workload("{" + keys + ',"k39999":0}')
    assert time.thread_time() - started < 2.0
