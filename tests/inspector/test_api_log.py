"""Appending over the API: gapless, all or nothing, safe to repeat, within limits, and true to the bytes."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from memory.models import Event, Record
from memory.store.pack import unpack
from tests.inspector.api_support import Api, fold, page

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api("alpha")


@pytest.fixture
def path(api: Api) -> str:
    return api.session()


def send(api: Api, path: str, *events: dict[str, Any]) -> Any:
    return api.post(f"{path}/events", {"events": list(events)})


def test_seq_is_gapless_and_in_order(api: Api, path: str) -> None:
    answer = send(api, path, *(page(f"p{n}") for n in range(10)))
    assert [item["seq"] for item in answer["items"]] == list(range(2, 12))
    assert send(api, path, page("q"))["last_seq"] == 12


def test_repeating_a_batch_changes_nothing(api: Api, path: str) -> None:
    events = [{**page(f"p{n}"), "client_event_id": f"id-{n}"} for n in range(3)]
    first = send(api, path, *events)
    again = send(api, path, *events)
    assert [i["seq"] for i in again["items"]] == [i["seq"] for i in first["items"]]
    assert all(item["duplicate"] for item in again["items"])
    mixed = send(api, path, events[2], {**page("new"), "client_event_id": "id-new"}, events[0])
    assert [(i["seq"], i["duplicate"]) for i in mixed["items"]] == [(4, True), (5, False), (2, True)]


def test_the_same_id_with_another_body_is_a_conflict(api: Api, path: str) -> None:
    send(api, path, {**page("p"), "client_event_id": "one"})
    batch = {"events": [page("innocent"), {**page("other"), "client_event_id": "one"}]}
    error = api.refused("POST", f"{path}/events", batch, status=409)
    assert (error["code"], error["client_event_id"]) == ("event_conflict", "one")
    assert api.get(path)["last_seq"] == 2


BAD_EVENTS = [
    ("unknown kind", {"kind": "magic", "body": {}}, "kind"),
    ("missing field", {"kind": "page_retired", "body": {}}, "page_id"),
    ("unknown field", {"kind": "page_retired", "body": {"page_id": "p", "x": 1}}, "x"),
    ("wrong type", {"kind": "page_retired", "body": {"page_id": 3}}, "page_id"),
    ("body is a list", {"kind": "page_retired", "body": []}, "body"),
    ("an act", {"kind": "operator_pin", "body": {"page_ids": ["p"]}}, "kind"),
    ("a project's commit", {"kind": "project_commit", "body": {}}, "kind"),
]


@pytest.mark.parametrize(("bad", "where"), [e[1:] for e in BAD_EVENTS], ids=[e[0] for e in BAD_EVENTS])
def test_one_bad_event_refuses_the_batch(api: Api, path: str, bad: dict[str, Any], where: str) -> None:
    batch = {"events": [page("a"), page("b"), bad, page("c")]}
    error = api.refused("POST", f"{path}/events", batch, status=422)
    (item,) = error["items"]
    assert item["index"] == 2 and where in item["where"] and item["why"]
    assert api.get(path)["last_seq"] == 1


def test_limits_say_what_and_how_much(api: Api, path: str, settings: Any) -> None:
    settings.CLAWWEB_MAX_BATCH = 3
    error = api.refused("POST", f"{path}/events", {"events": [page(f"p{n}") for n in range(4)]}, status=413)
    assert (error["limit"], error["got"]) == (3, 4)
    settings.CLAWWEB_MAX_EVENT_BYTES = 500
    error = api.refused("POST", f"{path}/events", {"events": [page("p", "x" * 600)]}, status=413)
    assert error["limit"] == 500 and error["got"] > 600
    assert api.refused("POST", f"{path}/events", {"events": []}, status=422)["items"]


def test_hostile_text_comes_back_as_it_went(api: Api, path: str) -> None:
    text = "<script>alert(1)</script>\0\ud800 \u202e \x1b[31m " + "x" * 50
    send(api, path, page("hostile", text))
    fold(path)
    shown = api.get(f"{path}/pages/hostile")
    assert shown["representations"]["full"]["text"] == text
    assert b"<script>" in api.last.content and api.last["X-Content-Type-Options"] == "nosniff"


@pytest.fixture
def recorded(api: Api) -> str:
    return api.session("recorded", mode="observed", adapter="claude-code")


def raws(path: str) -> list[bytes]:
    rows = Record.objects.filter(session_id=path.split("/")[2]).order_by("n")
    return [unpack(row.raw) for row in rows]


def test_records_keep_their_bytes(api: Api, recorded: str) -> None:
    raw = b'{"type":"user"} \xff\x00'
    records = [
        {"record_key": "text", "raw": '{"a": "\ud800é"}'},
        {"record_key": "bytes", "raw_base64": base64.b64encode(raw).decode()},
    ]
    answer = api.post(f"{recorded}/records", {"records": records})
    assert answer == {"first_n": 1, "added": 2, "duplicates": 0, "changed": 0}
    assert raws(recorded) == ['{"a": "\ud800é"}'.encode("utf-8", "surrogatepass"), raw]
    again = api.post(f"{recorded}/records", {"records": [*records, {"record_key": "text", "raw": "other"}]})
    assert (again["added"], again["duplicates"], again["changed"]) == (0, 3, 1)


def test_lines_of_a_file(api: Api, recorded: str) -> None:
    data = b'{"n":1}\n\n{"n":2}\r\n{"n":2}\n'
    for added in (3, 0):
        status, answer = api.call(
            "POST", f"{recorded}/records?source=f.jsonl&offset=100", data, "application/x-ndjson"
        )
        assert (status, answer["added"]) == (200, added)
    rows = Record.objects.filter(session_id=recorded.split("/")[2]).order_by("n")
    assert [row.offset for row in rows] == [100, 109, 118]
    assert raws(recorded) == [b'{"n":1}', b'{"n":2}\r', b'{"n":2}']


@pytest.mark.parametrize(
    "record",
    [
        {"record_key": "k"},
        {"record_key": "k", "raw": "a", "raw_base64": "YQ=="},
        {"record_key": "k", "raw_base64": "not base64!"},
        {"record_key": "k", "raw": 5},
        {"record_key": "k", "raw": "{}", "length": 1},
        {"record_key": "k", "raw": "{}", "length": 9},
        {"record_key": "k", "raw": "{}", "sha256": "0" * 64},
    ],
)
def test_bad_records_name_their_index(api: Api, recorded: str, record: dict[str, Any]) -> None:
    batch = {"records": [{"record_key": "fine", "raw": "{}"}, record]}
    error = api.refused("POST", f"{recorded}/records", batch, status=422)
    assert error["items"][0]["index"] == 1
    assert raws(recorded) == []


def test_a_head_is_kept_with_the_length_and_hash_of_the_whole(api: Api, recorded: str) -> None:
    whole = b'{"type":"user"}' + b" " * 1000
    head = {"raw": whole[:20].decode(), "length": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    api.post(f"{recorded}/records", {"records": [{"record_key": "k", "offset": 7, "source": "f", **head}]})
    fold(recorded)
    row = Record.objects.get()
    assert (row.length, row.sha256, row.truncated) == (len(whole), head["sha256"], True)
    assert api.get(f"{recorded}/records/problems")["items"] == [
        {"n": 1, "source": "f", "offset": 7, "length": len(whole), "problem": row.problem}
    ]
    assert "size limit" in row.problem
    changed = {"record_key": "k", "raw": "{}"}
    assert api.post(f"{recorded}/records", {"records": [changed]})["changed"] == 1


def test_records_need_an_adapter(api: Api, path: str) -> None:
    batch = {"records": [{"record_key": "k", "raw": "{}"}]}
    assert api.refused("POST", f"{path}/records", batch, status=409)["code"] == "no_adapter"


def test_what_is_stored_is_canonical(api: Api, path: str) -> None:
    send(api, path, {"kind": "noted", "body": {"what": "é\ud800", "data": {"b": 1, "a": [1.5, None]}}})
    row = Event.objects.get(session_id=path.split("/")[2], seq=2)
    assert json.loads(unpack(row.body)) == {"what": "é\ud800", "data": {"b": 1, "a": [1.5, None]}}
    assert unpack(row.body).isascii()
