"""The state machine: ``step`` applies one event to a session's state and gives its outcomes.

Handlers check everything first and raise ``Refused``; only then they change the state. So a rejected event
changes nothing but the count of rejected events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from memory.core import acts, page_events, prompts, shared_pages, tool_events, writes
from memory.core import events as ev
from memory.core.acts import Refused
from memory.core.declarations import Declarations
from memory.core.faults import judge_observed, not_judged, unmet, was_dropped
from memory.core.handling import known_page, known_policy, need_turn, primary_side, tell
from memory.core.lifecycle import apply_boundary
from memory.core.outcomes import Outcome
from memory.core.policies import Policy, find_policy
from memory.core.state import SideState, State
from memory.core.trace import ENGINE_VERSION, close_turn, make_head
from memory.core.types import (
    ChangeReason,
    Mode,
    Side,
)
from memory.core.validation import Validator

__all__ = ["ENGINE_VERSION", "State", "new_state", "reject", "step", "touched", "trace_head"]


def new_state(validators: Mapping[str, Validator] | None = None, *, replaying: bool = False) -> State:
    """The state before ``session_started``. ``validators``: plug-ins by name, pure functions of an update and
    its page; they belong to the process, so ``load_state`` takes them again, and a replay the same ones.
    ``replaying``: the log has ended and is run again, so that ``oracle`` may be told what comes.
    """
    state = State()
    state.validators = dict(validators or {})
    state.replaying = replaying
    return state


def step(state: State, event: ev.Event) -> list[Outcome]:
    """Apply one event; an inapplicable one gives a single ``rejected`` outcome and changes nothing else."""
    if event.seq <= state.seq:
        return [_rejected(event.seq, state, f"seq {event.seq} is not above {state.seq}")]
    state.seq = event.seq
    body = event.body
    try:
        if not state.started and not isinstance(body, ev.SessionStarted):
            raise Refused("the session has not started")
        return _HANDLERS[type(body)](state, body, event.actor)
    except Refused as refusal:
        return [_rejected(event.seq, state, str(refusal))]


def _rejected(seq: int, state: State, why: str) -> Outcome:
    state.rejected += 1
    return Outcome(seq, Side.PRIMARY, state.turn, "rejected", None, {"why": why})


def reject(state: State, seq: int, why: str) -> list[Outcome]:
    """Apply event ``seq`` as rejected without looking at it: for one that could not be decoded."""
    state.seq = max(state.seq, seq)
    return [_rejected(seq, state, why)]


def trace_head(state: State) -> bytes:
    """The first line of both sides' traces (empty before the session started)."""
    return state.head


def touched(outcomes: Iterable[Outcome]) -> set[str]:
    """Ids of every page whose ``PageView`` the outcomes may have changed."""
    found = set()
    for told in outcomes:
        if told.page_id is not None:
            found.add(told.page_id)
        if told.kind == "turn":
            found.update(told.data["demanded"])
        elif told.kind == "act":
            found.update(told.data["page_ids"])
        elif told.kind == "boundary":  # what the next prompt takes up has changed
            found.update(told.data["kept"], told.data["dropped"])
    return found


# --- session ---


