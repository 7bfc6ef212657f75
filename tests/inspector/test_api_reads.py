"""Reading over the API: pages, ledger, turns, trace; and acts with their cost and receipts."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from memory import store
from tests.inspector.api_support import Api, fold, page

pytestmark = pytest.mark.django_db

LONG = "\n".join(f"line {n}: the quick brown fox jumps over the lazy dog" for n in range(60))


@pytest.fixture
def api() -> Api:
    return Api("alpha")


@pytest.fixture
def path(api: Api) -> str:
    """Three evidence pages and a rule, two turns, in a budget that holds one long page in full."""
    path = api.session(budget=1100)
    rule = page("rules", "You must be kind.\n" * 3, type="constraint")
    api.post(f"{path}/events", {"events": [rule, *(page(f"file:/src/{n}.py", LONG) for n in range(3))]})
    for turn in (1, 2):
        ask(api, path, f"t{turn}")
    return path


def ask(api: Api, path: str, request_id: str) -> Any:
    """The prompt of a turn; the model answers with the hash of exactly these bytes."""
    status, _body = api.call("POST", f"{path}/prompts", {"request_id": request_id, "wait_ms": 0})
    assert status == 202
    fold(path)
    prompt = api.post(f"{path}/prompts", {"request_id": request_id, "wait_ms": 0})
    body = {"request_id": request_id, "prompt_sha256": api.last["X-Prompt-SHA256"]}
    api.post(f"{path}/events", {"events": [{"kind": "model_answered", "body": body}]})
    fold(path)
    return prompt


def test_pages_in_table_order_with_filters(api: Api, path: str) -> None:
    table = api.get(f"{path}/pages")
    assert [row["page_id"] for row in table["items"]] == ["rules", *(f"file:/src/{n}.py" for n in range(3))]
    assert table["total"] == 4
    assert [r["page_id"] for r in api.get(f"{path}/pages?type=constraint")["items"]] == ["rules"]
    assert [r["page_id"] for r in api.get(f"{path}/pages?pin=hard")["items"]] == ["rules"]
    assert api.get(f"{path}/pages?limit=1&offset=2")["items"][0]["page_id"] == "file:/src/1.py"
    fidelities = {row["primary"]["fidelity"] for row in table["items"]}
    assert "full" in fidelities and len(fidelities) > 1
    error = api.refused("GET", f"{path}/pages?type=magic&fidelity=9", status=422)
    assert len(error["items"]) == 2


def test_a_page_with_slashes_in_its_id(api: Api, path: str) -> None:
    shown = api.get(f"{path}/pages/file:/src/1.py")
    assert shown["page_id"] == "file:/src/1.py"
    assert shown["representations"]["full"]["text"] == LONG
    counts = {label: rep["tokens"] for label, rep in shown["representations"].items()}
    assert counts == shown["tokens"]
    assert [version["what"] for version in shown["versions"]] == ["page created"]
    api.refused("GET", f"{path}/pages/file:/src/9.py", status=404)


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse")
def test_turns_and_trace(api: Api, path: str) -> None:
    api.post(f"{path}/events", {"events": [{"kind": "session_ended", "body": {}}]})
    fold(path)
    turns = api.get(f"{path}/turns")["items"]
    assert [turn["turn"] for turn in turns] == [1, 2]
    assert all(turn["closed"] for turn in turns)
    status, lines = api.call("GET", f"{path}/trace")
    assert status == 200
    assert lines == b"".join(line + b"\n" for line in store.trace_lines(path.split("/")[2]))
    assert len([json.loads(line) for line in lines.splitlines()]) == 3


def test_the_ledger_pages_without_gap_or_double(api: Api, path: str) -> None:
    bad = [{"kind": "page_retired", "body": {"page_id": f"nothing-{n}"}} for n in range(7)]
    api.post(f"{path}/events", {"events": bad})
    fold(path)
    whole = [(row["seq"], row["idx"]) for row in api.get(f"{path}/faults?limit=1000")["items"]]
    assert len(whole) >= 7
    seen: list[tuple[int, int]] = []
    before = ""
    while True:
        window = api.get(f"{path}/faults?limit=2{before}")
        seen += [(row["seq"], row["idx"]) for row in window["items"]]
        if window["next_before_seq"] is None:
            break
        before = f"&before_seq={window['next_before_seq']}"
    assert seen == whole
    rejected = api.get(f"{path}/faults?kind=rejected")["items"]
    assert len(rejected) == 7 and all("nothing-" in row["sentence"] for row in rejected)


def test_an_acts_cost_is_told_before_it_is_sent(api: Api, path: str) -> None:
    act = {"act": "pin", "page_ids": ["file:/src/1.py"], "min_fidelity": "full"}
    before = api.get(path)["last_seq"]
    cost = api.post(f"{path}/acts", {**act, "dry_run": True})
    assert cost["allowed"] and cost["budget"] == 1100
    assert ["file:/src/1.py", "full"] in [[change[0], change[2]] for change in cost["changes"]]
    assert api.get(path)["last_seq"] == before
    refusal = api.post(
        f"{path}/acts", {"act": "demote", "page_ids": ["rules"], "cap": "pointer", "dry_run": True}
    )
    assert not refusal["allowed"] and refusal["why"]


def test_a_pin_is_applied_seen_and_undone(api: Api, path: str) -> None:
    target = "file:/src/2.py"
    act = {
        "act": "pin",
        "page_ids": [target],
        "min_fidelity": "full",
        "client_event_id": "act-1",
        "reason": "why",
    }
    status, pending = api.call("POST", f"{path}/acts", act)
    assert (status, pending["state"], pending["reach"]) == (201, "pending", "enforced")
    assert pending["actor"] == "operator:token:alpha operator"
    status, again = api.call("POST", f"{path}/acts", act)
    assert (status, again["seq"]) == (200, pending["seq"])
    fold(path)
    prompt = ask(api, path, "t3")
    section = next(s for s in prompt["sections"] if s["page_id"] == target)
    assert section["fidelity"] == "full" and section["text"] == LONG
    done = api.get(f"{path}/acts/{pending['seq']}")
    assert (done["state"], done["receipt"], done["receipt_turn"]) == ("applied", "seen", 3)

    undo = api.post(f"{path}/acts", {"act": "undo", "act_seq": pending["seq"]})
    fold(path)
    assert api.get(f"{path}/acts/{undo['seq']}")["state"] == "applied"
    assert api.get(f"{path}/acts/{pending['seq']}")["state"] == "undone"
    assert api.get(f"{path}/pages/{target}")["pin"] == "none"
    assert [a["seq"] for a in api.get(f"{path}/acts")["items"]] == [undo["seq"], pending["seq"]]


@pytest.mark.parametrize(
    ("act", "where"),
    [
        ({"act": "pin"}, "page_ids"),
        ({"act": "undo"}, "act_seq"),
        ({"act": "undo", "act_seq": 1, "page_ids": ["rules"]}, "page_ids"),
        ({"act": "demote", "page_ids": ["rules"], "pin": "hard"}, "pin"),
        ({"act": "pin", "page_ids": ["rules"], "version": 1}, "version"),
        ({"act": "explode", "page_ids": ["rules"]}, "act"),
        ({"act": "pin", "page_ids": ["rules"], "min_fidelity": 4}, "min_fidelity"),
    ],
)
def test_acts_that_make_no_sense(api: Api, path: str, act: dict[str, Any], where: str) -> None:
    assert where in api.refused("POST", f"{path}/acts", act, status=422)["where"]


def test_acts_on_unknown_pages(api: Api, path: str) -> None:
    api.refused("POST", f"{path}/acts", {"act": "pin", "page_ids": ["rules", "nope"]}, status=404)
    api.refused("GET", f"{path}/acts/9999", status=404)


class TestPrompts:
    def test_the_same_request_gives_the_same_bytes(self, api: Api, path: str) -> None:
        first = api.call("GET", f"{path}/prompts/t1") and api.last.content
        api.post(f"{path}/events", {"events": [page("late", LONG)]})
        fold(path)
        api.post(f"{path}/prompts", {"request_id": "t1", "wait_ms": 0})
        assert api.last.content == first
        assert api.last["X-Prompt-SHA256"] == hashlib.sha256(first).hexdigest()
        assert len(api.get(f"{path}/turns")["items"]) == 2

    def test_the_same_request_with_other_numbers_is_a_conflict(self, api: Api, path: str) -> None:
        body = {"request_id": "t1", "fixed_tokens": 9, "wait_ms": 0}
        assert api.refused("POST", f"{path}/prompts", body, status=409)["code"] == "event_conflict"

    def test_pending_says_when_to_come_again(self, api: Api, path: str) -> None:
        status, body = api.call("POST", f"{path}/prompts", {"request_id": "new", "wait_ms": 0})
        assert status == 202 and body["state"] == "pending" and body["seq"] > body["applied_seq"]
        assert api.last["Retry-After"] == "1"
        api.refused("GET", f"{path}/prompts/new", status=404)

    def test_a_refused_request_says_why(self, api: Api) -> None:
        path = api.session("empty", started=None)
        api.call("POST", f"{path}/prompts", {"request_id": "r", "wait_ms": 0})
        fold(path)
        error = api.refused("POST", f"{path}/prompts", {"request_id": "r", "wait_ms": 0}, status=409)
        assert error["code"] == "prompt_refused"

    def test_only_enforced_sessions_have_prompts_of_ours(self, api: Api) -> None:
        path = api.session("watched", mode="observed", adapter="claude-code")
        error = api.refused("POST", f"{path}/prompts", {"request_id": "r"}, status=409)
        assert error["code"] == "not_enforced"
