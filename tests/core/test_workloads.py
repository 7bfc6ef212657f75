"""The workload reader: what it refuses and how it says so; the event log that a workload is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.core import (
    POLICIES,
    Event,
    Policy,
    WorkloadError,
    new_state,
    read_workload,
    replay_workload,
    step,
    workload_events,
)
from memory.core import workloads as module

GOLDEN = Path(__file__).parent.parent / "golden" / "replay"
CLAWVM = POLICIES["clawvm"]


def page(page_id: str = "a", page_type: str = "evidence", **fields: Any) -> dict[str, Any]:
    """A page in a few words."""
    tokens = fields.pop("tokens", {"full": 100})
    provenance = {"kind": "file", "ref": "a.md"}
    return {"page_id": page_id, "type": page_type, "tokens": tokens, "provenance": provenance, **fields}


def write(update_id: str = "u1", page_id: str = "a", **fields: Any) -> dict[str, Any]:
    found = {"update_id": update_id, "page_id": page_id, "field": "step", "op": "append", "value": "3"}
    return {**found, "scope": "session", "evidence_ref": "a", "base_version": 0, **fields}


def load(pages: list[dict[str, Any]], *turns: dict[str, Any], **fields: Any) -> module.Workload:
    return read_workload({"workload_id": "w", "pages": pages, "turns": list(turns), **fields}, "w.json")


def refused(pages: list[Any], *turns: Any, **fields: Any) -> WorkloadError:
    with pytest.raises(WorkloadError) as caught:
        load(pages, *turns, **fields)
    assert str(caught.value).startswith("w.json: ")
    return caught.value


BAD_PAGES: list[tuple[str, dict[str, Any]]] = [
    ("page_id", {"page_id": 3}),
    ("page_id", {"page_id": ""}),
    ("page_id", {"page_id": "a\nb"}),
    ("page_id", {"page_id": "x" * 513}),
    ("page_id", {"page_id": "\ud800"}),
    ("type", {"type": "memo"}),
    ("type", {"type": None}),
    ("scope", {"scope": "galaxy"}),
    ("pin", {"pin": "firm"}),
    ("pin", {"pin": True}),
    ("min_fidelity", {"min_fidelity": "absent"}),
    ("min_fidelity", {"type": "constraint", "min_fidelity": "pointer"}),
    ("min_fidelity", {"type": "plan", "min_fidelity": "compressed"}),
    ("tokens", {"tokens": 100}),
    ("tokens", {"tokens": []}),
    ("tokens.full", {"tokens": {}}),
    ("tokens.full", {"tokens": {"pointer": 3}}),
    ("tokens.full", {"tokens": {"full": 0}}),
    ("tokens.full", {"tokens": {"full": -1}}),
    ("tokens.full", {"tokens": {"full": 1.0}}),
    ("tokens.full", {"tokens": {"full": True}}),
    ("tokens.full", {"tokens": {"full": "100"}}),
    ("tokens.full", {"tokens": {"full": 10**9}}),
    ("tokens.full", {"tokens": {"full": float("inf")}}),
    ("tokens.full", {"tokens": {"pointer": 100, "full": 100}}),
    ("tokens.compressed", {"tokens": {"structured": 50, "compressed": 50, "full": 100}}),
    ("tokens.absent", {"tokens": {"absent": 1, "full": 100}}),
    ("tokens.huge", {"tokens": {"huge": 1, "full": 100}}),
    ("tokens.pointer", {"type": "constraint", "tokens": {"pointer": 3, "full": 100}}),
    ("tokens.compressed", {"type": "plan", "tokens": {"compressed": 3, "full": 100}}),
    ("base_utility", {"base_utility": -0.1}),
    ("base_utility", {"base_utility": float("nan")}),
    ("base_utility", {"base_utility": float("inf")}),
    ("base_utility", {"base_utility": "7"}),
    ("base_utility", {"base_utility": False}),
    ("base_utility", {"base_utility": 10**400}),
    ("recompute_cost", {"recompute_cost": -1}),
    ("recompute_cost", {"recompute_cost": float("-inf")}),
    ("provenance", {"provenance": "AGENTS.md"}),
    ("provenance.kind", {"provenance": {"ref": "x"}}),
    ("provenance.kind", {"provenance": {"kind": "", "ref": "x"}}),
    ("provenance.ref", {"provenance": {"kind": "file"}}),
    ("provenance.ref", {"provenance": {"kind": "file", "ref": ""}}),
    ("provenance.line", {"provenance": {"kind": "file", "ref": "x", "line": 3}}),
    ("created", {"created": -1}),
    ("created", {"created": 0.0}),
    ("created", {"created": True}),
    ("colour", {"colour": "red"}),
]


@pytest.mark.parametrize(("field", "change"), BAD_PAGES, ids=lambda value: str(value)[:40])
def test_a_bad_page_is_refused_by_its_field(field: str, change: dict[str, Any]) -> None:
    error = refused([page("first"), {**page("a"), **change}], {})
    assert (error.turn, error.field) == (None, f"pages[1].{field}")


@pytest.mark.parametrize("field", ["page_id", "type", "tokens", "provenance"])
def test_a_page_needs(field: str) -> None:
    lacking = {key: value for key, value in page().items() if key != field}
    error = refused([lacking])
    assert (error.field, error.why) == (f"pages[0].{field}", "is missing")


A = {"page_id": "a", "fidelity": "full"}
BAD_TURNS: list[tuple[str, Any]] = [
    ("turn", []),
    ("prompt", {"prompt": 1}),
    ("lifecycle", {"lifecycle": "restart"}),
    ("lifecycle", {"lifecycle": None}),
    ("lifecycle[1]", {"lifecycle": ["flush", "restart"]}),
    ("dirty", {"dirty": "a"}),
    ("dirty[0]", {"dirty": ["nobody"]}),
    ("dirty[1]", {"dirty": ["a", "late"]}),
    ("writes[0]", {"writes": ["u1"]}),
    ("writes[0].page_id", {"writes": [write(page_id="nobody")]}),
    ("writes[0].page_id", {"writes": [write(page_id="late")]}),
    ("writes[1].update_id", {"writes": [write(), write()]}),
    ("writes[0].update_id", {"writes": [write(update_id="")]}),
    ("writes[0].update_id", {"writes": [write(update_id="implied:3:0")]}),
    ("writes[0].base_version", {"writes": [write(base_version=-1)]}),
    ("writes[0].base_version", {"writes": [write(base_version="0")]}),
    ("writes[0].op", {"writes": [write(op=3)]}),
    ("writes[0].value", {"writes": [write(value=float("nan"))]}),
    ("writes[0].note", {"writes": [write(note="x")]}),
    ("demands[0]", {"demands": ["a"]}),
    ("demands[0].fidelity", {"demands": [{"page_id": "a"}]}),
    ("demands[0].fidelity", {"demands": [{**A, "fidelity": "absent"}]}),
    ("demands[0].fidelity", {"demands": [{**A, "fidelity": 4}]}),
    ("demands[0].page_id", {"demands": [{**A, "page_id": "nobody"}]}),
    ("demands[0].page_id", {"demands": [{**A, "page_id": "late"}]}),
    ("demands[1].why", {"demands": [A, {**A, "why": "x"}]}),
    ("observed[0].fidelity", {"observed": [{**A, "fidelity": "absent"}]}),
    ("observed[0].page_id", {"observed": [{**A, "page_id": "late"}]}),
    ("observed", {"observed": {}}),
    ("tool_calls[0].signature", {"tool_calls": [{}]}),
    ("tool_calls[0].signature", {"tool_calls": [{"signature": ""}]}),
    ("tool_calls[0].result", {"tool_calls": [{"signature": "s", "result": "nobody"}]}),
    ("tool_calls[0].kind", {"tool_calls": [{"signature": "s", "kind": "exec"}]}),
    ("tool_calls[0].refresh", {"tool_calls": [{"signature": "s", "refresh": 1}]}),
    ("tool_calls[0].args", {"tool_calls": [{"signature": "s", "args": {}}]}),
    ("recalls[0].query", {"recalls": [{"found": 1}]}),
    ("recalls[0].found", {"recalls": [{"query": "q", "found": -1}]}),
    ("recalls[0].reason", {"recalls": [{"query": "q", "reason": "LOST"}]}),
    ("dirty", {"dirty": ["a"] * 10_001}),
]


@pytest.mark.parametrize(("field", "turn"), BAD_TURNS, ids=lambda value: str(value)[:40])
def test_a_bad_turn_is_refused_by_turn_and_field(field: str, turn: Any) -> None:
    error = refused([page(), page("late", created=2)], {"demands": [A]}, turn)
    assert (error.turn, error.field) == (1, field)
    assert str(error).startswith(f"w.json: turn 1: {field}: ")


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("pages[1].page_id", {"pages": [page(), page()]}),
        ("pages", {"pages": {}}),
        ("pages[0]", {"pages": ["a"]}),
        ("turns", {"turns": 3}),
        ("workload_id", {"workload_id": 3}),
        ("multi_session", {"multi_session": 1}),
        ("grants", {"grants": "session"}),
        ("grants[0]", {"grants": ["galaxy"]}),
        ("budget", {"budget": 180}),
    ],
)
def test_a_bad_file_is_refused_by_its_field(field: str, change: dict[str, Any]) -> None:
    with pytest.raises(WorkloadError) as caught:
        read_workload({"workload_id": "w", "pages": [], "turns": [], **change})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not JSON"),
        (b"[]", "object"),
        (b"\xff{}", "UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"pages": [], "turns": [}', "line 1, column 25"),
        (b'{"pages": [], "pages": [], "turns": []}', "'pages' twice"),
        (b'{"pages": [], "turns": [{"demands": [{"page_id": "a", "page_id": "b"}]}]}', "'page_id' twice"),
        (b'{"pages": [], "turns": [NaN]}', "NaN"),
        (b'{"pages": [], "turns": [-Infinity]}', "-Infinity"),
        (b'{"pages": [], "turns": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep"),
        (b'{"pages": [], "turns": [' + b"9" * 5000 + b"]}", "digits"),
    ],
)
def test_bytes_that_are_no_json_object(raw: bytes, why: str) -> None:
    with pytest.raises(WorkloadError, match=why) as caught:
        read_workload(raw, "w.json")
    assert (caught.value.source, caught.value.field) == ("w.json", "file")


@pytest.mark.parametrize("value", [[], None, 3])
def test_what_json_gave_must_be_an_object(value: Any) -> None:
    with pytest.raises(WorkloadError, match="workload: file: must hold a JSON object"):
        read_workload(value)


def test_numbers_too_large_for_json_are_refused() -> None:
    """1e999 is valid JSON that Python reads as infinity."""
    raw = json.dumps({"pages": [page(base_utility=12345)], "turns": []}).replace("12345", "1e999")
    with pytest.raises(WorkloadError, match=r"pages\[0\].base_utility: must be finite"):
        read_workload(raw)


def test_a_duplicate_update_id_in_a_later_turn() -> None:
    error = refused([page()], {"writes": [write()]}, {"writes": [write()]})
    assert (error.turn, error.field) == (1, "writes[0].update_id")


def test_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns, pages, events and bytes are bounded; a million events are too many."""
    assert module.MAX_EVENTS < 1_000_000
    with pytest.raises(WorkloadError, match="turns: has more than 200000 entries"):
        read_workload({"pages": [], "turns": [{}] * 200_001})
    monkeypatch.setattr(module, "MAX_EVENTS", 1000)
    with pytest.raises(WorkloadError, match="turn 9: turns: become more than 1000 events"):
        read_workload({"pages": [page()], "turns": [{"demands": [A] * 99}] * 15})
    just = [{"demands": [A] * 99}] * 9 + [{"demands": [A] * 96}]
    workload = read_workload({"pages": [page()], "turns": just})
    assert len(workload_events(workload, CLAWVM, 180)) == 1000
    with pytest.raises(WorkloadError):
        read_workload({"pages": [page()], "turns": [*just, {}]})
    monkeypatch.setattr(module, "MAX_PAGES", 2)
    assert refused([page(str(n)) for n in range(3)]).why == "has more than 2 entries"
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    with pytest.raises(WorkloadError, match="file: is larger than 10 bytes"):
        read_workload(b'{"pages": [], "turns": []}')


