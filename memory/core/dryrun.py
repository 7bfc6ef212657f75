"""An operator's act tried on a copy: what the next prompt would be with it and without it."""

from __future__ import annotations

from dataclasses import dataclass, field

from memory.core import engine
from memory.core.acts import bound_side
from memory.core.events import Event
from memory.core.prompts import need_now, select_now
from memory.core.snapshot import clone
from memory.core.state import SideState, State, whole_budget
from memory.core.trace import close_turn
from memory.core.types import Fidelity


@dataclass(frozen=True, slots=True)
class DryRun:
    """Tokens are of pages in the next prompt of the side the act moves. ``changes``: by the act alone."""

    allowed: bool
    why: str
    tokens_before: int
    tokens_after: int
    budget: int | None
    changes: list[tuple[str, Fidelity, Fidelity]] = field(default_factory=list)
    floor_tokens: int = 0
    insufficient_by: int = 0


def dry_run(state: State, event: Event) -> DryRun:
    """Try an operator's act; ``state`` is not changed."""
    if not state.started:
        return DryRun(False, "the session has not started", 0, 0, None)
    if not event.body.KIND.startswith("operator_"):
        return DryRun(False, f"{event.body.KIND} is no operator's act", 0, 0, None)
    trial = clone(state)
    close_turn(trial, final=False)
    side = bound_side(trial)
    if side is not None:
        side.take_policy(trial.table)
    budget = None if side is None else whole_budget(trial, side)
    before = None if side is None else select_now(trial, side, budget)
    told = engine.step(trial, event)
    why = next((str(o.data["why"]) for o in told if o.kind == "rejected"), "")
    why = why or next(
        (str(o.data["reason"]) for o in told if o.kind == "act" and o.data["state"] == "refused"), ""
    )
    if side is None or before is None:
        return DryRun(not why, why or "the session has no side that an act could move", 0, 0, None)
    if why:
        used = before.tokens_used
        return DryRun(False, why, used, used, budget, [], *_needs(trial, side, budget))
    after = select_now(trial, side, budget)
    old, new = ({order: at for order, at, _ in choice.moves} for choice in (before, after))
    changes = []
    for order in sorted({*old, *new}):
        stands = side.fidelity[order]
        was, now = old.get(order, stands), new.get(order, stands)
        if was != now:
            changes.append((trial.table.pages[order].page_id, Fidelity(was), Fidelity(now)))
    needs = _needs(trial, side, budget)
    return DryRun(True, "", before.tokens_used, after.tokens_used, budget, changes, *needs)


def _needs(state: State, side: SideState, budget: int | None) -> tuple[int, int]:
    """Floor, and by how much the required set outgrows the budget."""
    need = need_now(state, side)
    return need.floor, 0 if budget is None else max(0, need.tokens - budget)
