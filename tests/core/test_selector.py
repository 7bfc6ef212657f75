"""Selection: the real selector against the plain one, and the rules of section 4 one by one."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.core.codec import decode_body
from memory.core.needs import need_of, required_pages
from memory.core.page_table import PageTable
from memory.core.pages import Page
from memory.core.policies import POLICIES
from memory.core.selector import SelectionIndex
from memory.core.state import SideState
from memory.core.trace import close_turn
from memory.core.types import ChangeReason, Side
from tests.core import oracle_selector
from tests.core.cast import Session, of
from tests.core.strategies import specs


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.lists(st.sampled_from("abcdefghijkl"), unique=True, max_size=12))
    return [draw(specs(name)) for name in names]


def build(rows: list[dict[str, Any]]) -> PageTable:
    table = PageTable()
    for row in rows:
        spec = decode_body("page_created", {"page": row}).page  # type: ignore[union-attr]
        table.add(Page.from_spec(spec, len(table.pages), len(table.pages) + 1))
    return table


@given(
    rows=tables(),
    name=st.sampled_from(["retrieval", "retrieval_cached", "compaction_hybrid", "lru", "clawvm"]),
    budget=st.integers(0, 400),
    first=st.booleans(),
    data=st.data(),
)
def test_same_choice_as_the_plain_selector(
    rows: list[dict[str, Any]], name: str, budget: int, first: bool, data: st.DataObject
) -> None:
    """Same fidelities, tokens and unmet pages, whatever the table, policy, budget, demands and recency."""
    table, policy = build(rows), POLICIES[name]
    orders = range(len(rows))
    hot = {i: data.draw(st.floats(0.001, 3)) for i in orders if data.draw(st.booleans())}
    declared = {i: data.draw(st.integers(1, 4)) for i in orders if data.draw(st.booleans())}
    plain = [
        {
            "id": page.page_id, "type": page.type.value, "pin": page.pin.value, "min": int(page.minimum),
            "tokens": {f: n for f, n in enumerate(page.tokens) if n}, "base": page.base_utility,
            "recompute": page.recompute_cost, "recency": hot.get(page.order, 0.0),
        }
        for page in table.pages
    ]  # fmt: skip
    want = oracle_selector.select(plain, policy, declared, first, budget)
    need = need_of(
        table, {i: (f, ChangeReason.DEMANDED) for i, f in declared.items()}, after_boundary=first
    )  # fmt: skip
    side = SideState(Side.PRIMARY, policy)
    side.fidelity = bytearray(data.draw(st.integers(0, 4)) for _ in rows)
    got = SelectionIndex(policy, table, hot).choose(table, side, need, budget)
    stands = list(side.fidelity)
    for order, fidelity, _ in got.moves:
        stands[order] = fidelity
    assert (stands, got.tokens_used, got.unmet) == want
    assert [m[0] for m in got.moves] == [i for i in orders if stands[i] != side.fidelity[i]]
    needed = required_pages(
        table, {i: (f, ChangeReason.DEMANDED) for i, f in declared.items()},
        auto_pins=True, after_boundary=first,
    )  # fmt: skip
    assert need.tokens == sum(table.pages[r.order].tokens[table.pages[r.order].at(r.level)] for r in needed)


@given(rows=tables(), data=st.data())
def test_index_kept_up_is_the_index_made_anew(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """Entering, leaving, warming and cooling pages leaves the sorted candidates as if built from scratch."""
    table, hot = build(rows), dict[int, float]()
    index = SelectionIndex(POLICIES["clawvm"], table, hot)
    for page in table.pages:
        if data.draw(st.booleans()):
            index.warm(page)
            hot[page.order] = 1.0
        if data.draw(st.booleans()):
            index.leave(page)
            page.base_utility += 1
            index.enter(page)
        if page.order in hot and data.draw(st.booleans()):
            del hot[page.order]
            index.chill(page)
    fresh = SelectionIndex(POLICIES["clawvm"], table, hot)
    assert list(index.steps) == list(fresh.steps)
    assert index.prefetch == fresh.prefetch
    assert (index.base, index.base_tokens, index.warmed) == (fresh.base, fresh.base_tokens, fresh.warmed)


def test_walk_goes_on_past_a_page_that_does_not_fit() -> None:
    """A required page too large is unmet; smaller ones after it still get in."""
    session = Session(budget=50)
    session.add("big", "constraint", tokens={"structured": 60, "full": 70}, base_utility=9)
    session.add("small", "constraint", tokens={"structured": 20, "full": 55}, base_utility=1)
    (prompt,) = of(session.prompt(), "prompt")
    assert prompt.data["unmet"] == ["big"]
    assert prompt.data["insufficient_by"] == 30
    assert session.fidelity("small") == "structured"


def test_a_step_visited_before_its_lower_step_is_lost() -> None:
    """As published: each candidate once, in descending gain."""
    session = Session(budget=1000)
    # the step structured → full is cheaper per token than pointer → structured, so it comes first and is lost
    session.add("p", tokens={"pointer": 1, "structured": 500, "full": 501}, base_utility=5)
    session.prompt()
    assert session.fidelity("p") == "structured"


def test_prefetch_puts_the_dearest_page_first() -> None:
    """Highest recompute cost gets its pointer when only one fits, to the last token."""
    session = Session(budget=10)
    session.add("cheap", recompute_cost=1, base_utility=50)
    session.add("dear", recompute_cost=9)
    session.prompt()
    assert (session.fidelity("dear"), session.fidelity("cheap")) == ("pointer", "absent")


def test_missing_form_is_served_by_the_next_higher() -> None:
    """A page without its minimum's form is held at the next one it has."""
    session = Session(budget=60)
    session.add("rule", "constraint", tokens={"full": 55})
    session.prompt()
    assert session.fidelity("rule") == "full"


