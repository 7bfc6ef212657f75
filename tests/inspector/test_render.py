"""What a browser lacks, and nothing else, is sent."""

from __future__ import annotations

import re
import threading

from hypothesis import given
from hypothesis import strategies as st

from inspector.render import Fragments, Kept, Known, partial

ids = st.lists(st.integers(0, 30), unique=True, max_size=12)


def rows(numbers: list[int], version: dict[int, int] | None = None) -> Fragments:
    items = [(f"r{n}", f'<tr id="r{n}">{(version or {}).get(n, 0)}</tr>') for n in numbers]
    return Fragments(1, 1, {}, {"rows": items})


def apply(browser: list[str], message: str) -> list[str]:
    """What htmx does with the message: targets are found before anything is moved, as in its source."""
    partials = re.findall(r'<hx-partial hx-target="#(\w+)" hx-swap="(\w+)">(.*?)</hx-partial>', message, re.S)
    for target, swap, content in partials:
        found = re.findall(r"<tr.*?</tr>", content)
        if target == "rows":
            browser = found if swap == "innerMorph" else [*found, *browser]
            continue
        at = next(i for i, row in enumerate(browser) if f'id="{target}"' in row)
        if swap == "delete":
            del browser[at]
        elif swap == "outerMorph":
            browser[at] = found[0]
        else:
            assert swap == "afterend"
            browser[at + 1 : at + 1] = found
    return browser


@given(ids, ids, st.sets(st.integers(0, 30)))
def test_any_change_of_the_table_arrives(before: list[int], after: list[int], touched: set[int]) -> None:
    """Inserted, removed, moved and changed rows: afterwards the browser has the new table."""
    known = Known()
    browser = apply([], known.update(rows(before)))
    new = rows(after, dict.fromkeys(touched, 7))
    browser = apply(browser, known.update(new))
    assert browser == [content for _, content in new.lists["rows"]]
    assert known.update(new) == ""


def test_a_target_that_htmx_looks_up_is_there_before_the_message() -> None:
    """htmx finds all targets before it swaps: a run of new rows hangs on a row that the browser had."""
    known = Known()
    known.update(rows([1, 2]))
    message = known.update(rows([1, 5, 6, 2, 7]))
    assert re.findall(r'hx-target="#(\w+)" hx-swap="(\w+)"', message) == [
        ("r1", "afterend"),
        ("r2", "afterend"),
    ]


def test_the_ledger_grows_at_its_head_and_keeps_what_was_loaded() -> None:
    """Lines that leave the window are not taken away."""
    known = Known()
    known.update(Fragments(1, 1, {}, {"lines": [("l2", "<li id=l2></li>"), ("l1", "<li id=l1></li>")]}))
    message = known.update(
        Fragments(2, 1, {}, {"lines": [("l3", "<li id=l3></li>"), ("l2", "<li id=l2></li>")]})
    )
    assert message == '<hx-partial hx-target="#lines" hx-swap="afterbegin"><li id=l3></li></hx-partial>'


def test_a_line_that_grew_comes_to_the_front() -> None:
    """The others stay; what grew is taken from its place."""
    known = Known()
    items = [("l3", "c"), ("l2", "b"), ("l1", "a")]
    known.update(Fragments(1, 1, {}, {"lines": items}))
    message = known.update(
        Fragments(2, 1, {}, {"lines": [("l4", "d"), ("l2", "b+"), ("l3", "c"), ("l1", "a")]})
    )
    assert message == partial("l2", "delete") + partial("lines", "afterbegin", "db+")
    assert known.update(Fragments(3, 1, {}, {"lines": [("l4", "d"), ("l2", "b+"), ("l3", "c")]})) == ""


def test_a_panel_is_sent_when_it_changed() -> None:
    known = Known()
    known.take(Fragments(1, 1, {"head": "a"}))
    assert known.update(Fragments(1, 1, {"head": "a"})) == ""
    assert 'hx-target="#head"' in known.update(Fragments(2, 1, {"head": "b"}))
    known.forget(Fragments(2, 1, {"head": "b"}))
    assert 'hx-target="#head"' in known.update(Fragments(2, 1, {"head": "b"}))


def test_two_who_ask_for_the_same_make_it_once() -> None:
    """And the cache stays within its size."""
    kept: Kept[int] = Kept(2)
    made: list[int] = []
    gate = threading.Event()

    def make() -> int:
        gate.wait(5)
        made.append(1)
        return 42

    askers = [threading.Thread(target=kept.get, args=("k", make)) for _ in range(4)]
    for asker in askers:
        asker.start()
    gate.set()
    for asker in askers:
        asker.join(5)
    assert made == [1]
    for n in range(5):
        kept.get(n, lambda: 0)
    assert kept.get("k", lambda: 7) == 7
