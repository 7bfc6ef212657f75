"""A person watches an agent, acts on its memory, and sees the receipt: in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from memory.client import event
from tests.e2e.conftest import DEADLINE_MS, FILE, RULE, Stage, shoot

pytestmark = [pytest.mark.e2e, pytest.mark.integration]


def until(page: Any, selector: str, words: str = "", **options: Any) -> Any:
    """Waits until an element is there that holds the words."""
    found = page.locator(selector, has_text=words) if words else page.locator(selector)
    found.first.wait_for(timeout=DEADLINE_MS, **options)
    return found.first


def test_rows_appear_and_change_while_one_looks(stage: Stage, open_page: Callable[..., Any]) -> None:
    """The list shows a new session, and its screen new pages and turns, without a reload."""
    page = open_page("/")
    agent = stage.agent("live", name="a live one")
    until(page, "#session-rows tr", "a live one")
    page.goto(agent.path)
    page.wait_for_selector("body[data-connected]")
    page.evaluate("window.sameDocument = true")
    agent.page("rules", "bootstrap", RULE, "House rules")
    row = until(page, "#rows tr", "House rules")
    assert row.locator(".chip.now").count() == 0  # not in any prompt yet
    agent.turn()
    until(page, "#rows tr:has(.chip.now)", "House rules")
    until(page, "#status", "turn 1")
    until(page, "#map .cell title", state="attached")
    for n in range(3):
        agent.page(f"note{n}", "evidence", f"note {n}", f"note {n}")
    agent.turn()
    until(page, "#rows tr:has(.chip.now)", "note 2")
    titles = [cell.strip() for cell in page.locator("#rows td.title").all_inner_texts()]
    assert titles == ["note 2", "note 1", "note 0", "House rules"]  # newest first, each once
    assert page.evaluate("window.sameDocument")
    assert stage.errors == []


def test_a_pin_goes_from_cost_to_receipt(stage: Stage, open_page: Callable[..., Any]) -> None:
    """On an enforced session: the cost before, then pending or applied, then the proof, then the undo."""
    agent = stage.agent("pinned", budget=600)
    agent.page("rules", "bootstrap", RULE)
    agent.page("file", "evidence", FILE, "handler.py")
    agent.turn()
    page = open_page(agent.path)
    until(page, "#rows tr", "handler.py").click()
    button = until(page, "#act-buttons button", "Pin…")
    assert "enforced" in button.inner_text()
    button.click()
    until(page, "#cost", "of 600 tokens")
    page.fill("#ask [name=reason]", "needed <b>now</b>")
    page.click("#ask button.first")
    until(page, "#act-log li", "pinned")
    text = agent.turn()
    assert "handler.py" in text or "def handler" in text
    log = until(page, "#act-log li", "receipt: seen in prompt 2")
    assert "<b>now</b>" in log.inner_text()
    until(page, "#rows tr:has(.pin:not(.soft-pin))", "handler.py")
    until(page, "#lines li", "receipt")
    log.locator("button", has_text="Undo").click()
    until(page, "#act-log li", "taken back")
    assert stage.errors == []


def test_an_act_that_would_break_a_floor_is_refused_before_it_is_sent(
    stage: Stage, open_page: Callable[..., Any]
) -> None:
    """What cannot be demoted says why, and cannot be sent."""
    agent = stage.agent("floor")
    agent.page("rules", "bootstrap", "One rule.", "House rules")
    agent.turn()
    page = open_page(agent.path + "?page=rules")
    until(page, "#act-buttons button", "Demote…").click()
    until(page, "#cost")
    assert page.locator("#ask option").all_inner_texts() == [
        "at most full"
    ]  # nothing below its floor is offered
    assert stage.errors == []


def test_insufficiency_says_by_how_much_and_because_of_which_pages(
    stage: Stage, open_page: Callable[..., Any]
) -> None:
    """A budget below the floor, by the API: the screen says so as it happens, and until it fits again."""
    agent = stage.agent("tight", budget=300)
    agent.page("rules", "bootstrap", RULE, "House rules")
    agent.turn()
    page = open_page(agent.path)
    until(page, "#status", "turn 1")
    assert page.locator("#head [role=alert]").count() == 0
    agent.page("long", "bootstrap", RULE * 60, "The long rules")
    agent.turn()
    notice = until(page, "#head [role=alert]", "insufficient by").inner_text()
    needed, budget = (int(n.replace(",", "")) for n in re.findall(r"needs ([\d,]+) of ([\d,]+)", notice)[0])
    assert budget == 300
    assert f"insufficient by {needed - budget:,} tokens" in notice
    assert notice.index("The long rules") < notice.index("House rules")  # the largest first
    until(page, "#map h2", "turn 2")
    until(page, "#lines li", "required set")
    assert not page.locator("#ledger-more .none").is_visible()
    shoot(page, "insufficient")
    agent.session.append([event("page_retired", page_id="long", reason="too long")])
    agent.turn()
    until(page, "#head [role=alert]", state="detached")
    assert stage.errors == []


def test_it_reconnects_and_catches_up(own_stage: Stage, opened: Callable[..., Any]) -> None:
    """The web server is killed: the screen says so, comes back by itself and shows what it missed. What one
    asked for meanwhile is no error; it comes when the server is back.
    """
    agent = own_stage.agent("lost")
    agent.page("rules", "bootstrap", RULE, "House rules")
    agent.turn()
    page = opened(own_stage, agent.path)
    page.evaluate("window.sameDocument = true")
    until(page, "#rows tr", "House rules")
    own_stage.server_away = True
    own_stage.server.web.kill()
    until(page, "#connection", "Connection lost")
    page.click("#rows tr a")
    until(page, "#connection", "No answer yet")
    own_stage.server.web.start()
    agent.page("late", "evidence", FILE, "came while away")
    agent.turn()
    until(page, "#rows tr:has(.chip.now)", "came while away")
    until(page, "#drawer h3", "House rules")
    until(page, "#status", "turn 2")
    until(page, "#connection", state="hidden")
    agent.turn()
    until(page, "#status", "turn 3")
    assert page.evaluate("window.sameDocument")
    assert own_stage.errors == []


def test_filter_sort_and_open_page_stand_in_the_address(stage: Stage, open_page: Callable[..., Any]) -> None:
    """Filters, order and the open page keep each other, survive a reload, and stay live."""
    agent = stage.agent("filter")
    agent.page("rules", "bootstrap", RULE, "House rules")
    for n in range(4):
        agent.page(f"e{n}", "evidence", f"text {n} " * (n + 1), f"evidence {n}")
    agent.turn()
    page = open_page(agent.path)
    page.fill("#filter-text", "evidence")
    until(page, "#table-bar", "4")
    page.wait_for_function("document.querySelectorAll('#rows tr').length === 4")
    page.click("th a:has-text('tokens')")
    page.wait_for_url("**sort=tokens**")
    until(page, "#rows tr", "evidence 3").click()
    until(page, "#drawer h3", "evidence 3")
    assert "text=evidence" in page.url
    assert "sort=tokens" in page.url
    agent.page("e9", "evidence", "long " * 300, "evidence 9")
    agent.page("x", "evidence", "other", "not asked for")
    agent.turn()
    until(page, "#rows tr:has(.chip.now)", "evidence 9")
    assert page.locator("#rows tr", has_text="not asked for").count() == 0
    assert page.locator("#rows tr.on").inner_text().count("evidence 3") == 1
    page.reload()
    until(page, "#drawer h3", "evidence 3")
    assert page.locator("#rows tr").count() == 5
    assert page.locator("#rows td.title").first.inner_text().strip() == "evidence 9"
    assert stage.errors == []


def test_the_keyboard_does_it_all(stage: Stage, open_page: Callable[..., Any]) -> None:
    """Rows, drawer, act, list of keys and search by keys alone."""
    agent = stage.agent("keys")
    agent.page("rules", "bootstrap", RULE, "House rules")
    agent.page("file", "evidence", FILE, "handler.py")
    agent.turn()
    page = open_page(agent.path)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    until(page, "#drawer h3", "House rules")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    until(page, "#drawer h3", "handler.py")
    page.keyboard.press("p")
    until(page, "#cost")
    page.keyboard.press("Escape")
    until(page, "#ask", state="detached")
    page.keyboard.press("Escape")
    until(page, "#drawer", "Choose a page")
    page.keyboard.press("?")
    until(page, "dialog[open]", "search")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "filter-text"
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_selector("#session-rows")
    assert stage.errors == []


def test_two_people_act_on_one_page_at_once(stage: Stage, open_page: Callable[..., Any]) -> None:
    """The second sees what the first did, and no act is lost."""
    agent = stage.agent("two")
    agent.page("file", "evidence", FILE, "handler.py")
    agent.turn()
    first, second = (open_page(agent.path + "?page=file") for _ in range(2))
    for page, act in ((first, "Pin…"), (second, "Demote…")):
        until(page, "#act-buttons button", act).click()
        until(page, "#cost")
    first.select_option("#ask select[name=choice]", "hard")  # by its floor, which leaves room for a demotion
    first.wait_for_selector("#ask button.first:not(:has-text('in full'))")
    first.click("#ask button.first")
    second.click("#ask button.first")
    for page in (first, second):
        until(page, "#act-log li", "pinned at")
        until(page, "#act-log li", "demoted at")
    agent.turn()
    for page in (first, second):
        until(page, "#status", "turn 2")
        assert page.locator("#act-log li").count() == 2
    assert stage.errors == []


def test_a_change_arrives_soon(stage: Stage, open_page: Callable[..., Any]) -> None:
    """From the post to the row in the page, within a generous limit (the benchmark measures it well)."""
    agent = stage.agent("soon")
    agent.page("p0", "evidence", "text", "page 0")
    agent.turn()
    page = open_page(agent.path)
    until(page, "#rows tr", "page 0")
    page.evaluate("""() => {
      window.seen = {};
      new MutationObserver(() => {
        for (const cell of document.querySelectorAll('#rows td.title')) {
          window.seen[cell.innerText.trim()] ??= Date.now();
        }
      }).observe(document.querySelector('#rows'), {childList: true, subtree: true});
    }""")
    took = []
    for n in range(1, 9):
        posted = time.time() * 1000
        agent.page(f"p{n}", "evidence", "text", f"page {n}")
        until(page, "#rows tr", f"page {n}")
        took.append(page.evaluate(f"window.seen['page {n}']") - posted)
    print(f"posted to row, ms: {sorted(round(t) for t in took)}")
    assert sorted(took)[len(took) // 2] < 10_000
    assert stage.errors == []