POLICIES_PLAIN = ("clawvm", "lru", "compaction_hybrid", "retrieval")
TURNS = 20 * int(os.environ.get("CLAWWEB_EXAMPLES", "100"))  # random turns held against the plain selector
LADDERS = {
    "bootstrap": ("structured", "full"),
    "constraint": ("structured", "full"),
    "plan": ("pointer", "structured", "full"),
    "evidence": ("pointer", "structured", "compressed", "full"),
    "conversation": ("pointer", "compressed", "full"),
}


def random_forms(rng: random.Random, page_type: str) -> dict[str, int]:
    """Some of the type's forms, growing; full always."""
    labels = [label for label in LADDERS[page_type][:-1] if rng.random() < 0.8] + ["full"]
    counts = sorted(rng.sample(range(1, rng.choice((30, 120, 600))), len(labels)))
    return dict(zip(labels, counts, strict=True))


def live_as_plain(session: Session) -> tuple[list[int], list[dict[str, Any]]]:
    """Orders of the live pages, and what the plain selector is to know of each."""
    side = session.state.primary
    assert side is not None
    live = [page for page in session.state.table.pages if page.status == "live"]
    return [page.order for page in live], [
        {
            "id": page.page_id, "type": page.type.value, "pin": page.pin.value, "min": int(page.minimum),
            "tokens": {f: n for f, n in enumerate(page.tokens) if n}, "base": page.base_utility,
            "recompute": page.recompute_cost, "recency": side.hot.get(page.order, 0.0),
        }
        for page in live
    ]  # fmt: skip


def random_events(session: Session, rng: random.Random, ids: list[str], room: int) -> None:
    """What comes before a prompt: pages, new texts, pages that go, pins, boundaries, demands."""
    if len(ids) < 4 or (len(ids) < room and rng.random() < 0.5):
        ids.append(f"p{rng.randrange(10**9)}")
        page_type = rng.choice(list(LADDERS))
        pin = rng.choice((None, None, None, "soft", "hard"))
        worth = {"base_utility": rng.choice((0, 1, 5)), "recompute_cost": rng.choice((0, 4, 8))}
        session.add(ids[-1], page_type, tokens=random_forms(rng, page_type), pin=pin, **worth)
    roll = rng.random()
    if roll < 0.1:
        page = session.state.table.by_id[rng.choice(ids)]
        forms = {label: {"tokens": n} for label, n in random_forms(rng, page.type.value).items()}
        session.feed("page_updated", page_id=page.page_id, representations=forms)
    elif roll < 0.15:
        session.feed("page_retired", page_id=ids.pop(rng.randrange(len(ids))))
    elif roll < 0.2:
        session.boundary(rng.choice(("compaction", "reset", "prune")))
    for page_id in rng.sample(ids, min(len(ids), rng.randrange(3))):
        session.demand(page_id, rng.choice(("pointer", "full")))
    for page_id in rng.sample(ids, min(len(ids), rng.randrange(3))):
        session.declare(page_id, rng.choice(("pointer", "structured", "compressed", "full")))


@pytest.mark.parametrize("name", POLICIES_PLAIN)
def test_random_turns_as_the_plain_selector(name: str) -> None:
    """Turn after turn of sessions that change in every way, with what recency came of it. CLAWWEB_EXAMPLES
    says how many; more than 100,000 were run before this was committed.
    """
    done, seed = 0, 0
    while done < TURNS // len(POLICIES_PLAIN):
        seed += 1
        rng = random.Random(f"{name}:{seed}")
        ids: list[str] = []
        room = rng.choice((6, 16, 16, 40, 120))
        session = Session(policy=name, budget=100)
        session.prompt()
        side = session.state.primary
        assert side is not None
        for _ in range(60 if room < 100 else 150):
            done += 1
            random_events(session, rng, ids, room)
            budget = rng.choice((rng.randrange(60), rng.randrange(600), rng.randrange(6000)))
            session.feed("settings_changed", budget=budget)
            close_turn(session.state, final=False)
            orders, plain = live_as_plain(session)
            declared = {
                orders.index(order): row[0] for order, row in side.declared.items() if order in orders
            }
            first = side.after_boundary is not None
            at, used, unmet = oracle_selector.select(plain, POLICIES[name], declared, first, budget)
            session.prompt()
            want = dict(zip(orders, at, strict=True))
            assert list(side.fidelity) == [want.get(o, 0) for o in range(len(side.fidelity))]
            assert (side.tokens_used, side.unmet) == (used, [orders[i] for i in unmet])
