"""The beginning of a turn: select, or take what the record shows; then judge what is known at once."""

from __future__ import annotations

from typing import Any, Final

from memory.core import acts
from memory.core.events import PromptObserved, PromptRequested
from memory.core.faults import judge_declared, judge_pins, judge_rules
from memory.core.lifecycle import settle_losses
from memory.core.needs import Need, need_of, required_pages
from memory.core.outcomes import Outcome
from memory.core.selector import UNLIMITED, Selection
from memory.core.state import LABEL, Move, SideState, State, new_log, settle, whole_budget
from memory.core.trace import close_turn
from memory.core.types import ChangeReason, Fidelity, Mode, PageStatus, Side

_SELECTED: Final = {reason.value: f"selection: {reason.value}" for reason in ChangeReason}


def begin(state: State, body: PromptRequested | PromptObserved) -> list[Outcome]:
    """Turn N begins with prompt N; turn N-1 closes."""
    found = close_turn(state, final=False)
    state.turn += 1
    state.turn_open, state.ended = True, False
    state.prompt_seq, state.request_id = state.seq, body.request_id
    state.requests[body.request_id] = state.turn
    for side in state.sides():
        side.take_policy(state.table)
        side.log, side.next_log = side.next_log, new_log()
    if isinstance(body, PromptRequested):
        state.fixed_tokens = body.fixed_tokens
        state.recorded_tokens, state.unseen_items = None, {}
    else:
        state.recorded_tokens, state.unseen_items = body.recorded_tokens, dict(body.unseen_items)
        if body.model:
            state.model = body.model
    for side in state.sides():
        _assemble(state, side, found)
    state.arrived.clear()
    state.texts.clear()
    if state.due and state.primary is not None and state.primary.policy.selects:
        found += acts.look_for_acts(state)
    for side in state.sides():
        _judge(state, side, found)
    return found


def need_now(state: State, side: SideState) -> Need:
    """What an auto-pinning policy must put in a prompt now."""
    after = side.after_boundary is not None
    demands = side.demands()
    if side.side is Side.SHADOW and state.mode is not Mode.ENFORCED:
        # what arrived in a recorded prompt was sent whole, whatever else asks for less of it: the shadow's
        # must hold it too (docs/model.md)
        whole = int(Fidelity.FULL)
        arrived = [order for order in sorted(side.retext) if demands.get(order, (0,))[0] < whole]
        demands = {**demands, **dict.fromkeys(arrived, (whole, ChangeReason.ARRIVED.value, ""))}
    return need_of(state.table, demands, after_boundary=after, own=side.own)


def _assemble(state: State, side: SideState, found: list[Outcome]) -> None:
    need = need_now(state, side)
    side.required_tokens, side.floor_tokens = need.tokens, need.floor
    if side.policy.selects:
        _select(state, side, need, found)
    else:
        _take_recorded(state, side, found)
        declared = {order: (level, reason) for order, level, reason in need.asked}
        after = need.after_boundary
        required = required_pages(state.table, declared, auto_pins=True, after_boundary=after, own=side.own)
        side.unmet = [order for order, level, _ in required if side.fidelity[order] < level]
    budget, totals = side.page_budget, side.totals
    side.insufficient_by = 0 if budget is None else max(0, need.tokens - budget)
    side.prefix_tokens = _prefix(state, side)
    side.retext.clear()
    side.ghosts.clear()
    side.touched.clear()
    totals.tokens_used_sum += side.tokens_used
    totals.turns += 1
    if state.turn > 1:
        totals.prefix_tokens_sum += side.prefix_tokens
        totals.resident_tokens_sum += side.resident_tokens
    found.append(_prompt_outcome(state, side))


def _prefix(state: State, side: SideState) -> int:
    """Tokens of the pages before the first one, in table order, whose presence, fidelity or text differs from
    that of the last prompt.
    """
    if state.turn <= 1:
        return 0
    changes = side.log.get("changes")
    first = changes[0][0] if changes else len(side.fidelity)  # they were settled in table order
    for order in side.retext:
        if order < first and side.fidelity[order]:
            text_seq = state.table.pages[order].text_seq
            if state.texts.get(order, text_seq) != text_seq:
                first = order
    if not first:
        return 0
    return side.resident_tokens if first == len(side.fidelity) else side.tokens_before(first)


