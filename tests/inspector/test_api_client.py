"""The small client: repeats what it may, never what it must not, and always the same request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from memory import client
from memory.client import ApiError, ClawWeb, PromptTimeout, Unreachable, event

SESSION = {"id": "5", "key": "k", "created": True}
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No waiting; what it would have waited."""
    waited: list[float] = []
    monkeypatch.setattr(client.time, "sleep", waited.append)
    return waited


def claw(handler: Handler, **more: Any) -> ClawWeb:
    return ClawWeb("http://claw.example", "secret", transport=httpx.MockTransport(handler), **more)


def scripted(*answers: httpx.Response | Exception) -> tuple[Handler, list[httpx.Request]]:
    """A server that gives these answers in turn; the requests that it got."""
    got: list[httpx.Request] = []
    left = list(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        got.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handle, got


def appended(*seqs: int) -> httpx.Response:
    items = [{"seq": seq, "duplicate": False} for seq in seqs]
    return httpx.Response(200, json={"items": items, "last_seq": seqs[-1]})


def test_a_lost_answer_is_asked_for_again_with_the_same_ids(pauses: list[float]) -> None:
    busy = httpx.Response(503, headers={"Retry-After": "2"})
    handler, got = scripted(
        httpx.Response(201, json=SESSION),
        httpx.ReadError("cut"),
        busy,
        httpx.ConnectError("away"),
        appended(2),
    )
    session = claw(handler).session("k", harness="h")
    assert [place.seq for place in session.append([event("noted", what="x")])] == [2]
    bodies = [request.content for request in got[1:]]
    assert len(bodies) == 4 and len(set(bodies)) == 1
    assert json.loads(bodies[0])["events"][0]["client_event_id"]
    assert all(request.headers["Authorization"] == "Bearer secret" for request in got)
    assert pauses[1] >= 2  # as Retry-After says
    assert all(pause <= client.MAX_PAUSE_S for pause in pauses)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_refusals_are_not_repeated(status: int) -> None:
    error = {"code": "c", "message": "m", "where": "w", "how": "h", "items": [{"index": 1}]}
    handler, got = scripted(httpx.Response(status, json={"error": error}))
    with pytest.raises(ApiError) as caught:
        claw(handler).session("k", harness="h")
    assert (caught.value.status, caught.value.code, caught.value.items) == (status, "c", [{"index": 1}])
    assert len(got) == 1


def test_it_gives_up_after_the_given_time() -> None:
    def away(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there")

    with pytest.raises(Unreachable, match="nobody there"):
        claw(away, retry_for_s=0.0).session("k", harness="h")


@pytest.mark.parametrize("url", ["claw.example:8765", "ftp://claw.example", ""])
def test_an_address_that_is_none_is_told_at_once(url: str, pauses: list[float]) -> None:
    with pytest.raises(Unreachable, match="protocol"):
        ClawWeb(url, "secret").session("k", harness="h")
    assert pauses == []


def test_something_else_at_the_address_is_told() -> None:
    handler, _got = scripted(httpx.Response(404, text="<html>another program</html>"))
    with pytest.raises(ApiError, match="another program"):
        claw(handler).session("k", harness="h")


def test_batches_keep_order_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_BATCH", 2)
    handler, got = scripted(httpx.Response(200, json=SESSION), appended(1, 2), appended(3, 4), appended(5))
    places = claw(handler).session("k", harness="h").append([event("noted", what=str(n)) for n in range(5)])
    assert [place.seq for place in places] == [1, 2, 3, 4, 5]
    sent = [item["body"]["what"] for request in got[1:] for item in json.loads(request.content)["events"]]
    assert sent == list("01234")


def test_large_events_go_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_BATCH_BYTES", 1000)
    handler, got = scripted(httpx.Response(200, json=SESSION), appended(1), appended(2), appended(3))
    events = [event("noted", what="x" * size) for size in (10, 2000, 10)]
    claw(handler).session("k", harness="h").append(events)
    assert len(got) == 4


def test_lone_surrogates_are_sent() -> None:
    handler, got = scripted(httpx.Response(200, json=SESSION), appended(1))
    claw(handler).session("k", harness="h").append([event("noted", what="\ud800é")])
    assert json.loads(got[1].content)["events"][0]["body"]["what"] == "\ud800é"


def prompt_body() -> bytes:
    section = {"page_id": "p", "type": "plan", "fidelity": "full", "tokens": 3, "text": "do it"}
    return json.dumps({"turn": 4, "request_id": "r", "tokens": 3, "sections": [section]}).encode()


def test_a_prompt_is_waited_for() -> None:
    body = prompt_body()
    pending = httpx.Response(202, json={"state": "pending"}, headers={"Retry-After": "1"})
    sha256 = hashlib.sha256(body).hexdigest()
    handler, got = scripted(
        httpx.Response(200, json=SESSION),
        pending,
        httpx.Response(200, content=body, headers={"X-Prompt-SHA256": sha256}),
        appended(9),
    )
    session = claw(handler).session("k", harness="h")
    prompt = session.prompt("r", 100)
    assert (prompt.turn, prompt.tokens, prompt.text, prompt.sha256) == (4, 3, "do it", sha256)
    section = prompt.section("p")
    assert section is not None and section.fidelity == "full" and prompt.section("q") is None
    asked = [json.loads(request.content) for request in got[1:3]]
    assert {(a["request_id"], a["fixed_tokens"]) for a in asked} == {("r", 100)}
    session.answered("r", prompt, usage={"input": 3})
    answered = json.loads(got[3].content)["events"][0]
    assert answered["body"]["prompt_sha256"] == sha256 and answered["client_event_id"] == "answered:r"


def test_a_prompt_that_never_comes() -> None:
    handler, _got = scripted(
        httpx.Response(200, json=SESSION), httpx.Response(202, json={"state": "pending"})
    )
    with pytest.raises(PromptTimeout):
        claw(handler).session("k", harness="h").prompt("r", deadline_s=0)


def test_damaged_bytes_are_noticed() -> None:
    damaged = httpx.Response(200, content=prompt_body(), headers={"X-Prompt-SHA256": "0" * 64})
    handler, _got = scripted(httpx.Response(200, json=SESSION), damaged)
    with pytest.raises(ApiError, match="another hash"):
        claw(handler).session("k", harness="h").prompt("r")


def test_page_ids_are_quoted() -> None:
    handler, got = scripted(httpx.Response(200, json=SESSION), httpx.Response(200, json={}))
    claw(handler).session("k", harness="h").page("file:/a b/ü?#.py")
    assert got[1].url.raw_path == b"/api/v1/sessions/5/pages/file:/a%20b/%C3%BC%3F%23.py"


def test_it_needs_no_django() -> None:
    import subprocess
    import sys

    code = "import sys, memory.client; assert not any(m.split('.')[0] == 'django' for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
