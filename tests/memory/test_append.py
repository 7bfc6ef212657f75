"""Appending to a log: gapless, idempotent, limited, all or nothing."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from memory import store
from memory.models import Event, Record, Session
from memory.store.pack import unpack
from tests.memory.cast import STARTED, note

pytestmark = pytest.mark.django_db


@pytest.fixture
def session() -> str:
    store.ensure_project("default")
    row, created = store.find_or_create_session(
        "default", "run-1", name="Run 1", harness="mine", mode="enforced", started=STARTED
    )
    assert created
    return row.id


@pytest.fixture
def recording() -> str:
    store.ensure_project("default")
    row, _ = store.find_or_create_session(
        "default", "rec-1", name="", harness="claude-code", mode="observed", adapter="claude-code"
    )
    return row.id


def seqs(session: str) -> list[int]:
    return list(Event.objects.filter(session_id=session).order_by("seq").values_list("seq", flat=True))


def test_a_session_is_found_again_and_started_once(session: str) -> None:
    again, created = store.find_or_create_session(
        "default", "run-1", name="other", harness="mine", mode="enforced", started=STARTED
    )
    assert (again.id, created, again.name) == (session, False, "Run 1")
    assert seqs(session) == [1]
    assert again.pending == 1
    assert again.view is None


def test_an_unknown_project_is_refused() -> None:
    with pytest.raises(store.UnknownProject):
        store.find_or_create_session("nowhere", "k", name="", harness="x", mode="observed")
    assert not Session.objects.exists()


def test_seqs_have_no_gaps(session: str) -> None:
    first = store.append_events(session, [note("a"), note("b")])
    second = store.append_events(session, [note("c")], actor="operator:ada")
    assert [a.seq for a in first + second] == [2, 3, 4]
    assert seqs(session) == [1, 2, 3, 4]
    assert Event.objects.get(session_id=session, seq=4).actor == "operator:ada"


def test_the_same_id_gets_the_first_place(session: str) -> None:
    (first,) = store.append_events(session, [note("a", "id-1")])
    again = store.append_events(session, [note("a", "id-1"), note("b", "id-2"), note("b", "id-2")])
    assert [(a.seq, a.duplicate) for a in again] == [(first.seq, True), (3, False), (3, True)]
    assert seqs(session) == [1, 2, 3]


def test_order_and_form_of_the_body_do_not_matter(session: str) -> None:
    store.append_events(session, [store.NewEvent("noted", {"what": "x", "data": {"b": 1, "a": 2}}, "i")])
    sent = b'{"data": {"a": 2, "b": 1},   "what": "x"}'
    assert store.append_events(session, [store.NewEvent("noted", sent, "i")])[0].duplicate


def test_the_same_id_with_another_body_is_refused_and_nothing_stored(session: str) -> None:
    store.append_events(session, [note("a", "id-1")])
    for other in (note("z", "id-1"), store.NewEvent("session_ended", {}, "id-1")):
        with pytest.raises(store.EventConflict) as caught:
            store.append_events(session, [note("new", "id-9"), other])
        assert caught.value.client_event_id == "id-1"
    assert seqs(session) == [1, 2]


@pytest.mark.parametrize(
    ("kind", "body", "where"),
    [
        ("nothing_known", {}, "kind"),
        ("noted", {"what": "x", "extra": 1}, "extra"),
        ("noted", b"{not json", "body"),
        ("noted", b"[1]", "body"),
        ("noted", {"what": float("nan")}, "body"),
        ("page_created", {"page": {"page_id": "p"}}, "page"),
    ],
)
def test_a_malformed_event_refuses_its_batch(session: str, kind: str, body: Any, where: str) -> None:
    with pytest.raises(store.BadEvent) as caught:
        store.append_events(session, [note("fine"), store.NewEvent(kind, body)])
    assert caught.value.index == 1
    assert where in caught.value.where
    assert seqs(session) == [1]


def test_limits(session: str, recording: str, settings: Any) -> None:
    settings.CLAWWEB_MAX_BATCH = 2
    settings.CLAWWEB_MAX_EVENT_BYTES = 1000
    with pytest.raises(store.LimitExceeded, match="events in a batch: 3 is more than the limit of 2"):
        store.append_events(session, [note("a"), note("b"), note("c")])
    with pytest.raises(store.LimitExceeded, match="bytes of an event"):
        store.append_events(session, [note("x" * 1000)])
    with pytest.raises(store.LimitExceeded, match="client_event_id"):
        store.append_events(session, [note("a", "i" * 201)])
    with pytest.raises(store.LimitExceeded, match="records in a batch"):
        store.append_records(recording, [store.NewRecord(str(i), b"{}") for i in range(3)])
    assert seqs(session) == [1]


def test_ids_hold_no_control_characters(session: str) -> None:
    for key in ("", "a\x00", "a\ud800", "a\u202e", "a\nb"):
        with pytest.raises(store.BadEvent, match="client_event_id"):
            store.append_events(session, [note("a", key)])


def test_an_unknown_session_is_refused() -> None:
    for name in ("not a uuid", "7b5e5d4e-0000-4000-8000-000000000000"):
        with pytest.raises(store.UnknownSession):
            store.append_events(name, [note("a")])
        assert store.session_row(name) is None


def test_hostile_text_survives_in_the_log_and_is_safe_beside_it(session: str) -> None:
    what = "nul \x00 half \ud800 <script> \u202e"
    store.append_events(
        session, [store.NewEvent("noted", {"what": what}, at="now\x00\x1b[0m")], actor="op\x00"
    )
    row = Event.objects.get(session_id=session, seq=2)
    assert json.loads(unpack(row.body))["what"] == what
    assert (row.at, row.actor) == ("now␀␛[0m", "op␀")


def test_records_are_numbered_and_known_by_their_key(recording: str) -> None:
    one, two = (
        store.NewRecord("s@0", b'{"a":1}', "f.jsonl", 0),
        store.NewRecord("s@8", b'{"b":2}', "f.jsonl", 8),
    )
    assert store.append_records(recording, [one, two]) == store.AppendedRecords(1, 2, 0)
    assert store.append_records(recording, [two, one]) == store.AppendedRecords(3, 0, 2)
    changed = store.NewRecord("s@0", b"other")
    assert store.append_records(recording, [changed]) == store.AppendedRecords(3, 0, 1, 1)
    row = store.session_row(recording)
    assert row is not None
    assert (row.record_count, row.record_bytes, row.pending) == (2, 14, 2)
    assert [unpack(r.raw) for r in Record.objects.order_by("n")] == [b'{"a":1}', b'{"b":2}']


def test_an_over_long_record_keeps_head_length_and_hash(recording: str, settings: Any) -> None:
    settings.CLAWWEB_MAX_RECORD_BYTES = 10
    raw = b"0123456789abcdef"
    head = store.NewRecord("k2", b"0123", length=99, sha256="0" * 64)
    store.append_records(recording, [store.NewRecord("k", raw), head])
    first, second = Record.objects.order_by("n")
    assert (unpack(first.raw), first.length, first.truncated) == (raw[:10], 16, True)
    assert first.sha256 == hashlib.sha256(raw).hexdigest()
    assert (unpack(second.raw), second.length, second.truncated) == (b"0123", 99, True)


def test_records_need_an_adapter(session: str) -> None:
    with pytest.raises(store.NoAdapter):
        store.append_records(session, [store.NewRecord("k", b"{}")])
