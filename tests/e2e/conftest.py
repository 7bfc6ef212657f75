"""A running installation with an agent that we lead by hand, and a browser that watches it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from memory.client import ClawWeb, Session, event
from tests.conftest import LiveSite

RULE = "Never push with force.\nAlways run the tests first."
FILE = "def handler(request):\n    return request.user\n" * 40


@dataclass
class Agent:
    """An enforced session: ``turn`` asks for the next prompt, as its harness would."""

    session: Session
    turns: int = 0

    @property
    def path(self) -> str:
        return f"/sessions/{self.session.id}/"

    def page(self, page_id: str, kind: str, text: str, title: str = "", **more: Any) -> None:
        page = {
            "page_id": page_id,
            "type": kind,
            "title": title or page_id,
            "provenance": {"kind": "file", "ref": f"{page_id}.txt"},
            "text": text,
            **more,
        }
        self.session.append([event("page_created", page=page)])

    def turn(self) -> str:
        """One turn; the prompt's text."""
        self.turns += 1
        prompt = self.session.prompt(f"p{self.turns}", 100)
        self.session.answered(f"p{self.turns}", prompt)  # its hash is the receipt's proof
        return "".join(section.text for section in prompt.sections)


@dataclass
class Stage:
    server: LiveSite
    claw: ClawWeb
    errors: list[str] = field(default_factory=list)
    server_away: bool = False  # a test killed it: the browser may say so

    def agent(self, key: str, *, name: str = "", budget: int = 4_000) -> Agent:
        session = self.claw.session(
            key,
            name=name or key,
            harness="test-agent",
            mode="enforced",
            started={"window": 8_000, "window_source": "configured", "budget": budget},
        )
        return Agent(session)

    def watch(self, page: Any) -> None:
        """Keeps what the browser complains about: script errors, refused styles and scripts, warnings."""

        def heard(message: Any) -> None:
            signs = ("WebSocket connection", "ERR_CONNECTION_REFUSED", "htmx:ws:error")
            lost = self.server_away and any(sign in message.text for sign in signs)
            if message.type in ("error", "warning") and not lost:
                self.errors.append(message.text)

        page.on("console", heard)
        page.on("pageerror", lambda error: self.errors.append(str(error)))


@pytest.fixture
def stage(live_site: Callable[..., LiveSite]) -> Iterator[Stage]:
    server = live_site()
    token = server.site.manage("token", "create", "e2e").strip().splitlines()[-1]
    with ClawWeb(server.url, token, retry_for_s=20) as claw:
        yield Stage(server, claw)


@pytest.fixture
def open_page(stage: Stage, signed_in: Callable[..., Any]) -> Callable[..., Any]:
    """A factory of browser pages at a path; what the browser complains about is in ``stage.errors``."""

    def make(path: str, **options: Any) -> Any:
        page = signed_in(stage.server, **options).new_page()
        stage.watch(page)
        page.goto(path)
        page.wait_for_selector("body[data-connected]")
        return page

    return make
