"""What the engine keeps up instead of working it out: sums, steps, metrics; against the plain computation."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.core import Event, State, decode_body, dump_state, load_state, new_state, step
from memory.core import steps as steps_module
from memory.core.pages import RULE_TYPES, Page
from memory.core.selector import differing
from memory.core.state import BLOCK, SideState
from memory.core.steps import Step, Steps
from memory.core.types import PageStatus, PageType
from tests.core.cast import Session
from tests.core.strategies import streams

Stream = list[tuple[str, dict[str, Any]]]


def events(stream: Stream) -> list[Event]:
    return [Event(seq, decode_body(kind, body)) for seq, (kind, body) in enumerate(stream, 1)]


def tokens_at(page: Page, level: int) -> int:
    """Tokens where the page would stand: the next form up that it may use, else its highest."""
    usable = [f for f in range(1, 5) if page.mask >> f & 1]
    return page.tokens[min((f for f in usable if f >= level), default=max(usable))]


def check_table(state: State) -> None:
    table = state.table
    live = [page for page in table.pages if page.status is PageStatus.LIVE]
    hard = [page for page in live if page.pin == "hard"]
    loose = [page for page in live if page.type in RULE_TYPES and page.pin != "hard"]
    assert table.hard == {page.order for page in hard}
    assert table.hard_minima == sum(tokens_at(page, page.minimum) for page in hard)
    assert table.loose_rules == sum(tokens_at(page, page.minimum) for page in loose)
    own = [page for page in live if page.own_pin == "hard"]
    own_loose = [page for page in live if page.type in RULE_TYPES and page.own_pin != "hard"]
    assert table.own_hard_minima == sum(page.tokens[page.own_served] for page in own)
    assert table.own_loose_rules == sum(page.tokens[page.own_served] for page in own_loose)


def check_side(state: State, side: SideState) -> None:
    pages = state.table.pages
    assert side.block_tokens == [sum(side.in_prompt[at : at + BLOCK]) for at in range(0, len(pages), BLOCK)]
    assert side.resident_pages == sum(1 for f in side.fidelity if f)
    by_type: dict[str, int] = {}
    for page, tokens in zip(pages, side.in_prompt, strict=True):
        by_type[page.type.value] = by_type.get(page.type.value, 0) + tokens
    assert {k: v for k, v in side.by_type.items() if v} == {k: v for k, v in by_type.items() if v}
    if side.policy.selects:
        live = [page for page in pages if page.status is PageStatus.LIVE and side.fidelity[page.order]]
        assert side.standing == sum(tokens_at(page, side.fidelity[page.order]) for page in live)
        assert side.ghosts == {
            p.order for p in pages if p.status is not PageStatus.LIVE and side.fidelity[p.order]
        }


@given(streams())
def test_sums_are_the_sums(stream: Stream) -> None:
    """After every event of any stream; and the same in a state that came from its bytes."""
    state = new_state()
    for event in events(stream):
        step(state, event)
        check_table(state)
        for side in state.sides():
            check_side(state, side)
    again = load_state(dump_state(state))
    check_table(again)
    for side, other in zip(state.sides(), again.sides(), strict=True):
        check_side(again, other)
        assert (side.touched, side.asked, side.moved) == (other.touched, other.asked, other.moved)


Shown = dict[int, tuple[int, int, int]]  # order → fidelity, text_seq, tokens


def shown(state: State, side: SideState) -> Shown:
    pages = state.table.pages
    return {o: (f, pages[o].text_seq, side.in_prompt[o]) for o, f in enumerate(side.fidelity) if f}


def plain_prefix(old: Shown, new: Shown) -> int:
    """Tokens before the first page that is not as it was; pages in table order."""
    tokens = 0
    for order in sorted({*old, *new}):
        if old.get(order, ())[:2] != new.get(order, ())[:2]:
            break
        tokens += new[order][2]
    return tokens


@given(streams())
def test_prefix_and_moved_tokens(stream: Stream) -> None:
    """By their definitions, from what each prompt of a selecting side held and who was live at it."""
    state = new_state()
    last: dict[str, tuple[Shown, set[int]]] = {}
    sums: dict[str, list[int]] = {}
    for event in events(stream):
        told = step(state, event)
        for prompt in (one for one in told if one.kind == "prompt"):
            side = next(side for side in state.sides() if side.side is prompt.side)
            if not side.policy.selects:
                continue
            new, live = shown(state, side), set(state.table.live)
            moved, prefix, resident = sums.setdefault(side.side, [0, 0, 0])
            if side.side in last:
                old, was_live = last[side.side]
                for order in live & was_live:
                    before, after = old.get(order, (0, 0, 0)), new.get(order, (0, 0, 0))
                    if before[0] != after[0]:
                        moved += max(before[2], after[2])
                assert side.prefix_tokens == plain_prefix(old, new)
                prefix += side.prefix_tokens
                resident += side.resident_tokens
            else:
                assert side.prefix_tokens == 0
            sums[side.side] = [moved, prefix, resident]
            last[side.side] = (new, live)
            totals = side.totals
            assert [totals.moved_tokens, totals.prefix_tokens_sum, totals.resident_tokens_sum] == sums[
                side.side
            ]
            assert totals.prefix_share == (prefix / resident if resident else 0.0)


def test_a_new_text_ends_the_prefix_where_it_stands() -> None:
    """Also at the same fidelity and of the same size; what did not change at all keeps all of it."""
    session = Session(budget=1000)
    for page_id in "abc":
        session.add(page_id)
    session.prompt()
    side = session.state.primary
    assert side is not None
    assert side.prefix_tokens == 0
    session.prompt()
    assert side.prefix_tokens == 300
    session.update("b", 100)
    session.prompt()
    assert (side.prefix_tokens, side.resident_tokens) == (100, 300)
    assert side.totals.moved_tokens == 0
    assert side.totals.prefix_share == 400 / 600


@given(streams())
def test_what_the_selector_is_told(stream: Stream) -> None:
    """``touched``: every live page created or changed since the last prompt; ``asked``: what the turn that
    closed last demanded.
    """
    state = new_state()
    seen: dict[int, list[Any]] = {}

    def traits(page: Page) -> list[Any]:
        return [page.text_seq, page.tokens, page.pin, page.minimum, page.cap, page.status]

    for event in events(stream):
        told = step(state, event)
        side = next((side for side in state.sides() if side.policy.selects), None)
        if side is None:
            continue
        if any(one.kind == "prompt" for one in told):
            seen = {page.order: traits(page) for page in state.table.pages}
            assert not side.touched
        changed = {page.order for page in state.table.pages if seen.get(page.order) != traits(page)}
        assert changed <= side.touched
        for turn in (one for one in told if one.kind == "turn" and one.side is side.side):
            assert [state.table.pages[order].page_id for order in side.asked] == turn.data["demanded"]
            assert all(1 <= level <= 4 for level in side.asked.values())


# --- the columns of steps ---


def table_of(count: int) -> list[Page]:
    pages = [Page(f"p{number * 7919 % count:04}", PageType.EVIDENCE, number) for number in range(count)]
    for page in pages:
        page.tokens = (0, 2, 10, 30, 90)
        page.refit()
    return pages


def steps_of(rng: random.Random, pages: list[Page]) -> list[Step]:
    """Few gains, so that many are equal."""
    found = []
    for page in pages:
        for below, fidelity in ((1, 2), (2, 3), (3, 4)):
            if rng.random() < 0.8:
                gain = rng.choice((0.0, 0.1, 0.25, 0.5, rng.random()))
                found.append((gain, page.page_id, fidelity, page.order, below, rng.randrange(1, 40)))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_steps_stay_sorted(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Coming and going in any order, across blocks that are cut in two."""
    monkeypatch.setattr(steps_module, "_BLOCK", 8)
    rng = random.Random(seed)
    pages = table_of(60)
    want, steps = [], Steps(pages)
    for one in rng.sample(every := steps_of(rng, pages), len(every)):
        steps.add(one)
        want.append(one)
        if rng.random() < 0.4:
            gone = want.pop(rng.randrange(len(want)))
            steps.remove(gone)
    assert list(steps) == sorted(want, reverse=True)
    assert list(steps.copy(pages)) == list(steps)
    assert steps.count == len(want)
    for one in want:
        steps.remove(one)
    assert list(steps) == []


