"""Live or not: what is imported long after it happened is no news; a recording that is played now is."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from clawweb.demo.replay import STARTED
from inspector.panels import sessions
from memory import store, tasks
from memory.store import cache
from memory.store.lately import happened_at
from tests.memory.cast import note
from tests.memory.test_watch import user

pytestmark = pytest.mark.django_db
OLD = "2026-01-01T00:00:05+00:00"


@pytest.fixture(autouse=True)
def project() -> Iterator[None]:
    cache.clear()
    store.ensure_project("default", "Default")
    yield
    cache.clear()


def opened(key: str = "s", **more: Any) -> str:
    given: dict[str, Any] = {"name": key, "harness": "claude-code", "mode": "observed", **more}
    row, _ = store.find_or_create_session("default", key, **given)
    return row.id


def recorded(session_id: str, *times: str) -> store.SessionRow:
    """The session after records of these times came and were folded."""
    for n, at in enumerate(times, 1):
        raw = json.dumps({**json.loads(user(n, "Hi")), "timestamp": at}).encode()
        store.append_records(session_id, [store.NewRecord(f"{n}", raw)])
    assert not row_of(session_id).live or row_of(session_id).last_seq
    while tasks.drain_now(session_id):
        pass
    return row_of(session_id)


def row_of(session_id: str) -> store.SessionRow:
    row = store.session_row(session_id)
    assert row is not None
    return row


def listed(live: bool) -> int:
    return store.list_sessions(None, live=live)[1]


def test_an_old_transcript_is_not_live_and_says_that_it_was_imported() -> None:
    row = recorded(opened(adapter="claude-code"), OLD, "2026-01-01T00:00:01Z")
    assert (row.live, listed(True), listed(False)) == (False, 0, 1)
    assert row.last_event_at == "2026-01-01T00:00:05.000+00:00"
    assert sessions.row(row)["imported"] == "imported just now"
    store.append_events(row.id, [note("looked at")], actor="operator:me")
    assert not row_of(row.id).live


def test_a_transcript_of_now_is_live() -> None:
    now = timezone.now()
    row = recorded(opened(adapter="claude-code"), OLD, (now - dt.timedelta(minutes=5)).isoformat())
    assert (row.live, listed(True)) == (True, 1)
    assert row.last_event_at == row.arrived_at
    assert sessions.row(row)["imported"] == ""


def test_a_replay_is_live_and_so_is_its_sub_agent() -> None:
    main = recorded(opened("demo-1", adapter="claude-code", started={**STARTED, **BODY}), OLD)
    child = recorded(opened("demo-1/a", adapter="claude-code", parent_key="demo-1"), OLD)
    assert (main.live, child.live) == (True, True)
    assert main.last_event_at == main.arrived_at


BODY = {"harness": "claude-code", "mode": "observed"}


def test_events_with_a_time_of_long_ago_are_an_import_too() -> None:
    session_id = opened(started={**BODY, "policy": "observed"})
    assert row_of(session_id).live
    other = opened("t")
    store.append_events(other, [store.NewEvent("noted", {"what": "x"}, at=OLD)])
    assert not row_of(other).live
    store.append_events(other, [note("without a time: of now")])
    assert row_of(other).live
    before = row_of(other).last_event_at
    store.append_events(other, [store.NewEvent("noted", {"what": "y"}, at=OLD)])
    assert row_of(other).last_event_at == before  # it never goes back


@pytest.mark.parametrize("text", ["", "yesterday", "9999-99-99", "0001-01-01T00:00:00+23:00", "2999-01-01"])
def test_a_time_that_says_nothing_counts_as_now(text: str) -> None:
    now = timezone.now()
    assert happened_at([text], now, replayed=False) == now
    assert happened_at([text, OLD], now, replayed=True) == now
