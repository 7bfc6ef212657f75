"""``clawweb``: no fault of its own while the floor fits, and little moves.

``tests/reference`` holds its choice against an independent implementation; here is what it promises.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from memory.core import POLICIES, Event, decode_body, new_state, session_view, step
from memory.core.prompts import need_now, select_now
from memory.core.steady import SteadySelector
from tests.core.cast import Session, faults, of
from tests.core.strategies import streams

Stream = list[tuple[str, dict[str, Any]]]
FORMS = {"pointer": 10, "full": 100}


def steadily(stream: Stream) -> Stream:
    """The stream under ``clawweb`` on whichever side selects, with handles that resolve."""
    stream[0][1].update(policy="clawweb", shadow_policy="clawweb")
    for kind, body in stream:
        if kind == "page_created":
            body["page"].update(resolvable=True)
        elif kind == "settings_changed":
            body["policy"] = None
    return stream


@given(streams())
def test_no_fault_of_its_own_while_the_floor_fits(stream: Stream) -> None:
    """Whatever happens; but a call may be repeated in its own turn, before its result is in a prompt."""
    state = new_state()
    fits: dict[str, bool] = {}
    for seq, (kind, body) in enumerate(steadily(stream), 1):
        for told in step(state, Event(seq, decode_body(kind, body))):
            side = state.primary if told.side == "primary" else state.shadow
            if side is None or not side.policy.selects:
                continue
            if told.kind == "prompt":
                budget = told.data["page_budget"]
                fits[told.side] = budget is None or told.data["floor_tokens"] <= budget
                assert not (fits[told.side] and told.data["unmet"])
            elif told.kind == "fault" and fits.get(told.side):
                page = None if told.page_id is None else state.page(told.page_id)
                late = told.data["fault"] == "duplicate_tool" and (
                    page is None or page.created_seq > state.prompt_seq
                )
                assert late or told.data["class"] == "insufficient", told


@given(streams())
def test_floor_stands_whenever_it_fits(stream: Stream) -> None:
    """Every live page of any type at its minimum, and every hard pin before any demand above its own."""
    state = new_state()
    for seq, (kind, body) in enumerate(steadily(stream), 1):
        for told in step(state, Event(seq, decode_body(kind, body))):
            side = state.primary if told.side == "primary" else state.shadow
            if told.kind != "prompt" or side is None or not side.policy.selects:
                continue
            pages, budget = state.table.pages, told.data["page_budget"]
            low = [pages[o] for o in sorted(state.table.live) if side.fidelity[o] < pages[o].served]
            if budget is None or told.data["floor_tokens"] <= budget:
                assert not low
            elif state.table.hard_minima <= budget:
                assert not any(page.pin == "hard" for page in low)


@given(streams(), st.integers(0, 400))
def test_what_is_kept_up_is_what_a_look_at_everything_gives(stream: Stream, budget: int) -> None:
    """At any moment, for any budget: the selector made anew from the table chooses the same."""
    state = new_state()
    for seq, (kind, body) in enumerate(steadily(stream), 1):
        step(state, Event(seq, decode_body(kind, body)))
        for side in state.sides():
            if isinstance(side.index, SteadySelector):
                fresh = SteadySelector(side.policy, state.table, side)
                assert (fresh.above, fresh.below, fresh.short) == (
                    side.index.above,
                    side.index.below,
                    side.index.short,
                )
                need = need_now(state, side)
                chosen = select_now(state, side, budget, need)
                assert chosen == fresh.choose(state.table, side, need, budget)
                assert chosen == select_now(state, side, budget, need)  # choosing changes nothing


def held(session: Session, *page_ids: str) -> list[str]:
    return [session.fidelity(page_id) for page_id in page_ids]


def session_of(pages: int, budget: int) -> Session:
    """Pages of 10 and 100 tokens, in the first prompt."""
    session = Session(policy="clawweb", budget=budget)
    for number in range(pages):
        session.add(f"p{number}", tokens=FORMS)
    session.prompt()
    return session


def test_arrivals_fill_up_to_the_low_water_mark_latest_first() -> None:
    """Of 500 tokens 400 are filled: three whole, three by their pointers."""
    session = session_of(6, 500)
    assert held(session, *(f"p{n}" for n in range(6))) == ["pointer"] * 3 + ["full"] * 3


def test_what_stands_stays_while_there_is_room() -> None:
    """Nothing moves for an arrival that does not fit, where clawvm would weigh everything anew."""
    session = session_of(6, 500)
    session.add("later", tokens=FORMS, base_utility=100)
    told = of(session.prompt(), "residency")
    assert [(o.page_id, o.data["to"]) for o in told] == [("later", "pointer")]


def test_a_press_takes_from_the_least_worthy_down_to_the_low_water_mark() -> None:
    """Two demands bring 330 tokens to 510, so two pages fall; 420 with one of them back would be too many."""
    session = session_of(6, 500)
    session.demand("p4")  # so that p3 and p5 are worth less
    session.declare("p0")
    session.declare("p1")
    told = of(session.prompt(), "residency")
    assert [(o.page_id, o.data["to"], o.data["reason"]) for o in told] == [
        ("p0", "full", "demanded"),
        ("p1", "full", "demanded"),
        ("p3", "pointer", "displaced"),
        ("p5", "pointer", "displaced"),
    ]
    assert session_view(session.state).primary.tokens_used == 330


def test_a_demanded_pin_is_never_dropped() -> None:
    """Where the demand does not fit, the pin's minimum still stands; clawvm installs whole or not at all."""
    for policy, want in (("clawvm", "absent"), ("clawweb", "structured")):
        session = Session(policy=policy, budget=60)
        session.add("rule", "constraint", tokens={"structured": 20, "full": 90})
        session.add("other", tokens={"pointer": 45, "full": 100})
        session.declare("rule")
        session.prompt()
        assert session.fidelity("rule") == want
        kinds = {kind for kind, _, _ in faults(session.outcomes)}
        assert ("pinned_invariant_miss" in kinds) == (policy == "clawvm")


