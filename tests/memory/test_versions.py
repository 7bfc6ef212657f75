"""Stored events carry their kind's version; older ones are migrated when they are read, the bytes stay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from memory import core, store
from memory.models import Event, Session
from memory.store import cache
from memory.store.drain import drain
from memory.store.log import log_events
from memory.store.pack import canonical, event_sha256, pack, unpack_json
from tests.memory.cast import STARTED, note, prompt

pytestmark = pytest.mark.django_db
OLD = {"query": "which port", "found": 0, "reason": "not indexed"}


@pytest.fixture
def session() -> Iterator[str]:
    cache.clear()
    store.ensure_project("default")
    row, _ = store.find_or_create_session(
        "default",
        "run",
        name="run",
        harness="mine",
        mode="enforced",
        started={**STARTED, "policy": "retrieval"},
    )
    store.append_events(row.id, [prompt(1)])
    yield row.id
    cache.clear()


def faults(session: str) -> list[str]:
    return [row.kind for row in store.ledger(session, side="primary") if row.kind == "silent_recall"]


def rejected(session: str) -> list[str]:
    rows = Event.objects.filter(session_id=session).exclude(rejected="").order_by("seq")
    return list(rows.values_list("rejected", flat=True))


def test_new_events_carry_the_current_version(session: str) -> None:
    store.append_events(session, [note("x"), store.NewEvent("recall", {"query": "q", "reason": "DENIED"})])
    rows = Event.objects.filter(session_id=session).order_by("seq").values_list("kind", "version")
    assert [row for row in rows if row[0] in ("noted", "recall")] == [
        ("noted", 1), ("recall", core.event_version("recall")),
    ]  # fmt: skip


def test_a_row_of_an_earlier_program_is_folded_as_it_was_meant(session: str) -> None:
    """As it stood before the column: version 1 by default. It said why, so it was no silent recall."""
    raw = canonical(OLD)
    row = Session.objects.get(pk=session)
    Event.objects.create(
        session=row, seq=row.last_seq + 1, kind="recall", body=pack(raw),
        body_sha256=event_sha256("recall", raw),
    )  # fmt: skip
    Session.objects.filter(pk=session).update(last_seq=row.last_seq + 1)
    drain(session)
    assert (faults(session), rejected(session)) == ([], [])
    kept = Event.objects.get(session_id=session, kind="recall")
    assert (unpack_json(kept.body), kept.version) == (OLD, 1)
    assert [event.body for event in log_events(session, 9) if event.body.KIND == "recall"] == [
        core.decode_body("recall", OLD, 1)
    ]
    cache.clear()  # a cold worker reads it again
    store.append_events(session, [store.NewEvent("recall", {"query": "q"})])
    drain(session)
    assert (faults(session), rejected(session)) == (["silent_recall"], [])


@pytest.mark.parametrize(
    ("version", "where"), [(None, "reason"), (2, "reason"), (3, "version"), (0, "version")]
)
def test_a_sender_says_which_version_it_writes(session: str, version: Any, where: str) -> None:
    store.append_events(session, [store.NewEvent("recall", OLD, version=1)])
    with pytest.raises(store.BadEvent) as caught:
        store.append_events(session, [store.NewEvent("recall", OLD, version=version)])
    assert caught.value.where == where
    drain(session)
    assert rejected(session) == []


def test_the_log_of_a_newer_program_is_not_misread(session: str) -> None:
    store.append_events(session, [note("x")])
    Event.objects.filter(session_id=session, kind="noted").update(version=9)
    drain(session)
    (why,) = rejected(session)
    assert why.startswith("malformed: version: noted of version 9 is newer") and "upgrade" in why
