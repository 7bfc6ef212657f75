"""The beginning of a turn: select, or take what the record shows; then judge what is known at once."""

from __future__ import annotations

from typing import Any

from memory.core import acts
from memory.core.events import PromptObserved, PromptRequested
from memory.core.faults import judge_demand, judge_pins, judge_rules, tokens_of
from memory.core.lifecycle import settle_losses
from memory.core.outcomes import Outcome
from memory.core.selector import UNLIMITED, Required, Selection, reason_of, required_pages
from memory.core.state import LABEL, SideState, State, new_log, outcome, settle
from memory.core.trace import close_turn
from memory.core.types import ChangeReason, Fidelity, PageStatus, Side


def begin(state: State, body: PromptRequested | PromptObserved) -> list[Outcome]:
    """Turn N begins with prompt N; turn N-1 closes."""
    found = close_turn(state, final=False)
    state.turn += 1
    state.turn_open, state.ended = True, False
    state.prompt_seq, state.request_id = state.seq, body.request_id
    state.requests[body.request_id] = state.turn
    for side in state.sides():
        side.log, side.next_log = side.next_log, new_log()
        side.demanded, side.verdicts, side.guesses = {}, {}, {}
    if isinstance(body, PromptRequested):
        state.fixed_tokens = body.fixed_tokens
        state.recorded_tokens, state.unseen_items = None, {}
    else:
        state.recorded_tokens, state.unseen_items = body.recorded_tokens, dict(body.unseen_items)
        if body.model:
            state.model = body.model
    for side in state.sides():
        found += _assemble(state, side)
    if state.primary is not None and state.primary.policy.selects:
        found += acts.look_for_acts(state)
    for side in state.sides():
        found += _judge(state, side)
    return found


def required_now(state: State, side: SideState) -> list[Required]:
    """The required set of an auto-pinning policy for a prompt now."""
    declared = {o: (fidelity, ChangeReason(reason)) for o, (fidelity, reason, _) in side.demands().items()}
    after = side.after_boundary is not None
    return required_pages(state.table, declared, auto_pins=True, after_boundary=after, own=side.own)


def _assemble(state: State, side: SideState) -> list[Outcome]:
    required = required_now(state, side)
    side.required_tokens = tokens_of(required, state)
    side.floor_tokens = floor(state, side, required)
    if side.policy.selects:
        changes = _select(state, side, required)
    else:
        changes = _take_recorded(state, side)
    budget = side.page_budget
    side.insufficient_by = 0 if budget is None else max(0, side.required_tokens - budget)
    if not side.policy.selects:
        side.unmet = [order for order, level, _ in required if side.fidelity[order] < level]
    side.totals.tokens_used_sum += side.tokens_used
    side.totals.turns += 1
    return [*changes, _prompt_outcome(state, side)]


def floor(state: State, side: SideState, required: list[Required]) -> int:
    """Tokens of the required set together with the minimum of every live page."""
    table = state.table
    floor = tokens_of(required, state)
    for order, _, _ in required:
        page = table.pages[order]
        floor -= page.tokens[page.own_served if side.own else page.served]
    return floor + (table.own_minima if side.own else table.minima)


def whole_budget(state: State, side: SideState) -> int | None:
    """Tokens that pages have in this prompt; ``None`` where neither budget nor window is known."""
    if state.primary is not None and not state.primary.policy.selects:
        if state.window is not None and (side.side is Side.SHADOW or state.budget is None):
            return max(0, state.window - state.unseen_tokens - state.reserve)
        return state.budget
    if state.budget is not None:
        return state.budget
    return None if state.window is None else max(0, state.window - state.reserve - state.fixed_tokens)


def select_now(
    state: State, side: SideState, budget: int | None, required: list[Required] | None = None
) -> Selection:
    """What the side's policy would choose for a prompt now (nothing is changed)."""
    assert side.index is not None
    if required is None:
        required = required_now(state, side)
    if not side.policy.auto_pins:
        demands = side.demands()
        required = [
            Required(order, max(demands[order][0], state.table.pages[order].minimum), reason)
            for order, _, reason in required
            if order in demands
        ]
    room = UNLIMITED if budget is None else budget
    if state.multi_session and budget is not None:
        room = budget * side.policy.share_percent // 100
    return side.index.select(state.table, required, room, side.future)