def _session_started(state: State, body: ev.SessionStarted, actor: str) -> list[Outcome]:
    if state.started:
        state.ended = False
        return [
            tell(state, None, "session", resumed=True, harness=body.harness, resumed_from=body.resumed_from)
        ]
    recorded = body.mode is not Mode.ENFORCED
    watched = "observed_resolving" if body.settings.get("harness_resolves") is True else "observed"
    for one in body.policies:
        if find_policy(one.name) is not None:
            raise Refused(f"policy {one.name!r} is built in: one that is declared needs a name of its own")
    declared = Declarations.of(body)
    policy = known_policy(declared, watched if recorded else body.policy, replaying=state.replaying)
    if recorded:
        known_policy(declared, body.policy, replaying=state.replaying)
    elif not policy.selects:
        raise Refused(f"policy {policy.name!r} selects nothing; an enforced session needs one that does")
    shadow = None
    if body.shadow_policy is not None:
        shadow = known_policy(declared, body.shadow_policy, replaying=state.replaying)
    if shadow is not None and not shadow.selects:
        raise Refused(f"policy {shadow.name!r} selects nothing and cannot be a shadow")
    grants = body.settings.get("grants", ["session", "project"])
    if not isinstance(grants, list) or not all(grant in ("session", "project") for grant in grants):
        raise Refused("settings.grants must be a list of session, project")
    state.started = True
    state.harness, state.mode, state.model = body.harness, body.mode, body.model
    state.window, state.window_source = body.window, body.window_source
    state.reserve, state.budget, state.shadow_budget = body.reserve, body.budget, body.shadow_budget
    state.grants = frozenset(grants)
    state.declarations = declared
    state.multi_session = body.settings.get("multi_session") is True
    state.primary = _new_side(state, Side.PRIMARY, policy)
    if shadow is not None:
        state.shadow = _new_side(state, Side.SHADOW, shadow)
    state.head = make_head(body, list(state.sides()), sorted(state.validators))
    for side in state.sides():
        side.chain = hashlib.sha256(state.head).hexdigest()
    told = {
        "harness": body.harness,
        "mode": body.mode.value,
        "policy": policy.name,
        "shadow": body.shadow_policy,
    }
    return [tell(state, None, "session", started=True, **told)]


def _new_side(state: State, side: Side, policy: Policy) -> SideState:
    made = SideState(side, policy)
    made.own = not policy.selects and state.mode is Mode.OBSERVED
    made.set_policy(policy, state.table)
    return made


def _settings_changed(state: State, body: ev.SettingsChanged, actor: str) -> list[Outcome]:
    primary = primary_side(state)
    if body.policy is not None:
        policy = known_policy(state.declarations, body.policy, replaying=state.replaying)
        if state.mode is Mode.ENFORCED and not policy.selects:
            raise Refused(f"policy {policy.name!r} selects nothing; an enforced session needs one that does")
        target = primary if state.mode is Mode.ENFORCED else state.shadow
        if target is None or not policy.selects:
            raise Refused("a session that is only read keeps policy 'observed', and it has no shadow")
        target.next_policy = policy
        target.next_log["policies"].append(policy.to_json())
    changed = {}
    for name in ("budget", "policy", "reserve", "model", "window"):
        value = getattr(body, name)
        if value is not None:
            changed[name] = value
            if name != "policy":
                setattr(state, name, value)
    if body.window is not None:
        state.window_source = "configured"
    return [tell(state, None, "session", changed=changed, actor=actor)]


def _session_ended(state: State, body: ev.SessionEnded, actor: str) -> list[Outcome]:
    found = close_turn(state, final=True)
    state.ended = True
    pages = state.table.pages
    dirty = [pages[order].page_id for order in sorted(primary_side(state).dirty)]
    return [*found, tell(state, None, "session", ended=True, reason=body.reason, dirty=dirty)]


def _noted(state: State, body: ev.Noted, actor: str) -> list[Outcome]:
    return [tell(state, None, "session", noted=body.what)]


# --- turns ---


def _prompt_requested(state: State, body: ev.PromptRequested, actor: str) -> list[Outcome]:
    if state.mode is not Mode.ENFORCED:
        raise Refused(f"the session is {state.mode.value}: its prompts are recorded, not asked for")
    return _begin(state, body)


def _prompt_observed(state: State, body: ev.PromptObserved, actor: str) -> list[Outcome]:
    if state.mode is Mode.ENFORCED:
        raise Refused("the session is enforced: its prompts are asked for")
    return _begin(state, body)