def test_defaults() -> None:
    found = load([page("r", "constraint"), page("p", "plan"), page("e")], {})
    assert [(p.page.pin, p.page.min_fidelity, p.page.scope, p.created) for p in found.pages] == [
        (None, None, "session", 0)
    ] * 3
    assert (found.multi_session, found.grants) == (False, ("session", "project"))
    assert found.turns == (module.Turn(),)
    assert load([page()], {"lifecycle": "flush"}).turns[0].lifecycle == ("flush",)
    assert load([page()], {"writes": [{k: v for k, v in write().items() if k != "scope"}]}).turns[0].writes


def kinds(events: list[Event]) -> list[str]:
    return [event.body.KIND for event in events]


def test_one_turn_in_its_order() -> None:
    """Pages, dirty, writes, boundaries, declared demands, prompt, observed demands, calls, recalls."""
    turn = {
        "recalls": [{"query": "q"}],
        "tool_calls": [{"signature": "s", "result": "late"}],
        "observed": [A],
        "demands": [A],
        "lifecycle": ["flush", "compaction"],
        "writes": [write()],
        "dirty": ["a"],
    }
    workload = load([page("late", created=1), page()], turn, {})
    events = workload_events(workload, CLAWVM, 180)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert kinds(events) == [
        "session_started", "page_created", "dirty_marked", "write_staged", "boundary", "boundary",
        "demand_declared", "prompt_requested", "demand_observed", "tool_called", "tool_returned", "recall",
        "page_created", "prompt_requested", "session_ended",
    ]  # fmt: skip


