"""How the screens stand in light and dark, wide and narrow, with hostile and long text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from memory.client import event
from tests.e2e.conftest import FILE, RULE, Stage, shoot
from tests.e2e.test_live import until

pytestmark = [pytest.mark.e2e, pytest.mark.integration]
HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1> \x1b[31m\u202eevil\u202c \x00"
LONG = "name" * 240


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


OVERLAPS = """() => {
  const found = [], texts = [...document.querySelectorAll('#map svg.map > text')].map((t) => [t, t.getBoundingClientRect()]);
  for (const [i, [a, ra]] of texts.entries()) {
    if (ra.left < 0 || ra.right > innerWidth) found.push('cut: ' + a.textContent.trim());
    for (const [b, rb] of texts.slice(i + 1)) {
      if (ra.left < rb.right && rb.left < ra.right && ra.top < rb.bottom - 2 && rb.top < ra.bottom - 2) {
        found.push(a.textContent.trim() + ' | ' + b.textContent.trim());
      }
    }
  }
  for (const text of document.querySelectorAll('#map svg.map svg > text:not(.fits-any), #map .plain-cell > text')) {
    const r = text.getBoundingClientRect();
    if (r.width && r.right > text.parentNode.querySelector('rect').getBoundingClientRect().right + 1) {
      found.push('cut: ' + text.textContent.trim());
    }
  }
  return found;
}"""  # noqa: E501


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("unseen", [400_000, 1_700_000])
def test_labels_under_the_map_do_not_overlap(
    stage: Stage, open_page: Callable[..., Any], width: int, unseen: int
) -> None:
    """Long numbers, a floor at the left and one at the right."""
    session = stage.watched("wide", window=2_000_000)
    rules = {"page_id": "rules", "type": "bootstrap", "provenance": {"kind": "file", "ref": "r"}}
    session.append(
        [
            event("page_created", page={**rules, "text": RULE * 2_000}),
            event("prompt_observed", request_id="o1", recorded_tokens=unseen + 30_000),
        ]
    )
    page = open_page(f"/sessions/{session.id}/", viewport={"width": width, "height": 900})
    until(page, "#map svg.map > text", "required floor")
    assert page.evaluate(OVERLAPS) == []
    shoot(page, f"labels-{unseen}-{width}")


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