@pytest.mark.parametrize("seed", range(16))
def test_a_walk_is_the_plain_walk(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Block by block, with steps weighed now between them, as one sorted list visited once."""
    monkeypatch.setattr(steps_module, "_BLOCK", 8)
    monkeypatch.setattr(steps_module, "_FEW", 0 if seed % 4 else 10**6)
    monkeypatch.setattr(steps_module, "_PART", 1 + seed % 3)
    rng = random.Random(seed)
    pages = table_of(80)
    cold, warm = steps_of(rng, pages[:50]), steps_of(rng, pages[50:])
    steps = Steps(pages)
    for one in cold:
        steps.add(one)
    for budget in (0, 1, 50, 300, 900, 5000):
        start = bytes(rng.choice((0, 1, 1, 1, 2, 3)) for _ in pages)
        plain, room = bytearray(start), budget
        for _, _, fidelity, order, below, extra in sorted(cold + warm, reverse=True):
            if plain[order] == below and extra <= room:
                plain[order], room = fidelity, room - extra
        got = bytearray(start)
        assert steps.walk(list(warm), got, budget) == room
        assert got == plain


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=200))
def test_differing(rows: list[tuple[int, int]]) -> None:
    old, new = bytearray(a for a, _ in rows), bytearray(b for _, b in rows)
    assert differing(old, new) == [at for at, (a, b) in enumerate(rows) if a != b]