def select_now(state: State, side: SideState, budget: int | None, need: Need | None = None) -> Selection:
    """What the side's policy would choose for a prompt now (nothing is changed)."""
    assert side.index is not None
    room = UNLIMITED if budget is None else budget
    if state.multi_session and budget is not None:
        room = budget * side.policy.share_percent // 100
    return side.index.choose(state.table, side, need or need_now(state, side), room)


def _select(state: State, side: SideState, need: Need, found: list[Outcome]) -> None:
    side.budget = side.page_budget = whole_budget(state, side)
    selection = select_now(state, side, side.page_budget, need)
    moves = selection.moves
    if side.ghosts:
        moves = sorted([*moves, *((order, 0, ChangeReason.LEFT) for order in side.ghosts)])
    if moves:
        seq, turn = state.seq, state.turn
        why: dict[str, Move] = {}
        settled = []
        for order, fidelity, reason in moves:
            name = reason._value_  # value, without its descriptor's cost
            if name not in why:
                why[name] = (name, turn, (seq, turn, _SELECTED[name]))
            settled.append((order, fidelity, why[name]))
        settle(state, side, settled, found)
    side.tokens_used, side.unmet = selection.tokens_used, selection.unmet
    for order in selection.unmet:  # never in, or not since: the miss has a decision behind it all the same
        if not side.fidelity[order]:
            side.moved[order] = (*side.moved[order][:2], (state.seq, state.turn, _SELECTED["unmet"]))
    side.standing = side.resident_tokens
    assert side.index is not None
    side.index.settled(state.table, side, selection)


def _take_recorded(state: State, side: SideState, found: list[Outcome]) -> None:
    """Move what the record moved since the last prompt, and nothing else."""
    moves: list[tuple[int, int, Move]] = []
    pages, now = state.table.pages, state.turn
    for order in sorted({*side.ghosts, *side.outgoing, *side.incoming, *side.retext}):
        if pages[order].status is not PageStatus.LIVE:
            cause = (pages[order].left_seq, now, f"left: {pages[order].status.value}")
            moves.append((order, 0, (ChangeReason.LEFT.value, now, cause)))
        elif order in side.incoming:
            cause = (side.incoming[order], now, "recorded")
            moves.append((order, int(Fidelity.FULL), (ChangeReason.RECORDED.value, now, cause)))
        elif order in side.outgoing:
            fidelity, seq, turn, what = side.outgoing[order]
            moves.append((order, fidelity, (ChangeReason.DROPPED.value, now, (seq, turn, what))))
        elif side.fidelity[order]:
            moves.append((order, side.fidelity[order], (ChangeReason.RECORDED.value, now, None)))
    settle(state, side, moves, found)
    side.outgoing.clear()
    side.incoming.clear()
    state.stale_tokens = sum(side.stale.values())
    ours = side.resident_tokens + state.stale_tokens
    if state.recorded_tokens is not None:
        state.unseen_tokens = max(0, state.recorded_tokens - ours)
        _itemise_unseen(state)
    side.tokens_used = ours if state.recorded_tokens is None else state.recorded_tokens
    side.budget = state.budget if state.budget is not None else state.window
    side.page_budget = whole_budget(state, side)


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
        if not side.policy.selects:
            data["unseen_items"] = state.unseen_items
            if state.recorded_tokens is not None:  # our count is above the provider's: said, never hidden
                data["excess_tokens"] = max(
                    0, side.resident_tokens + state.stale_tokens - state.recorded_tokens
                )
    return Outcome(state.seq, side.side, state.turn, "prompt", None, data)


def prompt_pages(state: State) -> list[tuple[str, str, int]]:
    """The primary side's prompt in table order: (page_id, fidelity label, event that holds its text) of what
    is above absent. As the last prompt was, while nothing but that prompt's own event has come since.
    """
    if state.primary is None:
        return []
    held = zip(state.table.pages, state.primary.fidelity, strict=True)
    return [(page.page_id, LABEL[f], page.text_seq) for page, f in held if f]


def _judge(state: State, side: SideState, found: list[Outcome]) -> None:
    if side.at_risk:
        found += settle_losses(state, side)
    if side.unmet or not (side.policy.selects and side.policy.auto_pins):  # else all that is pinned stands
        found += judge_pins(state, side)
    if side.after_boundary is not None:
        found += judge_rules(state, side, side.after_boundary)
        side.after_boundary = None
    if side.declared or side.restored:
        pages = state.table.pages
        for order, (fidelity, _, rule) in side.demands().items():
            if pages[order].status is PageStatus.LIVE:
                found.append(judge_declared(state, side, pages[order], fidelity, rule))
        side.declared, side.restored = {}, set()
