"""How the screens stand in light and dark, wide and narrow, with hostile and long text."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import FILE, RULE, Stage
from tests.e2e.test_live import until

pytestmark = [pytest.mark.e2e, pytest.mark.integration]
RESULTS = Path(__file__).resolve().parent.parent.parent / "test-results"
HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1> \x1b[31m\u202eevil\u202c \x00"
LONG = "name" * 240


def shoot(page: Any, name: str) -> None:
    """Keeps a picture for people, where asked for by CLAWWEB_SCREENSHOTS=1."""
    if os.environ.get("CLAWWEB_SCREENSHOTS") == "1":
        RESULTS.mkdir(exist_ok=True)
        page.screenshot(path=RESULTS / f"{name}.png")


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_sideways_scrolling(stage: Stage, open_page: Callable[..., Any], width: int, theme: str) -> None:
    """Whatever the data, the page is as wide as the window; nothing is refused by the security policy."""
    agent = stage.agent("look", name=HOSTILE.replace("\x00", "") + LONG[:100])
    agent.page("rules", "bootstrap", RULE, "House rules")
    agent.page("long", "evidence", LONG * 20 + FILE, LONG)
    agent.page("hostile", "evidence", HOSTILE * 50, HOSTILE)
    agent.turn()
    page = open_page("/", viewport={"width": width, "height": 900}, color_scheme=theme)
    for path, name in (("/", "list"), (agent.path, "session"), (agent.path + "?page=long", "drawer")):
        page.goto(path)
        page.wait_for_selector("body[data-connected]")
        wide, shown = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= shown, f"{name}: {wide} > {shown}"
        shoot(page, f"{name}-{theme}-{width}")
    assert page.evaluate("window.hacked") is None
    assert stage.errors == []


def test_the_theme_can_be_chosen_and_stays(stage: Stage, open_page: Callable[..., Any]) -> None:
    """The system's theme first; a chosen one outlives a reload."""
    page = open_page("/", color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.click("[data-act=theme]")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    assert page.evaluate(ground) == light
    assert until(page, "[data-theme-name]").inner_text() == "light"
    assert stage.errors == []


def test_hostile_text_is_text(stage: Stage, open_page: Callable[..., Any]) -> None:
    """Markup in titles, names, texts and reasons is shown, never run; control marks are made visible."""
    agent = stage.agent("hostile", name=HOSTILE.replace("\x00", ""))
    agent.page("p", "evidence", HOSTILE * 30, HOSTILE)
    agent.turn()
    page = open_page(agent.path + "?page=p&rep=full")
    text = until(page, "#page-text-panel").inner_text()
    assert "<script>window.hacked=1</script>" in text
    assert "\u202e" not in page.content()
    assert "\x1b" not in page.content()
    assert page.locator("#page-text-panel script, #page-text-panel img, h1 script, #rows img").count() == 0
    assert page.evaluate("window.hacked") is None
    assert stage.errors == []