def _begin(state: State, body: ev.PromptRequested | ev.PromptObserved) -> list[Outcome]:
    if body.request_id in state.requests:
        raise Refused(
            f"request {body.request_id!r} already has its prompt (turn {state.requests[body.request_id]})"
        )
    return prompts.begin(state, body)


def _model_answered(state: State, body: ev.ModelAnswered, actor: str) -> list[Outcome]:
    turn = state.requests.get(body.request_id)
    if turn is None:
        raise Refused(f"no prompt has request id {body.request_id!r}")
    told = {"usage": dict(body.usage), "stop_reason": body.stop_reason, "answer_page": body.page_id}
    first = tell(state, None, "session", answered=body.request_id, prompt_matches=body.prompt_matches, **told)
    return [first, *acts.settle_receipts(state, body)]


def _demand_declared(state: State, body: ev.DemandDeclared, actor: str) -> list[Outcome]:
    page = known_page(state, body.page_id, live=True)
    for side in state.sides():
        old = side.declared.get(page.order, (0, "", ""))
        if body.fidelity > old[0]:
            side.declared[page.order] = (int(body.fidelity), ChangeReason.DEMANDED.value, body.rule)
    return [tell(state, page, "page", change="demanded", fidelity=body.fidelity.label, reason=body.rule)]


def _demand_observed(state: State, body: ev.DemandObserved, actor: str) -> list[Outcome]:
    page = known_page(state, body.page_id)
    need_turn(state)
    why = not_judged(state, page)
    if why:
        label = body.fidelity.label
        return [tell(state, page, "page", change="demanded", fidelity=label, reason=why, judged=False)]
    found: list[Outcome] = []
    dropped = False
    for side in state.sides():
        found += judge_observed(state, side, page, body, caused_by_drop=dropped)
        if side.side is Side.PRIMARY:
            dropped = was_dropped(side, page.order) and unmet(side, page, body.fidelity)
    return found


# --- boundaries and operators ---


def _boundary(state: State, body: ev.Boundary, actor: str) -> list[Outcome]:
    return apply_boundary(state, body)


def _act(state: State, body: Any, actor: str) -> list[Outcome]:
    return acts.apply_act(state, body, actor)


def _undo(state: State, body: ev.OperatorUndo, actor: str) -> list[Outcome]:
    return acts.apply_undo(state, body, actor)


def _receipt(state: State, body: ev.Receipt, actor: str) -> list[Outcome]:
    return acts.apply_receipt(state, body)


_HANDLERS: dict[type, Callable[[State, Any, str], list[Outcome]]] = {
    ev.SessionStarted: _session_started,
    ev.SettingsChanged: _settings_changed,
    ev.PageCreated: page_events.page_created,
    ev.PageUpdated: page_events.page_updated,
    ev.PageSuperseded: page_events.page_superseded,
    ev.PageRetired: page_events.page_retired,
    ev.PageLinked: page_events.page_linked,
    ev.DirtyMarked: page_events.dirty_marked,
    ev.DemandDeclared: _demand_declared,
    ev.PromptRequested: _prompt_requested,
    ev.PromptObserved: _prompt_observed,
    ev.ModelAnswered: _model_answered,
    ev.DemandObserved: _demand_observed,
    ev.ToolCalled: tool_events.tool_called,
    ev.ToolReturned: tool_events.tool_returned,
    ev.Recall: tool_events.recall,
    ev.WriteStaged: writes.write_staged,
    ev.WriteJudged: writes.write_judged,
    ev.WriteResolved: writes.write_resolved,
    ev.Boundary: _boundary,
    ev.ProjectCommit: shared_pages.project_commit,
    ev.OperatorPin: _act,
    ev.OperatorUnpin: _act,
    ev.OperatorDemote: _act,
    ev.OperatorRestore: _act,
    ev.OperatorUndo: _undo,
    ev.Receipt: _receipt,
    ev.SessionEnded: _session_ended,
    ev.Noted: _noted,
}
assert set(_HANDLERS) == set(ev.KINDS.values())
