"""The drain: every event once, in order, whatever batches, caches and failures do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from memory import core, dryrun, store
from memory.core.types import Fidelity
from memory.models import Event, EventOutcomes, LedgerEntry, Page, Session, Snapshot, Turn
from memory.store import apply, cache, derive
from memory.store.drain import drain, pending_sessions
from memory.store.pack import canonical, event_sha256, pack, unpack_json
from tests.memory.cast import STARTED, answer, note, page, prompt, session_events, undisturbed

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def cold() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def session() -> str:
    return new_session("run-1")


def new_session(key: str, **started: Any) -> str:
    store.ensure_project("default")
    row, _ = store.find_or_create_session(
        "default", key, name=key, harness="mine", mode="enforced", started={**STARTED, **started}
    )
    return row.id


def append(session: str, events: list[store.NewEvent], size: int = 200) -> None:
    for start in range(0, len(events), size):
        store.append_events(session, events[start : start + size])


def traces(session: str) -> dict[str, list[bytes]]:
    return {side: list(store.trace_lines(session, side)) for side in ("primary", "shadow")}


def header(session: str) -> store.SessionRow:
    row = store.session_row(session)
    assert row is not None
    return row


def test_the_trace_is_that_of_the_core_alone(session: str) -> None:
    events = session_events(25)
    append(session, events)
    assert not drain(session)
    row = header(session)
    assert (row.pending, row.applied_seq, row.turn) == (0, len(events) + 1, 25)
    assert traces(session) == undisturbed(events)
    assert row.view is not None
    assert row.view.primary.trace_sha256 == hashlib.sha256(traces(session)["primary"][-1]).hexdigest()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_batches_and_cold_caches_change_nothing(
    session: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = session_events(12)
    other = new_session("run-2")
    append(other, events)
    drain(other)
    monkeypatch.setattr(apply, "MAX_EVENTS", size)
    monkeypatch.setattr(apply, "SNAPSHOT_EVERY", 40)
    for start in range(0, len(events), 13):
        append(session, events[start : start + 13])
        if start % 2:
            cache.clear()
        drain(session)
    assert traces(session) == traces(other) == undisturbed(events)
    assert Snapshot.objects.filter(session_id=session).exists() or size == 1000
    for model, columns in _PROJECTIONS.items():
        mine, theirs = (
            model.objects.filter(session_id=s).order_by(*columns).values_list(*columns)
            for s in (session, other)
        )
        assert list(mine) == list(theirs), model.__name__


_PROJECTIONS: dict[Any, tuple[str, ...]] = {
    Page: ("page_id", "view", "changed_seq", "fidelity", "tokens_now", "order", "text_seq", "title"),
    LedgerEntry: ("side", "seq", "idx", "kind", "turn", "page_id", "data", "tokens"),
    Turn: ("side", "turn", "prompt_seq", "closed_seq", "numbers", "sha256"),
    EventOutcomes: ("seq", "turn", "blob"),
}


def test_a_drain_that_lost_the_race_stores_nothing_twice(session: str) -> None:
    events = session_events(6)
    append(session, events)
    real, raced = apply._store, []

    def late(work: Any, old: int) -> bool:
        if not raced:  # someone else is faster, once
            raced.append(old)
            assert apply.apply_pending(session).done
        return real(work, old)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "_store", late)
        drain(session)
    assert raced
    assert traces(session) == undisturbed(events)
    assert EventOutcomes.objects.filter(session_id=session).count() <= len(events) + 1


def test_a_failed_transaction_drops_the_state_it_left(session: str) -> None:
    events = session_events(6)
    append(session, events)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "write", _fail)
        with pytest.raises(RuntimeError, match="disk"):
            drain(session)
    assert header(session).applied_seq == 0
    drain(session)
    assert traces(session) == undisturbed(events)


def _fail(*_: Any) -> None:
    raise RuntimeError("disk")


def test_an_event_on_which_the_engine_fails_is_rejected_and_stalls_nothing(
    session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(session, [note("fine"), note("boom"), note("fine too"), page("p", "text"), prompt(1)])
    real = core.step

    def step(state: Any, event: Any) -> Any:
        if getattr(event.body, "what", "") == "boom":
            state.turn = 99  # half done
            raise ZeroDivisionError("oh\x00")
        return real(state, event)

    monkeypatch.setattr(core, "step", step)
    drain(session)
    bad = Event.objects.get(session_id=session, seq=3)
    assert (bad.skipped, bad.rejected) == (True, "internal error: ZeroDivisionError: oh␀")
    row = header(session)
    assert (row.applied_seq, row.turn, row.pending) == (6, 1, 0)
    assert [line.sentence for line in store.ledger(session, kinds=["rejected"])] == [
        "event not applied; internal error: ZeroDivisionError: oh␀"
    ]
    monkeypatch.undo()
    cache.clear()  # folded again, it is rejected again, though the engine could do it now
    append(session, [answer(1)])
    drain(session)
    assert row.view is not None
    again = header(session).view
    assert again is not None
    assert again.rejected_events == row.view.rejected_events == 1


def test_a_malformed_event_in_the_log_is_rejected(session: str) -> None:
    body = canonical({"what": "x", "extra": 1})
    Event.objects.create(
        session_id=session, seq=2, kind="noted", body=pack(body), body_sha256=event_sha256("noted", body)
    )
    Session.objects.update(last_seq=2)
    append(session, [note("fine")])
    drain(session)
    assert header(session).applied_seq == 3
    assert Event.objects.get(seq=2).rejected.startswith("malformed: ")


def test_an_inapplicable_event_is_rejected_with_the_engines_reason(session: str) -> None:
    append(session, [store.NewEvent("operator_pin", {"page_ids": ["nowhere"]}, "act")])
    drain(session)
    (act,) = store.acts(session)
    assert act.state == "refused"
    assert "nowhere" in act.why


def test_what_was_completed_is_kept_and_folded_again(session: str) -> None:
    append(session, [page("p", "some text " * 50)])
    drain(session)
    row = Event.objects.get(session_id=session, seq=2)
    assert "text" in unpack_json(row.body)["page"]
    assert unpack_json(row.completed)["page"]["representations"]["full"]["tokens"] > 0
    texts = store.page_texts(session, "p")
    assert texts["full"]["text"] == "some text " * 50
    assert header(session).view is not None


def test_the_same_request_keeps_its_prompt_and_its_hash_proves_what_was_sent(session: str) -> None:
    append(session, [page("rules", "Never push.", "bootstrap"), page("p", "é\ud800\x00 " * 9), prompt(1)])
    drain(session)
    kept = store.prompt(session, "r1")
    assert kept is not None
    assert hashlib.sha256(kept.body).hexdigest() == kept.sha256
    body = json.loads(kept.body)
    assert body["sections"][0]["page_id"] == "rules"
    assert body["sections"][1]["text"] == "é\ud800\x00 " * 9
    assert (body["turn"], body["request_id"]) == (1, "r1")
    told = [
        store.NewEvent("model_answered", {"request_id": "r1", "prompt_sha256": kept.sha256}),
        store.NewEvent("prompt_requested", {"request_id": "r1"}, "again"),
        store.NewEvent("prompt_requested", {"request_id": "r2"}),
        store.NewEvent("model_answered", {"request_id": "r2", "prompt_sha256": "0" * 64}),
    ]
    append(session, told)
    drain(session)
    assert store.prompt(session, "r1") == kept
    completed = {e.seq: e.completed for e in Event.objects.filter(session_id=session, kind="model_answered")}
    assert [unpack_json(c)["prompt_matches"] for _, c in sorted(completed.items())] == [True, False]


def test_residency_at_every_turn_is_what_the_prompt_held(session: str) -> None:
    append(session, session_events(30))
    drain(session)
    for turn in range(1, 31):
        held = store.prompt_by_turn(session, turn)
        assert held is not None
        sections = json.loads(held.body)["sections"]
        now = store.residency_at(session, turn)
        assert {s["page_id"] for s in sections} == set(now)
        for section in sections:
            assert now[section["page_id"]] <= {f.label: f for f in Fidelity}[section["fidelity"]]


def test_acts_are_pending_until_folded(session: str) -> None:
    append(session, [page("p", "text " * 40), prompt(1)])
    drain(session)
    store.append_events(
        session, [store.NewEvent("operator_pin", {"page_ids": ["p"]}, "a1")], actor="operator:ada"
    )
    (act,) = store.acts(session)
    assert (act.state, act.actor, act.page_ids) == ("pending", "operator:ada", ("p",))
    drain(session)
    (act,) = store.acts(session, "p")
    assert (act.state, act.reach, act.receipt) == ("applied", "enforced", "due")
    assert store.acts(session, "q") == []
    append(session, [prompt(2)])
    drain(session)
    kept = store.prompt(session, "r2")
    assert kept is not None
    append(session, [store.NewEvent("model_answered", {"request_id": "r2", "prompt_sha256": kept.sha256})])
    drain(session)
    (act,) = store.acts(session)
    assert (act.receipt, act.receipt_turn) == ("seen", 2)


def test_an_act_is_tried_on_a_copy(session: str) -> None:
    append(session, [page(f"p{n}", f"text {n} " * 40) for n in range(8)] + [prompt(1)])
    drain(session)
    tried = dryrun.try_act(session, "operator_pin", {"page_ids": ["p0"]})
    assert (tried.allowed, tried.reach, tried.applied_seq) == (True, "enforced", 10)
    assert tried.budget is not None
    append(session, [answer(1)])
    drain(session)
    assert (
        dryrun.try_act(session, "operator_demote", {"page_ids": ["p0"], "cap": "pointer"}).applied_seq == 11
    )
    assert not dryrun.try_act(session, "operator_pin", {"page_ids": ["nowhere"]}).allowed
    assert store.acts(session) == []
    with pytest.raises(store.BadEvent):
        dryrun.try_act(session, "operator_pin", {"pages": []})


def test_lists_and_windows(session: str) -> None:
    append(session, session_events(10))
    drain(session)
    rows, total = store.pages(session, limit=5)
    assert len(rows) == 5 < total
    by_size, _ = store.pages(session, sort="tokens_full", desc=True, limit=3)
    sizes = [max(row.view.tokens.values()) for row in by_size]
    assert sizes == sorted(sizes, reverse=True)
    assert [r.view.page_id for r in store.pages(session, text="RULES")[0]] == ["rules"]
    assert {r.view.page_id for r in store.pages_changed(session, 0)} == set(
        Page.objects.values_list("page_id", flat=True)
    )
    assert store.pages_changed(session, header(session).applied_seq) == []
    assert [r.turn for r in store.turns(session, after_turn=4)] == list(range(5, 11))
    found, total = store.list_sessions(None, search="run")
    assert [r.id for r in found] == [session]
    assert total == 1
    assert store.list_sessions([])[1] == 0
    assert store.list_sessions(None, live=True)[1] == 1
    assert len(store.boundaries(session)) == 1
    assert "compaction (auto)" in store.boundaries(session)[0].sentence


def test_the_conversation_is_told_in_windows(session: str) -> None:
    append(session, session_events(10))
    drain(session)
    whole = store.conversation(session)
    assert [e.seq for e in whole] == sorted(e.seq for e in whole)
    assert {"tool_call", "tool_result", "boundary"} <= {e.kind for e in whole}
    result = next(e for e in whole if e.kind == "tool_result")
    assert (result.tool, bool(result.text), result.fidelity is not None) == ("Read", True, True)
    parts = store.conversation(session, before_turn=4) + store.conversation(session, after_turn=3)
    assert parts == whole
    assert len(store.conversation(session, limit=2)) < len(whole)


def test_budget_below_the_floor_is_said_with_the_shortfall() -> None:
    session = new_session("tight", budget=10)
    append(session, [page("rules", "You must never push to main. " * 10, "bootstrap"), prompt(1)])
    drain(session)
    view = header(session).view
    assert view is not None
    assert view.primary.insufficient_by > 0
    lines = store.ledger(session, kinds=["pinned_invariant_miss"])
    assert [line.fault_class for line in lines] == ["insufficient"]
    assert lines[0].page_id == "rules"


def test_five_megabytes_on_one_line_and_hostile_text(session: str) -> None:
    text = "<script>\x00\x1b[31m\ud800\u202e" + "x" * 5_000_000
    append(session, [page("big", text, title="<b>\x00\u202e"), prompt(1)])
    drain(session)
    row = store.page(session, "big")
    assert row is not None
    assert Page.objects.get(page_id="big").title == "<b>␀⟨"
    assert store.page_texts(session, "big", raw=True)["full"]["text"] == text
    shown = store.page_texts(session, "big")["full"]["text"]
    assert shown.startswith("<script>␀␛[31m�⟨xxx")


def test_the_sweepers_question_uses_small_indexes(session: str) -> None:
    drain(session)
    assert pending_sessions() == {}
    append(session, [note("x")])
    assert list(pending_sessions()) == [session]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN QUERY PLAN SELECT id FROM memory_session WHERE applied_seq < last_seq")
            assert "session_to_apply" in str(cursor.fetchall())


def test_an_adapter_that_fails_leaves_the_rest_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from memory import harness

    class Shaky:
        name = version = "shaky"

        def feed(self, record: Any) -> Any:
            if record.raw == b"boom":
                raise KeyError("boom")
            if record.raw == b"odd":
                return harness.Derived([("noted", {"nope": 1}, "")], None, False)
            if record.raw == b"?":
                return harness.Derived([], None, True)
            if record.raw == b"[":
                return harness.Derived([], "half a line", False)
            return harness.Derived([("noted", {"what": record.raw.decode()}, "now")], None, False)

    monkeypatch.setattr(harness, "get_adapter", lambda name: Shaky())
    monkeypatch.setattr(derive, "MAX_RECORDS", 2)
    store.ensure_project("default")
    row, _ = store.find_or_create_session(
        "default", "s", name="", harness="x", mode="observed", adapter="shaky"
    )
    raws = [b"one", b"boom", b"odd", b"?", b"[", b"two"]
    store.append_records(row.id, [store.NewRecord(f"k{n}", raw) for n, raw in enumerate(raws)])
    drain(row.id)
    after = header(row.id)
    assert (after.pending, after.last_seq, after.unknown_records, after.broken_records) == (0, 3, 1, 2)
    assert [(p.n, p.problem) for p in store.problem_records(row.id)] == [
        (2, "internal error: KeyError: 'boom'"),
        (5, "half a line"),
    ]
    assert Event.objects.get(seq=2).rejected.startswith("malformed")