def test_a_page_demanded_again_and_again_is_raised() -> None:
    """Not for one demand, which a page-in meets; for the third in three turns, its arrival being one."""
    session = session_of(6, 500)
    stood = []
    for _ in range(3):
        session.demand("p0")
        session.prompt()
        stood.append(session.fidelity("p0"))
    assert stood == ["pointer", "full", "full"]


def test_much_room_brings_back_what_fell() -> None:
    """A budget of 40 takes everything down; when it is 2,000 again, every page is whole."""
    session = session_of(4, 2_000)
    session.feed("settings_changed", budget=40)
    session.prompt()
    assert held(session, "p0", "p3") == ["pointer", "pointer"]
    session.feed("settings_changed", budget=2_000)
    session.prompt()
    assert held(session, "p0", "p3") == ["full", "full"]


def test_a_floor_that_does_not_fit_goes_by_order_and_says_so() -> None:
    """Pins, then what is demanded, then the dearest minima; what lacks is named, and is no policy's fault."""
    session = Session(policy="clawweb", budget=45)
    session.add("cheap", tokens=FORMS, recompute_cost=1)
    session.add("dear", tokens=FORMS, recompute_cost=9)
    session.add("rule", "constraint", tokens={"structured": 30, "full": 90})
    session.declare("cheap")
    (prompt,) = of(session.prompt(), "prompt")
    assert held(session, "cheap", "dear", "rule") == ["absent", "pointer", "structured"]
    assert (prompt.data["unmet"], prompt.data["insufficient_by"]) == (["cheap"], 85)
    assert faults(session.outcomes) == [("refetch", "cheap", "insufficient")]


def test_a_shadow_holds_what_the_record_shows_arriving() -> None:
    """It came whole with the recorded prompt, so the shadow's must hold it; neither side is judged by it."""
    session = Session("observed", window=300, shadow_policy="clawweb")
    session.add("old", tokens={"pointer": 10, "full": 200})
    session.prompt(recorded_tokens=200)
    session.add("new", tokens={"pointer": 10, "full": 250})
    told = session.prompt(recorded_tokens=280)
    moves = {o.page_id: (o.data["to"], o.data["reason"]) for o in of(told, "residency", "shadow")}
    assert moves == {"old": ("pointer", "displaced"), "new": ("full", "arrived")}
    assert not of(told, "hit", "shadow")


def test_what_arrived_stays_required_whole_where_less_is_declared() -> None:
    """A demand for its pointer takes nothing from what the record shows."""
    session = Session("observed", window=300, shadow_policy="clawweb")
    session.prompt(recorded_tokens=0)
    session.add("new", tokens={"pointer": 10, "full": 250})
    session.declare("new", "pointer")
    told = session.prompt(recorded_tokens=250)
    (prompt,) = of(told, "prompt", "shadow")
    assert (prompt.data["required_tokens"], prompt.data["floor_tokens"]) == (250, 250)
    (met,) = of(told, "hit", "shadow")
    assert (met.data["fidelity"], met.data["demanded"]) == ("full", "pointer")


def test_switching_to_it_and_back_goes_on_from_what_stands() -> None:
    """The prompt before counts, whoever chose it."""
    session = Session(policy="clawvm", budget=500)
    for number in range(6):
        session.add(f"p{number}", tokens=FORMS)
    session.prompt()
    before = held(session, *(f"p{n}" for n in range(6)))
    session.feed("settings_changed", policy="clawweb")
    session.prompt()
    assert held(session, *(f"p{n}" for n in range(6))) == before


def test_its_data_is_a_policy_like_another() -> None:
    policy = POLICIES["clawweb"]
    assert policy.steady and policy.auto_pins
    assert policy.refill_percent <= policy.low_water_percent <= policy.high_water_percent
