"""What must hold of every stream of events; ``check`` runs one and raises ``Finding``."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from memory.core import (
    Event,
    Outcome,
    State,
    clone,
    dry_run,
    dump_state,
    load_state,
    new_state,
    page_ids,
    page_view,
    read_log,
    replay,
    session_view,
    step,
    touched,
    verify_trace,
    write_log,
)
from memory.core.state import SideState
from memory.core.types import Fidelity, Mode, PageStatus, Pin, Side

from .checks import looked_at, must, one_step, told_bytes
from .streams import Given, events

RULES = ("bootstrap", "constraint")


class Always(Random):
    """Looks at everything after every event: for a stream that is made smaller."""

    def randrange(self, *_: Any) -> int:
        return 0


def check(rng: Random, given: list[Given]) -> Counter[str]:
    """Runs the stream; gives what it was made of (applied and rejected events by kind)."""
    log = events(given)
    state, other = new_state(), new_state()
    commits: Counter[tuple[Side, str]] = Counter()
    lines: dict[Side, list[bytes]] = {side: [] for side in Side}
    seen: Counter[str] = Counter()
    for event in log:
        other = _cut(rng, other)
        before = clone(state) if rng.randrange(4) == 0 else None
        if event.body.KIND.startswith("operator") and rng.randrange(3) == 0:
            _tried(state, event)
        dirty = {side.side: {*side.dirty} for side in state.sides()}
        told = one_step(state, event)
        must(
            told_bytes(told) == told_bytes(one_step(other, event)),
            "folded in other batches it tells otherwise",
        )
        rejected = bool(told) and told[0].kind == "rejected"
        seen[f"{event.body.KIND} {'rejected' if rejected else 'applied'}"] += 1
        if before is not None:
            _changed(before, state, told, rejected)
        _never_in_silence(state, event, told, dirty)
        for outcome in told:
            _one(state, outcome, commits, lines)
        _sums(state)
    must(dump_state(state) == dump_state(other), "folded in other batches it ends otherwise")
    looked_at(state)
    _traced(state, log, lines)
    return seen


def _cut(rng: Random, state: State) -> State:
    """Now and then the state goes through its bytes, or is a copy."""
    match rng.randrange(12):
        case 0:
            return load_state(dump_state(state))
        case 1:
            return clone(state)
        case _:
            return state


def _tried(state: State, event: Event) -> None:
    """A dry run changes nothing, and says what the act then says."""
    before = dump_state(state)
    found = dry_run(state, event)
    must(dump_state(state) == before, "a dry run changed the state")
    told = step(clone(state), event)
    refusal = any(o.kind == "rejected" or (o.kind == "act" and o.data["state"] == "refused") for o in told)
    must(found.allowed != refusal, "a dry run says otherwise than the act", (found, told))
    must(found.budget is None or found.tokens_after <= found.budget, "a dry run is over its budget", found)


def _changed(before: State, state: State, told: list[Outcome], rejected: bool) -> None:
    if rejected:
        before.seq, before.rejected = state.seq, state.rejected
        must(dump_state(before) == dump_state(state), "a rejected event changed the state")
        return
    changed = touched(told)
    for page_id in page_ids(state):
        if page_id not in changed:
            old, new = page_view(before, page_id), page_view(state, page_id)
            must(old == new, "a page changed that touched() leaves out", f"{old}\n{new}")


def _never_in_silence(state: State, event: Event, told: list[Outcome], dirty: dict[Side, set[int]]) -> None:
    """A page stops being dirty by a writeback, a loss that is told, because it left, or by an undo."""
    for side in state.sides():
        for order in dirty.get(side.side, set()) - set(side.dirty):
            page = state.table.pages[order]
            mine = [o for o in told if o.side == side.side and o.page_id == page.page_id]
            lost = any(o.kind == "fault" and o.data["fault"] == "flush_miss" for o in mine)
            why = [o.data.get("reason") for o in mine if o.data.get("change") == "clean"]
            must(len(why) == 1, "a page is clean and it is not told once", (page.page_id, mine))
            undone = event.body.KIND == "operator_undo" and why[0] == "undone"
            left = why[0] == page.status.value != PageStatus.LIVE.value
            must(
                lost or undone or left or why[0] == "written back",
                "a dirty page was lost in silence",
                (page.page_id, why),
            )


def _one(state: State, told: Outcome, commits: Counter[Any], lines: dict[Side, list[bytes]]) -> None:
    side = state.primary if told.side is Side.PRIMARY else state.shadow
    if side is None:
        return
    if told.kind == "prompt" and side.policy.selects:
        _prompt(state, side, told.data)
    elif told.kind == "journal" and told.data["phase"] == "committed":
        key = (told.side, told.data["update_id"])
        commits[key] += 1
        must(commits[key] == 1, "an update was committed twice", key)
    elif told.kind == "turn":
        lines[told.side].append(told.data["record"].encode())
    elif told.kind == "fault" and told.data["fault"] == "flush_miss":
        must(told.data["class"] == "policy", "a loss that no policy could have helped", told)


def _prompt(state: State, side: SideState, data: dict[str, Any]) -> None:
    """Within its budget; no floor broken unless it is said."""
    budget, unmet = data["page_budget"], set(data["unmet"])
    must(
        data["tokens_used"] == side.resident_tokens == sum(_held(state, side)),
        "tokens_used is not what stands",
        data,
    )
    must(budget is None or data["tokens_used"] <= budget, "over the budget", data)
    must(
        data["floor_tokens"] >= data["required_tokens"] or not side.policy.auto_pins,
        "the floor is below the required set",
        data,
    )
    share = side.policy.share_percent if state.multi_session else 100
    fits = budget is None or data["floor_tokens"] <= budget * share // 100
    if fits and side.policy.auto_pins:
        must(not unmet and not data["insufficient_by"], "unmet though the floor fits", data)
    for page in state.table.pages:
        at = side.fidelity[page.order]
        if page.status is not PageStatus.LIVE:
            must(at == 0, "a page that left stands in the prompt", page.page_id)
        elif page.pin is Pin.HARD and side.policy.auto_pins:
            must(
                at >= page.minimum or page.page_id in unmet,
                "a hard pin below its floor, and not said",
                page.page_id,
            )
        elif fits and side.policy.steady:
            must(
                at >= page.minimum,
                "the floor fits, and clawweb leaves a page below its minimum",
                page.page_id,
            )
        must(at == 0 or page.tokens[at] > 0, "a page at a fidelity that it does not have", (page.page_id, at))
        if page.cap is not None and page.status is PageStatus.LIVE and at > page.cap:
            must(
                not any(page.tokens[f] for f in range(page.minimum, page.cap + 1)),
                "above an operator's cap",
                page.page_id,
            )
    if side.policy.auto_pins:
        must(bool(data["insufficient_by"]) <= bool(unmet), "insufficient, and nothing is unmet", data)


def _held(state: State, side: SideState) -> list[int]:
    return [page.tokens[at] for page, at in zip(state.table.pages, side.fidelity, strict=True)]


def _sums(state: State) -> None:
    """Running sums equal the sums done anew."""
    if not state.started:
        return
    view = session_view(state)
    live = [page for page in state.table.pages if page.status is PageStatus.LIVE]
    must(view.pages == len(live), "the count of live pages is wrong", view)
    for side, shown in ((state.primary, view.primary), (state.shadow, view.shadow)):
        if side is None or shown is None:
            continue
        must(
            shown.resident_tokens == sum(side.in_prompt) == sum(shown.by_type.values()),
            "resident tokens do not add up",
            shown,
        )
        must(
            side.resident() == sum(1 for page in live if side.fidelity[page.order]),
            "the resident pages are miscounted",
            shown,
        )
        must(set(side.fidelity) <= {*Fidelity}, "a fidelity that does not exist")


def _traced(state: State, log: list[Event], lines: dict[Side, list[bytes]]) -> None:
    """Every side's trace verifies, and the log on its own gives the same one."""
    if not state.started:
        return
    again = read_log(list(write_log(log)))
    must(again == log, "the log does not read back as it was")
    for side in state.sides():
        whole = [state.head, *lines[side.side]]
        try:
            counted = verify_trace(whole)
        except Exception as error:
            must(False, "a trace does not verify", f"{type(error).__name__}: {error}")
        must(counted == len(whole) - 1, "a trace has lost turns", counted)
    side = state.primary if state.mode is Mode.ENFORCED or state.shadow is None else state.shadow
    assert side is not None
    if not _names_oracle(log):
        mine = lines[side.side]
        found = replay(again).trace
        must(
            found[0] == state.head and list(found[1 : len(mine) + 1]) == mine,
            "a replay gives another trace",
            side.side,
        )


def _names_oracle(log: list[Event]) -> bool:
    """A policy that knows what comes: live it is refused, in a replay it is not."""
    ahead = {"oracle"}
    for event in log:
        ahead |= {policy.name for policy in getattr(event.body, "policies", ()) if policy.future_weight}
    named = (getattr(event.body, field, None) for event in log for field in ("policy", "shadow_policy"))
    return not ahead.isdisjoint(named)
