"""Bad input through the real entrances: ``manage.py watch``, and records and events of the HTTP API.

Each line of the tables below stands among good ones. Nothing of it is lost (the bytes are kept), what is
wrong is said with its place, and the good ones are folded as if it were not there.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from memory import store
from memory.models import Record, Session
from memory.store import cache
from memory.store.pack import unpack
from tests.inspector.api_support import Api, fold, page
from tests.memory.test_watch import GOOD, result, user

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "ANSI codes": "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "NUL": "a\x00b",
    "lone surrogate": "half \ud83d of a pair",
    "right to left": "\u202eevil\u202c \u2066iso\u2069 \u200f",
    "line separators": "a\u2028b\u2029c\x85d\x0ce",
    "5 MB on one line": "z" * 5_000_000,
}

#: name → (the line, what is said of it: "" if it can be read, "unknown", or a part of the problem)
LINES: dict[str, tuple[bytes, str]] = {
    "a line cut in half": (GOOD[2][:60], "no JSON"),
    "two objects on one line": (b'{"type":"x-1"} {"type":"x-2"}', "unknown"),
    "one object and a half": (user(9, "whole") + GOOD[2][:60], "no JSON"),
    "an unknown record type": (b'{"type":"of-tomorrow","x":[1]}', "unknown"),
    "not an object": (b"[1, 2]", "unknown"),
    "binary": (bytes(b for b in range(256) if b != 10), "not UTF-8"),
    "only NULs": (b"\0" * 5000, "no JSON"),
    "nested too deep": (b'{"type":' * 100_000, "nested"),
    "a number of 5,000 digits": (b'{"type":"user","x":' + b"9" * 5000 + b"}", "no JSON"),
    "the same uuid with another body": (GOOD[0].replace(b"Hello", b"Other"), ""),
    "a result without its call": (result(9, 77, "nobody asked"), ""),
    "raw surrogate bytes": (user(9, "x").replace(b'"x"', b'"\xed\xa0\x80"'), "not UTF-8"),
    **{f"text: {name}": (user(9, text), "") for name, text in HOSTILE.items()},
}


@pytest.fixture(autouse=True)
def cold() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def by_watch(lines: list[bytes], tmp_path: Path) -> str:
    path = tmp_path / "sess-1.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    out = io.StringIO()
    call_command("watch", str(path), "--drain", stdout=out, stderr=out, skip_checks=True)
    return out.getvalue()


def _recording() -> tuple[Api, str]:
    api = Api("default")
    path = api.session("sess-1", mode="observed", adapter="claude-code", harness="claude-code")
    return api, path


def _report(api: Api, path: str) -> str:
    info = api.get(path)
    said = [f"{info['unknown_records']} unknown, {info['broken_records']} broken"]
    return "\n".join(said + [item["problem"] for item in api.get(f"{path}/records/problems")["items"]])


def by_lines(lines: list[bytes], tmp_path: Path) -> str:
    api, path = _recording()
    status, answer = api.call(
        "POST", f"{path}/records?source=f&offset=0", b"\n".join(lines), "application/x-ndjson"
    )
    assert status == 200, answer
    fold(path)
    return _report(api, path)


def by_records(lines: list[bytes], tmp_path: Path) -> str:
    api, path = _recording()
    records = [
        {"record_key": str(n), "raw_base64": base64.b64encode(line).decode()} for n, line in enumerate(lines)
    ]
    api.post(f"{path}/records", {"records": records})
    fold(path)
    return _report(api, path)


Entrance = Callable[[list[bytes], Path], str]


@pytest.mark.django_db
@pytest.mark.parametrize("entrance", [by_watch, by_lines, by_records])
@pytest.mark.parametrize("name", LINES)
def test_a_bad_line_among_good_ones(entrance: Entrance, name: str, tmp_path: Path) -> None:
    line, problem = LINES[name]
    lines = [GOOD[0], line, *GOOD[1:]]
    said = entrance(lines, tmp_path)
    broken, unknown = int(problem not in ("", "unknown")), int(problem == "unknown")
    assert f"{unknown} unknown, {broken} broken" in said
    if broken:
        assert problem in said
    kept = [unpack(row.raw) for row in Record.objects.order_by("n")]
    assert kept == lines
    row = store.session_row(str(Session.objects.get().pk))
    assert row is not None
    assert (row.pending, row.turn, row.record_count) == (0, 2, 5)
    assert row.view is not None and row.view.rejected_events == 0
    entrance(lines, tmp_path)
    assert store.session_row(row.id) == row  # a second time adds nothing
    _everything_reads(row.id)


def _everything_reads(session_id: str) -> None:
    """All that the API shows of a session comes back as JSON, whatever stands in it."""
    api = Api("default", "viewer")
    for rest in ("", "/pages", "/faults", "/turns", "/acts"):
        api.get(f"/sessions/{session_id}{rest}")
    for item in api.get(f"/sessions/{session_id}/pages?limit=1000")["items"]:
        api.get(f"/sessions/{session_id}/pages/{item['page_id']}")
    for side in ("primary", "shadow"):
        for line in store.trace_lines(session_id, side):
            json.loads(line)


# -- events


def demand(page_id: str) -> dict[str, Any]:
    return {"kind": "demand_observed", "body": {"page_id": page_id, "fidelity": "full", "rule": "r"}}


def declared(page_id: str) -> dict[str, Any]:
    return {"kind": "demand_declared", "body": {"page_id": page_id, "fidelity": "full", "rule": "r"}}


def returned(call_id: str, page_id: str | None = None) -> dict[str, Any]:
    return {"kind": "tool_returned", "body": {"call_id": call_id, "page_id": page_id}}


#: name → (events sent after a good page and a prompt, a part of the reason for which one of them is rejected)
EVENTS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "a page that does not exist": ([demand("nowhere")], "nowhere"),
    "a page is retired twice": ([{"kind": "page_retired", "body": {"page_id": "good"}}] * 2, ""),
    "a page is created twice": ([page("good", "other text")], "good"),
    "a result without its call": ([returned("c9")], ""),
    "a result before its call": (
        [returned("c1"), {"kind": "tool_called", "body": {"call_id": "c1", "tool": "Read", "args": {}}}],
        "",
    ),
    "an answer to a prompt that never was": (
        [{"kind": "model_answered", "body": {"request_id": "no"}}],
        "no",
    ),
    "a prompt of another mode": ([{"kind": "prompt_observed", "body": {"request_id": "o"}}], "enforced"),
    "a second start": ([{"kind": "session_started", "body": {"harness": "x", "mode": "enforced"}}], ""),
    "an update of a page that is to come": (
        [{"kind": "page_updated", "body": {"page_id": "late", "text": "x"}}, page("late")],
        "late",
    ),
    **{f"text: {name}": ([page("hostile", text)], "") for name, text in HOSTILE.items()},
    **{f"title: {name}": ([page("hostile", title=text[:900])], "") for name, text in HOSTILE.items()},
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", EVENTS)
def test_bad_events_among_good_ones(name: str) -> None:
    events, why = EVENTS[name]
    api = Api("default")
    path = api.session()
    api.post(f"{path}/events", {"events": [page("good")]})
    ask(api, path, "r1")
    api.post(f"{path}/events", {"events": events})
    api.post(f"{path}/events", {"events": [page("after")]})
    prompt = ask(api, path, "r2")
    info = api.get(path)
    assert (info["pending"], info["turn"], info["last_seq"]) == (0, 2, 5 + len(events))
    assert "after" in [section["page_id"] for section in prompt["sections"]]
    rejected = api.get(f"{path}/faults?kind=rejected")["items"]
    assert len(rejected) == info["view"]["rejected_events"]
    if why:
        (line,) = rejected
        assert why in line["data"]["why"] and line["sentence"]
    _everything_reads(path.split("/")[2])


def ask(api: Api, path: str, request_id: str) -> dict[str, Any]:
    api.call("POST", f"{path}/prompts", {"request_id": request_id, "wait_ms": 0})
    fold(path)
    answer: dict[str, Any] = api.post(f"{path}/prompts", {"request_id": request_id, "wait_ms": 0})
    return answer


@pytest.mark.django_db
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_reaches_the_prompt_as_it_was_written(name: str) -> None:
    api = Api("default")
    path = api.session(budget=10_000_000)
    api.post(f"{path}/events", {"events": [page("hostile", HOSTILE[name]), declared("hostile")]})
    (section,) = ask(api, path, "r1")["sections"]
    assert section["text"] == HOSTILE[name]


@pytest.mark.django_db
def test_a_budget_below_the_floor_says_by_how_much_and_because_of_which_pages() -> None:
    api = Api("default")
    path = api.session(budget=40)
    rules = [page(f"rule-{n}", f"Never break rule {n}. " * 30, type="constraint") for n in range(3)]
    api.post(f"{path}/events", {"events": [*rules, page("evidence")]})
    prompt = ask(api, path, "r1")
    view = api.get(path)["view"]["primary"]
    assert view["budget"] == 40
    assert view["insufficient_by"] == view["required_tokens"] - 40 > 0
    (turn,) = api.get(f"{path}/turns")["items"]
    assert turn["numbers"]["insufficient_by"] == view["insufficient_by"]
    kept = [section["page_id"] for section in prompt["sections"]]
    lost = [f"rule-{n}" for n in range(3) if f"rule-{n}" not in kept]
    told = api.get(f"{path}/faults")["items"]
    assert lost and {line["page_id"] for line in told if line["fault_class"] == "insufficient"} >= set(lost)


@pytest.mark.django_db
def test_two_people_act_on_one_page_at_once() -> None:
    """Both acts are kept in the order of the log; the later one, made on the same screen, sees the first."""
    ada, bob = Api("default"), Api("default")
    path = ada.session()
    ada.post(f"{path}/events", {"events": [page("wanted")]})
    ask(ada, path, "r1")
    seen = ada.get(path)["applied_seq"]
    pin = {"act": "pin", "page_ids": ["wanted"], "based_on_seq": seen, "client_event_id": "ada-1"}
    demote = {"act": "demote", "page_ids": ["wanted"], "cap": "pointer", "based_on_seq": seen}
    first = ada.post(f"{path}/acts", pin)
    second = bob.post(f"{path}/acts", {**demote, "client_event_id": "bob-1"})
    assert (first["seq"] + 1, first["state"], second["state"]) == (second["seq"], "pending", "pending")
    fold(path)
    acts = ada.get(f"{path}/acts")["items"]
    assert [act["seq"] for act in acts] == [second["seq"], first["seq"]]
    assert all(act["state"] in ("applied", "refused") and act["page_ids"] == ["wanted"] for act in acts)
    lines = ada.get(f"{path}/faults?kind=act")["items"]
    (told,) = [line for line in lines if line["data"]["act_seq"] == second["seq"]]
    assert told["data"]["newer"] == [first["seq"]]


@pytest.mark.django_db
def test_nothing_of_a_refused_batch_is_written() -> None:
    api = Api("default")
    path = api.session()
    for bad in ({"kind": "magic", "body": {}}, {**page("b"), "client_event_id": "\x00"}):
        error = api.refused("POST", f"{path}/events", {"events": [page("a"), bad]}, status=422)
        assert error["message"] and error["how"] and error["items"][0]["index"] == 1
    status, answer = api.call("POST", f"{path}/events", b'{"events": [{"kind": "noted"')
    assert (status, "line 1, column" in answer["error"]["message"]) == (400, True)
    assert api.get(path)["last_seq"] == 1
