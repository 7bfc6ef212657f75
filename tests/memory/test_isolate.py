"""No event stops a session: what cannot be stored, folded or decoded any more is skipped with the reason."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DataError, OperationalError

from memory import core, store
from memory.models import Event, Prompt, Record, Session
from memory.store import apply, cache, derive, limits
from memory.store.drain import drain
from memory.store.pack import canonical, event_sha256, pack
from tests.memory.cast import STARTED, note, page, prompt, session_events, undisturbed
from tests.support.processes import ROOT


@pytest.fixture(autouse=True)
def cold() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def session(db: None) -> str:
    store.ensure_project("default")
    return new_session("run")


def new_session(key: str) -> str:
    row, _ = store.find_or_create_session(
        "default", key, name=key, harness="mine", mode="enforced", started=STARTED
    )
    return row.id


def into_the_log(session: str, kind: str, body: dict[str, Any]) -> None:
    """An event as an older version, or an adapter, may have left it: not looked at."""
    row = Session.objects.get(pk=session)
    raw = canonical(body)
    Event.objects.create(
        session=row, seq=row.last_seq + 1, kind=kind, body=pack(raw), body_sha256=event_sha256(kind, raw)
    )
    Session.objects.filter(pk=session).update(last_seq=row.last_seq + 1)


def header(session: str) -> store.SessionRow:
    row = store.session_row(session)
    assert row is not None
    return row


def full_page(page_id: str, tokens: int) -> store.NewEvent:
    spec = {"page_id": page_id, "type": "evidence", "provenance": {"kind": "span", "ref": page_id}}
    return store.NewEvent("page_created", {"page": {**spec, "representations": {"full": {"tokens": tokens}}}})


#: Over a column's width or range: kind, body, the field that is named.
TOO_MUCH = [
    ("prompt_requested", {"request_id": "r" * 300}, "request_id"),
    ("receipt", {"act_seq": 1, "seen": True, "turn": 10**12}, "turn"),
    ("operator_undo", {"act_seq": 10**12}, "act_seq"),
    ("write_resolved", {"update_id": "u" * 201, "action": "drop"}, "update_id"),
]


@pytest.mark.parametrize(("kind", "body", "where"), TOO_MUCH)
def test_what_the_rows_have_no_room_for_is_refused_at_the_door(
    session: str, kind: str, body: dict[str, Any], where: str
) -> None:
    with pytest.raises(store.BadEvent) as refused:
        store.append_events(session, [store.NewEvent(kind, body)])
    assert refused.value.where == where
    core.decode_body(kind, body)  # the codec alone lets it through


@pytest.mark.parametrize(("kind", "body", "where"), TOO_MUCH)
def test_in_the_log_it_is_skipped_with_the_reason(
    session: str, kind: str, body: dict[str, Any], where: str
) -> None:
    into_the_log(session, kind, body)
    store.append_events(session, [note("after")])
    assert not drain(session)
    assert header(session).pending == 0
    assert Event.objects.get(seq=2).rejected.startswith(f"malformed: {where}: ")


class Refusing:
    """A database that refuses rows of some events, as one does whose column is too narrow."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seqs: set[int], error: Exception) -> None:
        self.folds = 0
        real, real_load = apply.write, apply.fold.load_state

        def write(work: Any, pages: Any, snapshot: Any) -> None:
            skipped = {row_id for _, _, skipped, row_id in work.completed if skipped}
            bad = Event.objects.filter(seq__in=seqs).exclude(pk__in=skipped).values_list("seq", flat=True)
            if set(bad) & {row.seq for row in work.outcomes}:
                raise error
            real(work, pages, snapshot)

        def load_state(*args: Any) -> Any:
            self.folds += 1
            return real_load(*args)

        monkeypatch.setattr(apply, "write", write)
        monkeypatch.setattr(apply.fold, "load_state", load_state)