def _select(state: State, side: SideState, required: list[Required]) -> list[Outcome]:
    side.budget = side.page_budget = whole_budget(state, side)
    selection = select_now(state, side, side.page_budget, required)
    found: list[Outcome] = []
    old, new, pages = side.fidelity, selection.fidelity, state.table.pages
    moved = [order for order, (was, now) in enumerate(zip(old, new, strict=True)) if was != now]
    if side.retext:
        moved = sorted({*moved, *(order for order in side.retext if new[order])})
    for order in moved:
        fell = new[order] < old[order]
        reason = reason_of(selection, order, fell)
        if fell and pages[order].status is not PageStatus.LIVE:
            reason = ChangeReason.LEFT
        what = f"selection: {reason.value}"
        told = settle(state, side, order, new[order], reason, (state.seq, state.turn, what))
        if told is not None:
            found.append(told)
    side.retext.clear()
    side.ghosts.clear()
    side.tokens_used, side.unmet = selection.tokens_used, selection.unmet
    for order in side.unmet:  # never in, or not since: the miss has a decision behind it all the same
        if not old[order] and not new[order]:
            side.seats[order].cause = (state.seq, state.turn, "selection: unmet")
    return found


def _take_recorded(state: State, side: SideState) -> list[Outcome]:
    """Move what the record moved since the last prompt, and nothing else."""
    found: list[Outcome | None] = []
    pages, now = state.table.pages, state.turn
    for order in sorted({*side.ghosts, *side.outgoing, *side.incoming, *side.retext}):
        if pages[order].status is not PageStatus.LIVE:
            cause = (pages[order].left_seq, now, f"left: {pages[order].status.value}")
            found.append(settle(state, side, order, 0, ChangeReason.LEFT, cause))
        elif order in side.incoming:
            cause = (side.incoming[order], now, "recorded")
            found.append(settle(state, side, order, Fidelity.FULL, ChangeReason.RECORDED, cause))
        elif order in side.outgoing:
            fidelity, seq, turn, what = side.outgoing[order]
            found.append(settle(state, side, order, fidelity, ChangeReason.DROPPED, (seq, turn, what)))
        elif side.fidelity[order]:
            cause = side.seats[order].cause or (state.seq, now, "recorded")
            found.append(settle(state, side, order, side.fidelity[order], ChangeReason.RECORDED, cause))
    side.ghosts.clear()
    side.outgoing.clear()
    side.incoming.clear()
    side.retext.clear()
    state.stale_tokens = sum(side.stale.values())
    ours = side.resident_tokens + state.stale_tokens
    if state.recorded_tokens is not None:
        state.unseen_tokens = max(0, state.recorded_tokens - ours)
        _itemise_unseen(state)
    side.tokens_used = ours if state.recorded_tokens is None else state.recorded_tokens
    side.budget = state.budget if state.budget is not None else state.window
    side.page_budget = whole_budget(state, side)
    return [told for told in found if told is not None]


def _itemise_unseen(state: State) -> None:
    """What the sender could name stays; of the rest, what stood there at the first prompt is told apart from
    what came since (message frames, reminders, files attached again, the tokenizer's difference).
    """
    if state.first_unseen is None:
        state.first_unseen = state.unseen_tokens
    rest = max(0, state.unseen_tokens - sum(state.unseen_items.values()))
    stood = min(rest, state.first_unseen)
    items = {"first_prompt": stood, "since": rest - stood}
    state.unseen_items |= {name: tokens for name, tokens in items.items() if tokens}


def _prompt_outcome(state: State, side: SideState) -> Outcome:
    pages = state.table.pages
    data: dict[str, Any] = {
        "request_id": state.request_id,
        "policy": side.policy.name,
        "budget": side.budget,
        "page_budget": side.page_budget,
        "tokens_used": side.tokens_used,
        "resident_tokens": side.resident_tokens,
        "required_tokens": side.required_tokens,
        "floor_tokens": side.floor_tokens,
        "fixed_tokens": state.fixed_tokens,
        "insufficient_by": side.insufficient_by,
        "unmet": [pages[order].page_id for order in side.unmet],
    }
    if side.side is Side.PRIMARY:
        data["recorded_tokens"] = state.recorded_tokens
        data["unseen_tokens"], data["stale_tokens"] = state.unseen_tokens, state.stale_tokens
        if side.policy.selects:
            data["pages"] = [
                [p.page_id, LABEL[f], p.text_seq] for p, f in zip(pages, side.fidelity, strict=True) if f
            ]
        else:
            data["unseen_items"] = state.unseen_items
            if state.recorded_tokens is not None:  # our count is above the provider's: said, never hidden
                data["excess_tokens"] = max(
                    0, side.resident_tokens + state.stale_tokens - state.recorded_tokens
                )
    return outcome(state, side, "prompt", None, **data)


def _judge(state: State, side: SideState) -> list[Outcome]:
    found = settle_losses(state, side)
    found += judge_pins(state, side)
    if side.after_boundary is not None:
        found += judge_rules(state, side, side.after_boundary)
        side.after_boundary = None
    demands = side.demands()
    side.declared, side.restored = {}, set()
    for order, (fidelity, _, rule) in demands.items():
        page = state.table.pages[order]
        if page.status is PageStatus.LIVE:
            found += judge_demand(
                state, side, page, fidelity, exact=True, declared=True, rule=rule, evidence=""
            )
    return found
