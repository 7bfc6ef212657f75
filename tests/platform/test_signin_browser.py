"""One click signs a real browser in; the API's description works under the strict policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import LiveSite

pytestmark = [pytest.mark.e2e, pytest.mark.integration]


def test_a_link_signs_in_and_the_api_docs_draw(live_site: Callable[..., LiveSite], chromium: Any) -> None:
    server = live_site(worker=False)
    context = chromium.new_context(base_url=server.url)
    page = context.new_page()
    complaints: list[str] = []
    page.on(
        "console",
        lambda message: message.type == "error" and complaints.append(f"{message.location}: {message.text}"),
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/")
    assert page.url == server.url + "/signin/"
    link = server.site.sign_in_path()
    page.goto(link)
    page.wait_for_url(server.url + "/")
    page.goto("/api/docs")
    page.wait_for_selector(".swagger-ui .opblock")
    assert complaints == []
    stranger = chromium.new_context(base_url=server.url)
    other = stranger.new_page()
    other.goto(link)
    other.wait_for_selector("[role=alert]")
    assert other.url.endswith(link)
    stranger.close()
    context.close()


def test_it_looks_right_without_scripts(live_site: Callable[..., LiveSite], chromium: Any) -> None:
    server = live_site(worker=False)
    context = chromium.new_context(base_url=server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(server.site.sign_in_path())
    page.click("button")
    page.wait_for_url(server.url + "/")
    context.close()