@pytest.mark.parametrize("error", [DataError("value too long"), ValueError("NUL"), OverflowError("int")])
def test_events_that_the_database_refuses_are_found_and_skipped(
    session: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    events = session_events(12)
    store.append_events(session, events)
    bad = {2, 6, 41, len(events) + 1}
    refusing = Refusing(monkeypatch, bad, error)
    assert not drain(session)
    row = header(session)
    assert (row.pending, row.applied_seq) == (0, len(events) + 1)
    skipped = dict(Event.objects.filter(skipped=True).values_list("seq", "rejected"))
    assert set(skipped) == bad
    why = f"could not be stored: {type(error).__name__}: {error}"
    assert set(skipped.values()) == {why}
    assert refusing.folds <= 6  # the first failure loses the state; the others go back to a copy
    monkeypatch.undo()
    live = cache.states.take(apply.session_pk(session))
    assert live is not None  # what was kept warm is what the rows give
    again, _ = apply.fold.load_state(apply.session_pk(session), live.seq)
    assert core.dump_state(live.state) == core.dump_state(again)


def test_an_event_that_fails_only_in_company_is_kept(session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    events = session_events(4)
    store.append_events(session, events)
    real = apply.write

    def write(work: Any, pages: Any, snapshot: Any) -> None:
        if len(work.outcomes) > 3:
            raise DataError("too many at once")
        real(work, pages, snapshot)

    monkeypatch.setattr(apply, "write", write)
    assert not drain(session)
    assert not Event.objects.filter(skipped=True).exists()
    traces = {side: list(store.trace_lines(session, side)) for side in ("primary", "shadow")}
    assert traces == undisturbed(events)


def test_what_repeating_may_cure_skips_nothing(session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store.append_events(session, [note("x")])
    with monkeypatch.context() as patch:
        patch.setattr(apply, "write", lambda *_: (_ for _ in ()).throw(OperationalError("locked")))
        with pytest.raises(OperationalError):
            drain(session)
    assert header(session).applied_seq == 0
    assert not drain(session)
    assert not Event.objects.exclude(rejected="").exists()


def test_many_events_on_which_the_engine_fails_cost_copies_not_refolds(
    session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append_events(session, [note(f"n{n}") for n in range(150)])
    real, refusing = core.step, Refusing(monkeypatch, set(), DataError())

    def step(state: Any, event: Any) -> Any:
        if event.seq % 3 == 0:
            raise ZeroDivisionError("bad")
        return real(state, event)

    monkeypatch.setattr(core, "step", step)
    assert not drain(session)
    assert Event.objects.filter(skipped=True).count() == 50
    assert header(session).applied_seq == 151
    assert refusing.folds <= 3


def test_an_applied_event_that_no_longer_decodes_does_not_stall_the_session(
    session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append_events(session, [note("old form"), page("p", "text " * 20)])
    drain(session)
    cache.clear()
    real = core.decode_body

    def stricter(kind: str, raw: Any, version: int | None = None) -> Any:
        if kind == "noted" and raw.get("what") == "old form":
            raise core.EventError("what", "is written otherwise now")
        return real(kind, raw, version)

    monkeypatch.setattr(core, "decode_body", stricter)
    store.append_events(session, [prompt(1)])
    assert not drain(session)
    row = header(session)
    assert (row.pending, row.turn) == (0, 1)
    assert row.view is not None and row.view.rejected_events == 1


def test_the_adapters_version_is_kept_and_a_change_is_noted(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memory import harness

    store.ensure_project("default")
    row, _ = store.find_or_create_session(
        "default", "t", name="t", harness="claude-code", mode="observed", adapter="claude-code"
    )
    line = {"type": "user", "sessionId": "s", "message": {"role": "user", "content": "hello"}}

    def add(number: int) -> None:
        raw = json.dumps({**line, "uuid": f"u{number}"}).encode()
        store.append_records(row.id, [store.NewRecord(f"k{number}", raw)])
        assert not drain(row.id)

    add(1)
    first = harness.get_adapter("claude-code").version
    assert Session.objects.get(pk=row.id).adapter_version == first
    monkeypatch.setattr(type(harness.get_adapter("claude-code")), "version", "next")
    cache.clear()  # the upgrade came with a restart
    add(2)
    add(3)
    assert Session.objects.get(pk=row.id).adapter_version == "next"
    notes = [
        derive.unpack(body)
        for body in Event.objects.filter(kind="noted", session_id=row.id).values_list("body", flat=True)
        if b"adapter_version" in derive.unpack(body)
    ]
    assert [json.loads(body)["data"] for body in notes] == [
        {"adapter": "claude-code", "before": first, "now": "next", "from_record": 2}
    ]
    assert Record.objects.count() == 3


def test_the_columns_hold_what_the_limits_let_through() -> None:
    widths = {f.name: f.max_length for f in Prompt._meta.concrete_fields if f.max_length}
    assert widths["request_id"] == limits.MAX_ID


HUGE = 10**8  # tokens of one representation: the codec's limit


@pytest.mark.postgres
@pytest.mark.integration
def test_on_postgresql_too_a_session_goes_on(make_site: Callable[..., Any], postgres_url: str) -> None:
    """Sums over int4, then rows that no column takes: found in the batch, skipped, the rest stored."""
    site = make_site(DATABASE_URL=postgres_url)
    argv = [sys.executable, "-m", "tests.memory.overflow"]
    done = subprocess.run(argv, env=site.env, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["vendor"] == "postgresql"
    assert found["sums"] == {"pending": 0, "tokens": 30 * HUGE, "rejected": []}
    assert found["narrow"]["pending"] == 0
    assert [seq for seq, _ in found["narrow"]["rejected"]] == [4, 9]
    assert all("could not be stored: DataError" in why for _, why in found["narrow"]["rejected"])
