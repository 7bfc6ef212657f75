"""Shared fixtures. The environment is set before Django reads it."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

if os.environ.get("DJANGO_SETTINGS_MODULE"):  # pytest-django has loaded them, from the user's environment
    raise pytest.UsageError("Unset DJANGO_SETTINGS_MODULE: the tests set it, after the data folder.")
_HOME = tempfile.TemporaryDirectory(prefix="claw-")  # short: unix sockets stand below it
_SWITCHES = ("CLAWWEB_EXAMPLES", "CLAWWEB_SCREENSHOTS", "CLAWWEB_UPDATE_GOLDEN")  # the tests' own
for _name in list(os.environ):
    if _name.startswith(("DATABASE_URL", "REDIS_URL", "CLAWWEB_")) and _name not in _SWITCHES:
        del os.environ[_name]
os.environ.update(
    DJANGO_SETTINGS_MODULE="clawweb.settings",
    CLAWWEB_DATA_DIR=_HOME.name,
    CLAWWEB_SECRET_KEY="tests-only",
)

import django

django.setup()

from tests.support import postgres
from tests.support.outside import CHROMIUM_FLAGS, TRACES, chromium_path
from tests.support.processes import Broker, Process, Web, Worker, clean_env, manage

_numbers = itertools.count(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """In CI everything is installed: a test that is skipped there is a failure."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but CI must run everything: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    """The same for a whole file that skips itself."""
    report = yield
    if os.environ.get("CI") and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, but CI must run everything: {report.longrepr}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests go last; tests on recorded sessions run where the recordings are.

    Playwright's event loop stands in this thread as long as its browser does: Django's ORM and pytest-asyncio
    refuse to run beside it. Browser tests therefore keep their databases in other processes (`live_site`).
    """
    items.sort(key=lambda item: "chromium" in getattr(item, "fixturenames", ()))
    if not TRACES.is_dir():
        for item in items:
            if item.get_closest_marker("traces"):
                item.add_marker(pytest.mark.skip(reason=f"no recorded sessions in {TRACES}"))


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A new folder with a short path: unix sockets fit below it (pytest's tmp_path is too long)."""
    folder = Path(tempfile.mkdtemp(prefix="claw-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def traces() -> Path:
    """The folder of the recorded sessions; use it with the marker `traces`."""
    return TRACES


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A real Valkey server for the whole run. Who kills it uses one of its own: `Broker(data_dir)`."""
    folder = Path(tempfile.mkdtemp(prefix="claw-"))
    server = Broker(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[str]:
    """The maintenance URL of a real PostgreSQL; skips with the reason when there is none."""
    folder = Path(tempfile.mkdtemp(prefix="claw-"))
    yield from postgres.cluster(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_cluster: str) -> str:
    """The URL of a new, empty PostgreSQL database."""
    return postgres.new_database(postgres_cluster, f"t{next(_numbers)}")


@dataclass
class Site:
    """One installation for real processes: a folder, a migrated database and a broker."""

    folder: Path
    env: dict[str, str]
    broker: Broker
    started: list[Process]

    def manage(self, *words: str) -> str:
        """Runs a management command in this installation; returns what it printed."""
        return manage(self.env, *words)

    def worker(self, name: str = "worker", *options: str) -> Worker:
        """Starts a real Celery worker and waits until it is ready."""
        return self._keep(Worker(self.env, self.folder, name, *options))

    def web(self) -> Web:
        """Starts a real web server and waits until it answers."""
        return self._keep(Web(self.env, self.folder))

    def sign_in_path(self) -> str:
        """The path of a new one-time sign-in link."""
        return "/" + self.manage("signin").strip().split("/", 3)[3]

    def _keep(self, process: Any) -> Any:
        self.started.append(process)
        return process


@pytest.fixture(scope="session")
def migrated_sqlite() -> Iterator[Path]:
    """An empty database with every table, made once and copied: migrating takes seconds."""
    folder = Path(tempfile.mkdtemp(prefix="claw-"))
    manage(clean_env(CLAWWEB_DATA_DIR=str(folder)), "migrate", "-v", "0", "--skip-checks")
    yield folder / "clawweb.sqlite3"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_site(data_dir: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Site]]:
    """A factory of installations: `make_site()`, `make_site(DATABASE_URL=…)`. Its broker may be killed."""
    sites: list[Site] = []

    def make(**changes: str) -> Site:
        folder = data_dir / str(len(sites))
        folder.mkdir()
        own = Broker(folder)
        env = clean_env(CLAWWEB_DATA_DIR=str(folder), REDIS_URL=own.url, **changes)
        site = Site(folder, env, own, [])
        sites.append(site)
        if "DATABASE_URL" in changes:
            site.manage("migrate", "-v", "0", "--skip-checks")
        else:
            shutil.copy(request.getfixturevalue("migrated_sqlite"), folder / "clawweb.sqlite3")
        return site

    yield make
    for site in sites:
        for process in reversed(site.started):
            process.stop(deadline_s=3)
        site.broker.stop(deadline_s=3)


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """One installation on SQLite, with nothing running but its broker."""
    return make_site()


@dataclass
class LiveSite:
    """A running web server and worker; `url` has no slash at its end."""

    site: Site
    web: Web
    worker: Worker | None

    @property
    def url(self) -> str:
        return self.web.url


@pytest.fixture
def live_site(make_site: Callable[..., Site]) -> Callable[..., LiveSite]:
    """A factory of running installations: `live_site()`, `live_site(worker=False, DATABASE_URL=…)`.

    Not named live_server: pytest-django gives that name a database in this process.
    """

    def make(*, worker: bool = True, **changes: str) -> LiveSite:
        new = make_site(**changes)
        return LiveSite(new, new.web(), new.worker() if worker else None)

    return make


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A real Chromium (Playwright's synchronous Browser); every test makes contexts of its own."""
    from playwright.sync_api import sync_playwright

    path = chromium_path()
    if path is None:
        pytest.skip("Chromium is not installed; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def signed_in(chromium: Any) -> Iterator[Callable[..., Any]]:
    """A factory of browser contexts that followed a sign-in link: `context = signed_in(server)`."""
    contexts: list[Any] = []

    def make(server: LiveSite, **options: Any) -> Any:
        context = chromium.new_context(base_url=server.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.goto(server.site.sign_in_path())
        page.wait_for_url(server.url + "/")
        page.close()
        return context

    yield make
    for context in contexts:
        context.close()
