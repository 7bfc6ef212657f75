"""Event posted → row changed in a real browser, one live session.

Timed from just before the HTTP request leaves the client to the moment a MutationObserver in the page
sees the new title in the row's cell. Both clocks are this machine's. Requests come one after another, each
after the last was seen.
"""

from __future__ import annotations

import time
from typing import Any

from memory.client import ClawWeb, event
from tests.bench.place import Place, place
from tests.bench.table import Figure, median, percentile, show
from tests.support.outside import CHROMIUM_FLAGS, chromium_path

PAGES = 100
WARM_UP, ROUNDS = 10, 200
# Milliseconds since the epoch at which the cell's text became the wanted one.
WATCH = """() => {
  window.seen = {};
  const look = () => {
    for (const cell of document.querySelectorAll('tr .title')) {
      const found = cell.textContent.match(/round-\\d+/);
      if (!found || found[0] in window.seen) continue;
      window.seen[found[0]] = performance.timeOrigin + performance.now();
    }
  };
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


def _page(number: int) -> dict[str, Any]:
    return {
        "page_id": f"page-{number}",
        "type": "evidence",
        "title": f"page {number}",
        "provenance": {"kind": "tool_call", "ref": f"call-{number}"},
        "text": f"result {number}\n" + "one line of a result\n" * 30,
    }


def _measure(here: Place) -> list[float]:
    """Milliseconds of each round."""
    from playwright.sync_api import sync_playwright

    here.worker()
    web = here.web()
    client = ClawWeb(web.url, here.token())
    started = {"policy": "clawvm", "budget": 20_000}
    session = client.session("bench", harness="bench", mode="enforced", started=started)
    session.append([event("page_created", page=_page(n)) for n in range(PAGES)])
    session.prompt("warm", fixed_tokens=10)
    times_ms: list[float] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_FLAGS)
        view = browser.new_page(base_url=web.url)
        view.goto("/" + here.manage("signin").strip().split("/", 3)[3])
        view.goto(f"/sessions/{session.id}/")
        view.wait_for_selector("tr .title")
        view.evaluate(WATCH)
        for number in range(WARM_UP + ROUNDS):
            name = f"round-{number}"
            text = f"{name}\n" + "one line of a result\n" * 30
            update = event("page_updated", page_id=f"page-{number % 20}", title=name, text=text, durable=True)
            posted_ms = time.time() * 1000
            session.append([update])
            view.wait_for_function("n => n in window.seen", arg=name, timeout=20_000)
            seen_ms = float(view.evaluate("n => window.seen[n]", name))
            if number >= WARM_UP:
                times_ms.append(seen_ms - posted_ms)
        browser.close()
    return times_ms


def main() -> None:
    """Prints the table."""
    with place() as here:
        times_ms = _measure(here)
    show(
        f"Live: event posted → row changed in Chromium, {ROUNDS} events, {PAGES} pages",
        [
            Figure("p50", median(times_ms), "ms", 80.0, "target"),
            Figure("p50 beside server → paint of a morph", median(times_ms), "ms", 44.0, "floor (findings)"),
            Figure("p99", percentile(times_ms, 0.99), "ms", 250.0, "target"),
            Figure("worst", max(times_ms), "ms"),
        ],
    )
