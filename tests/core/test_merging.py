"""What commits write into a page's fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.core import canonical, committed_fields, dump_state, load_state
from memory.core.events import Update
from memory.core.handling import primary_side
from memory.core.merging import MAX_FIELDS, MAX_PAGE_BYTES, Fields, merged
from tests.core.cast import Session, of

values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("op", "held", "value", "want"),
    [
        ("set_with_version", [1], "b", "b"),
        ("overwrite", [1], "b", "b"),
        ("append", None, "b", "b"),
        ("merge", None, {"a": 1}, {"a": 1}),
        ("append", "a", "b", "ab"),
        ("append", [1], 2, [1, 2]),
        ("append", [1], [2, [3]], [1, 2, [3]]),
        ("append", {"a": 1}, 2, [{"a": 1}, 2]),
        ("append", "a", [1], ["a", 1]),
        ("append", 0, 1, [0, 1]),
        ("merge", {"a": 1, "b": {"c": 2}}, {"b": {"d": 3}, "a": 4}, {"a": 4, "b": {"c": 2, "d": 3}}),
        ("merge", [1, {"a": 1}], [{"a": 1}, 2, 2], [1, {"a": 1}, 2]),
        ("merge", [1], [True, 1.0], [1, True, 1.0]),
        ("merge", "a", "b", "b"),
        ("merge", {"a": 1}, [1], [1]),
    ],
)
def test_the_rules(op: str, held: Any, value: Any, want: Any) -> None:
    before = canonical(held)
    assert canonical(merged(op, held, value)) == canonical(want)
    assert canonical(held) == before


@given(values, values)
def test_merging_the_same_again_changes_nothing(held: Any, value: Any) -> None:
    once = merged("merge", held, value)
    assert canonical(merged("merge", once, value)) == canonical(once)


def update(op: str, value: Any, field: str = "f") -> Update:
    return Update("u", "p", field, op, value, "session", "p", 0)


@given(
    st.lists(
        st.tuples(st.sampled_from(["append", "merge", "set_with_version"]), values, st.sampled_from("fg"))
    )
)
def test_sizes_are_never_less_than_the_truth_and_survive(steps: list[tuple[str, Any, str]]) -> None:
    fields = Fields()
    for op, value, name in steps:
        fields.commit(update(op, value, name), 3)
    assert fields.size >= len(canonical(fields.of(3))) - 2
    again = Fields.from_json(fields.to_json())
    assert (again.to_json(), again.size) == (fields.to_json(), fields.size)
    fields.replace(3, {})
    assert (fields.size, fields.of(3)) == (0, {})


def test_setting_a_field_for_ever_fills_nothing() -> None:
    fields = Fields()
    for number in range(3000):
        fields.commit(update("set_with_version", "x" * 400, "a"), 0)
        fields.commit(update("append", f"{number}", "a"), 0)
    assert fields.size < 500 and not fields.no_room(update("append", "x", "a"), 0)


def test_a_page_has_an_end() -> None:
    fields = Fields()
    long = "x" * 65_000
    for _ in range(MAX_PAGE_BYTES // 65_100):
        assert not fields.no_room(update("append", long), 0)
        fields.commit(update("append", long), 0)
    assert str(MAX_PAGE_BYTES) in fields.no_room(update("append", long), 0)
    assert not fields.no_room(update("set_with_version", long), 0)
    many = Fields()
    for number in range(MAX_FIELDS):
        many.commit(update("merge", 1, f"f{number}"), 0)
    assert many.no_room(update("merge", 1, "more"), 0) and not many.no_room(update("merge", 1, "f7"), 0)


def test_what_is_committed_and_nothing_else_is_written() -> None:
    session = Session(budget=1000)
    session.add("plan", "plan")
    session.prompt()
    for number, (op, value) in enumerate([("append", "a"), ("append", "b"), ("delete", "c"), ("merge", 7)]):
        session.stage(f"u{number}", "plan", field=f"f{number // 2}", op=op, value=value)
    assert committed_fields(session.state, "plan") == {}
    session.boundary("flush")
    assert committed_fields(session.state, "plan") == {"f0": "ab", "f1": 7}
    session.feed("write_resolved", "operator:ann", update_id="u2", action="merge", value=8)
    assert committed_fields(session.state, "plan") == {"f0": "ab", "f1": 8}
    again = load_state(dump_state(session.state))
    assert committed_fields(again, "plan") == {"f0": "ab", "f1": 8}
    assert committed_fields(again, "nowhere") == {}


def test_over_the_limit_is_a_schema_error_that_no_answer_overrules() -> None:
    session = Session(budget=1000)
    session.add("plan", "plan")
    session.prompt()
    for number in range(17):
        session.stage(f"u{number}", "plan", op="append", value="x" * 65_000)
    told = session.boundary("flush")
    (rejected,) = [o.data for o in of(told, "journal") if o.data["phase"] == "rejected"]
    assert (rejected["update_id"], rejected["reason"]) == ("u16", "SCHEMA_INVALID")
    session.feed("write_resolved", "operator:ann", update_id="u16", action="approve")
    assert "would take more than" in session.refused()


def test_a_long_field_is_not_merged_into_and_merging_the_same_takes_no_room() -> None:
    session = Session(budget=1000)
    session.add("plan", "plan")
    session.prompt()
    for number in range(3):
        session.stage(f"u{number}", "plan", field="state", op="merge", value={"all": "x" * 40_000})
        session.stage(f"l{number}", "plan", field="list", op="append", value=["x" * 40_000])
    session.stage("m", "plan", field="list", op="merge", value=["y"])
    told = session.boundary("flush")
    rejected = [o.data["update_id"] for o in of(told, "journal") if o.data["phase"] == "rejected"]
    assert rejected == ["m"]
    assert primary_side(session.state).journal.fields.size < 200_000


def test_a_projects_fields_come_with_its_commit() -> None:
    session = Session(budget=1000)
    session.add("shared", "preference", scope="project")
    reps = {"full": {"tokens": 9}}
    session.feed("project_commit", page_id="shared", version=1, representations=reps, fields={"a": [1]})
    assert committed_fields(session.state, "shared") == {"a": [1]}


def test_what_the_engine_stages_writes_no_field() -> None:
    session = Session(budget=1000)
    session.add("plan", "plan")
    session.prompt()
    session.dirty("plan")
    session.boundary("flush")
    session.update("plan")
    session.feed("operator_restore", "operator:ann", page_ids=["plan"], version=1)
    told = session.boundary("flush")
    assert [o.data["field"] for o in of(told, "journal") if o.data["phase"] == "committed"] == ["text"]
    assert committed_fields(session.state, "plan") == {}
