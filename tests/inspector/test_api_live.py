"""The API with everything real: server, worker, broker;
waiting for prompts, and the docs page in a browser.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from memory.client import ClawWeb, Prompt, PromptTimeout, Session, event
from tests.support.poll import poll

pytestmark = pytest.mark.integration


def connect(server: Any) -> ClawWeb:
    secret = server.site.manage("token", "create", "test").strip().splitlines()[-1]
    return ClawWeb(server.url, secret)


def start(claw: ClawWeb, key: str = "run") -> Session:
    session = claw.session(key, harness="test", started={"budget": 2000})
    where = {"kind": "import", "ref": "test"}
    pages = [
        {"page_id": f"p{n}", "type": "evidence", "text": f"page {n} " * 50, "provenance": where}
        for n in range(3)
    ]
    session.append([event("page_created", page=page) for page in pages])
    return session


def test_a_waiting_request_is_answered_as_soon_as_the_prompt_is_there(
    live_site: Callable[..., Any],
) -> None:
    claw = connect(live_site())
    session = start(claw)
    session.prompt("warm")
    took = []
    for number in range(5):
        begin = time.monotonic()
        session.prompt(f"r{number}")
        took.append(time.monotonic() - begin)
    assert min(took) < 0.5, took  # a lost wake-up would cost a second each time


def test_no_worker_means_pending_and_a_late_worker_answers_the_waiting(
    live_site: Callable[..., Any],
) -> None:
    server = live_site(worker=False)
    claw = connect(server)
    session = start(claw)
    with pytest.raises(PromptTimeout):
        session.prompt("r", deadline_s=0)
    found: list[Prompt] = []
    waiter = threading.Thread(target=lambda: found.append(session.prompt("r", deadline_s=60)))
    waiter.start()
    server.site.worker()
    waiter.join(60)
    assert found and session.prompt("r").body == found[0].body


def test_many_asking_for_one_prompt_get_one_turn(live_site: Callable[..., Any]) -> None:
    claw = connect(live_site())
    session = start(claw)
    with ThreadPoolExecutor(8) as pool:
        prompts = list(pool.map(lambda _n: session.prompt("same"), range(16)))
    assert len({prompt.body for prompt in prompts}) == 1
    assert poll(session.refresh, what="header")["turn"] == 1


def test_a_chunked_body_over_the_limit_is_refused(live_site: Callable[..., Any]) -> None:
    small = dict.fromkeys(("CLAWWEB_MAX_EVENT_BYTES", "CLAWWEB_MAX_RECORD_BYTES"), "50000")
    server = live_site(worker=False, CLAWWEB_MAX_BODY_BYTES="100000", **small)
    claw = connect(server)
    session = start(claw)

    def chunks() -> Any:
        for _ in range(50):
            yield b" " * 10_000

    headers = {"Authorization": claw._http.headers["Authorization"], "Content-Type": "application/json"}
    response = httpx.post(
        f"{server.url}/api/v1/sessions/{session.id}/events",
        content=chunks(),
        headers=headers,
        trust_env=False,
    )
    assert response.status_code == 413 and response.json()["error"]["limit"] == 100_000


@pytest.mark.e2e
def test_docs_render_offline_without_a_complaint(live_site: Callable[..., Any], chromium: Any) -> None:
    server = live_site(worker=False)
    page = chromium.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.url}/api/docs")
    page.wait_for_selector(".opblock")
    assert page.locator(".opblock").count() >= 15
    page.locator(".opblock-summary-control").first.click()
    page.wait_for_selector(".opblock-body")
    page.close()
    assert complaints == []
    assert all(url.startswith((server.url, "data:")) for url in asked), asked