@pytest.mark.parametrize("policy", [p for p in POLICIES.values() if p.selects], ids=lambda p: p.name)
@pytest.mark.parametrize("name", ["gates", "churn"])
def test_the_engine_takes_every_event_of_a_workload(name: str, policy: Policy) -> None:
    """What the reader lets pass is never rejected (a rejected *update* is the journal's matter)."""
    workload = read_workload((GOLDEN / f"{name}.json").read_bytes())
    assert replay_workload(workload, policy, 180).metrics["rejected_events"] == 0


def test_a_declared_policy_goes_with_the_log() -> None:
    mine = Policy("mine", auto_pins=True, upgrades=True, base_weight=2.0)
    found = replay_workload(load([page()], {}), mine, 180)
    assert found.metrics["policy"] == "mine"
    head = json.loads(found.trace[0])
    assert head["policies"]["primary"]["base_weight"] == 2.0


def test_a_budget_of_all_sessions_is_shared_by_percent() -> None:
    workload = load([page(tokens={"full": 79})], {"demands": [A]}, multi_session=True)
    found = replay_workload(workload, POLICIES["retrieval"], 100)
    assert found.metrics["total_faults"] == 1  # 78 of 100 tokens: the page does not fit, yet another could
    assert found.metrics["insufficient"] == {}
    assert replay_workload(workload, CLAWVM, 100).metrics["total_faults"] == 0


