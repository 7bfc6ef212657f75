"""A running installation with an agent that we lead by hand, and a browser that watches it."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from memory.client import ClawWeb, Session, event
from tests.conftest import LiveSite, Site
from tests.support.processes import Broker, clean_env

RULE = "Never push with force.\nAlways run the tests first."
FILE = "def handler(request):\n    return request.user\n" * 40
DEADLINE_MS = 60_000  # generous: a busy machine is no failure
RESULTS = Path(__file__).resolve().parent.parent.parent / "test-results"
_numbers = itertools.count(1)


def shoot(page: Any, name: str) -> None:
    """Keeps a picture for people, where asked for by CLAWWEB_SCREENSHOTS=1."""
    if os.environ.get("CLAWWEB_SCREENSHOTS") == "1":
        RESULTS.mkdir(exist_ok=True)
        page.screenshot(path=RESULTS / f"{name}.png")


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
    signed_in: dict[str, Any]  # a browser's storage
    errors: list[str] = field(default_factory=list)
    server_away: bool = False  # a test killed it: the browser may say so

    def agent(self, key: str, *, name: str = "", budget: int = 4_000) -> Agent:
        """An agent of its own: tests share the site, never a session."""
        session = self.claw.session(
            f"{key}-{next(_numbers)}",
            name=name or key,
            harness="test-agent",
            mode="enforced",
            started={"window": 8_000, "window_source": "configured", "budget": budget},
        )
        return Agent(session)

    def watched(self, key: str, **started: Any) -> Session:
        """A session that is only read."""
        settings = {"policy": "observed", "window": 8_000, "window_source": "configured", **started}
        key = f"{key}-{next(_numbers)}"
        return self.claw.session(key, harness="test-agent", mode="observed", started=settings)

    def watch(self, page: Any) -> None:
        """Keeps what the browser complains about: script errors, refused styles and scripts, warnings."""

        def heard(message: Any) -> None:
            signs = ("WebSocket connection", "Failed to load resource: net::ERR_", "htmx:ws:error")
            lost = self.server_away and any(sign in message.text for sign in signs)
            if message.type in ("error", "warning") and not lost:
                self.errors.append(message.text)

        page.on("console", heard)
        page.on("pageerror", lambda error: self.errors.append(str(error)))


@dataclass
class Running:
    """An installation in use: its server, a client of its API, and a signed-in browser's storage."""

    server: LiveSite
    claw: ClawWeb
    signed_in: dict[str, Any]


def run(folder: Path, empty_database: Path, chromium: Any) -> Iterator[Running]:
    """One installation with web server and worker, until the generator is closed."""
    broker = Broker(folder)
    env = clean_env(CLAWWEB_DATA_DIR=str(folder), REDIS_URL=broker.url)
    site = Site(folder, env, broker, [])
    shutil.copy(empty_database, folder / "clawweb.sqlite3")
    try:
        server = LiveSite(site, site.web(), site.worker())
        token = site.manage("token", "create", "e2e").strip().splitlines()[-1]
        context = chromium.new_context(base_url=server.url)
        context.set_default_timeout(DEADLINE_MS)
        page = context.new_page()
        page.goto(site.sign_in_path())
        page.wait_for_url(server.url + "/")
        signed_in = context.storage_state()
        context.close()
        with ClawWeb(server.url, token, retry_for_s=30) as claw:
            yield Running(server, claw, signed_in)
    finally:
        for process in reversed(site.started):
            process.stop(deadline_s=3)
        broker.stop(deadline_s=3)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def running(migrated_sqlite: Path, chromium: Any) -> Iterator[Running]:
    """One for the tests of a file."""
    yield from run(Path(tempfile.mkdtemp(prefix="claw-")), migrated_sqlite, chromium)


@pytest.fixture
def stage(running: Running) -> Stage:
    return Stage(running.server, running.claw, running.signed_in)


@pytest.fixture
def own_stage(migrated_sqlite: Path, chromium: Any) -> Iterator[Stage]:
    """With an installation of its own, for a test that kills it."""
    for own in run(Path(tempfile.mkdtemp(prefix="claw-")), migrated_sqlite, chromium):
        yield Stage(own.server, own.claw, own.signed_in)


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Any]]:
    """A factory of signed-in browser pages, each in a context of its own: `opened(stage, path)`."""
    contexts: list[Any] = []

    def make(stage: Stage, path: str, **options: Any) -> Any:
        context = chromium.new_context(base_url=stage.server.url, storage_state=stage.signed_in, **options)
        context.set_default_timeout(DEADLINE_MS)
        contexts.append(context)
        page = context.new_page()
        stage.watch(page)
        page.goto(path)
        page.wait_for_selector("body[data-connected]")
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def open_page(stage: Stage, opened: Callable[..., Any]) -> Callable[..., Any]:
    """The same for the shared site; what the browser complains about is in ``stage.errors``."""
    return lambda path, **options: opened(stage, path, **options)
