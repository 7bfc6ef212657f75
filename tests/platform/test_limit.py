"""Bodies over the limit are refused before they are read to their end, in the API's envelope; so is what
fails before any view.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client

from clawweb.limit import BodyLimit, Message

LIMIT = 1000


async def run(
    parts: list[bytes], *, length: int | None = None, path: str = "/api/v1/x"
) -> tuple[list[int], list[Message], int]:
    """What an application behind the limit read of each part, what was sent, how many parts were taken."""
    read: list[int] = []
    sent: list[Message] = []
    left = list(parts)

    async def app(scope: Message, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            read.append(len(message["body"]))
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"fine"})

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    scope = {"type": "http", "path": path, "headers": headers}
    await BodyLimit(app, LIMIT)(scope, receive, send)
    return read, sent, len(parts) - len(left)


async def test_a_body_of_the_limit_passes() -> None:
    read, sent, _ = await run([b"x" * 600, b"y" * 400])
    assert (read, sent[0]["status"]) == ([600, 400], 200)


async def test_one_byte_more_does_not_reach_the_application() -> None:
    read, sent, taken = await run([b"x" * 600, b"y" * 400, b"z", b"w" * 5000])
    assert (read, sent[0]["status"]) == ([600, 400], 413)
    assert taken == 4  # the sender may finish; what it sends is dropped
    error = json.loads(sent[1]["body"])["error"]
    assert (error["code"], error["limit"], error["got"]) == ("too_large", LIMIT, None)
    assert dict(sent[0]["headers"])[b"connection"] == b"close"


async def test_an_announced_length_is_enough() -> None:
    read, sent, _ = await run([b"x" * 1001], length=1001)
    assert (read, sent[0]["status"]) == ([], 413)
    assert json.loads(sent[1]["body"])["error"]["got"] == 1001


async def test_people_get_a_sentence() -> None:
    _read, sent, _ = await run([b"x" * 1001], length=1001, path="/signin/")
    assert b"the limit is 1,000" in sent[1]["body"]
    assert dict(sent[0]["headers"])[b"content-type"].startswith(b"text/plain")


def test_a_wrong_host_is_told_in_the_envelope(client: Client) -> None:
    response = client.get("/api/v1/sessions", HTTP_HOST="evil.example")
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["where"] == "Host" and "CLAWWEB_ALLOWED_HOSTS" in error["how"]
    assert "evil" not in response.content.decode()
    response = client.get("/", HTTP_HOST="evil.example")
    assert response.status_code == 400 and response["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/api/v1/sessions", "/healthz"])
def test_a_failing_middleware_is_told_in_the_envelope(
    client: Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the innermost secret")

    monkeypatch.setattr("django.middleware.common.CommonMiddleware.process_request", fail)
    client.raise_request_exception = False
    response = client.get(path)
    assert response.status_code == 500
    assert b"secret" not in response.content
    assert ("application/json" in response["Content-Type"]) == path.startswith("/api/")
    assert b"log id" in response.content


def kib(pid: int, name: str) -> int:
    """VmRSS, VmHWM of a process in KiB."""
    status = (Path("/proc") / str(pid) / "status").read_text()
    return int(status.split(f"{name}:")[1].split()[0])


@pytest.mark.integration
def test_an_endless_body_costs_a_server_nothing(live_site: Callable[..., Any]) -> None:
    server = live_site(worker=False, CLAWWEB_MAX_BODY_BYTES=str(2**24))
    before, sent = kib(server.web.pid, "VmHWM"), 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 2**30:
            sent += 2**18
            yield b" " * 2**18

    url = f"{server.url}/api/v1/sessions"
    try:
        response = httpx.post(url, content=endless(), trust_env=False, timeout=30)
        assert response.status_code == 413
    except httpx.TransportError:
        pass  # it did not listen while it sent: the connection was cut
    assert kib(server.web.pid, "VmHWM") - before < 40 * 1024
    assert httpx.get(f"{server.url}/healthz", trust_env=False).status_code == 200