def test_grants_deny_a_scope() -> None:
    turn = {"writes": [write(scope="project")], "lifecycle": "flush"}
    workload = load([page(scope="project")], turn, grants=["session"])
    assert replay_workload(workload, CLAWVM, 100).metrics["rejected"] == {"SCOPE_DENIED": 1}


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["pages", "turns", "page_id", "tokens", "full"]), inner, max_size=3)
    ),
    max_leaves=8,
)
SMALL = {"pages": [page(), page("late", created=1)], "turns": [{"demands": [A], "writes": [write()]}, {}]}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, entry in entries:
        found += places(entry, (*path, key))
    return found


@given(st.data(), JUNK)
def test_anything_anywhere_is_read_or_refused(data: st.DataObject, junk: Any) -> None:
    """Whatever stands in whatever place: one WorkloadError, or a workload that runs."""
    changed = json.loads(json.dumps(SMALL))
    path = data.draw(st.sampled_from(places(changed)[1:]))
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = junk
    try:
        workload = read_workload(changed)
    except WorkloadError:
        return
    state = new_state()
    for event in workload_events(workload, CLAWVM, 180):
        assert not any(told.kind == "rejected" for told in step(state, event))


def test_a_provenance_of_a_kind_that_events_do_not_know() -> None:
    """Any kind may stand in a workload; in the event it is an import, and nothing of it is lost."""
    found = load([page(provenance={"kind": "web", "ref": "x"}), page("b")], {})
    assert [(p.page.provenance.kind, p.page.provenance.ref) for p in found.pages] == [
        ("import", "web:x"),
        ("file", "a.md"),
    ]
