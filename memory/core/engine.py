"""The state machine: ``step`` applies one event to a session's state and gives its outcomes.

Handlers check everything first and raise ``Refused``; only then they change the state. So a rejected event
changes nothing but the count of rejected events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from memory.core import acts, prompts
from memory.core import events as ev
from memory.core.acts import Refused
from memory.core.codec import check_path
from memory.core.errors import EventError
from memory.core.faults import in_reach_of_prompt, judge_demand, judge_recall, judge_repeat, was_dropped
from memory.core.lifecycle import apply_boundary, journal_note
from memory.core.lifecycle import commit as commit_page
from memory.core.outcomes import Outcome
from memory.core.pages import MAX_VERSIONS, Page, token_row
from memory.core.policies import Policy, find_policy
from memory.core.state import Changing, Seat, SideState, State, outcome
from memory.core.trace import ENGINE_VERSION, close_turn, make_head
from memory.core.types import (
    MAX_PAGES,
    ChangeReason,
    Fidelity,
    Mode,
    PageStatus,
    RejectReason,
    Scope,
    Side,
    ToolKind,
)

__all__ = ["ENGINE_VERSION", "State", "new_state", "reject", "step", "touched", "trace_head"]

MAX_KEY = 120  # characters of a signature kept as it is; longer ones are kept as their hash


def new_state() -> State:
    """The state before ``session_started``."""
    return State()


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
    return found


# --- what handlers need ---


def _page(state: State, page_id: str, *, live: bool = False) -> Page:
    page = state.table.by_id.get(page_id)
    if page is None:
        raise Refused(f"no page {page_id!r}")
    if live and page.status is not PageStatus.LIVE:
        raise Refused(f"page {page_id!r} is {page.status.value}")
    return page


def _policy(name: str) -> Policy:
    policy = find_policy(name)
    if policy is None:
        raise Refused(f"unknown policy {name!r}")
    if policy.name == "oracle":
        raise Refused("the policy 'oracle' exists in replay only")
    return policy


def _primary(state: State) -> SideState:
    assert state.primary is not None
    return state.primary


def _told(state: State, page: Page | None, kind: str, /, **data: Any) -> Outcome:
    return outcome(state, _primary(state), kind, page, **data)


def _need_turn(state: State) -> None:
    if not state.turn:
        raise Refused("no prompt yet")
    if not state.turn_open:
        raise Refused("the session has ended: no prompt is open")


# --- session ---


def _session_started(state: State, body: ev.SessionStarted, actor: str) -> list[Outcome]:
    if state.started:
        state.ended = False
        return [
            _told(state, None, "session", resumed=True, harness=body.harness, resumed_from=body.resumed_from)
        ]
    recorded = body.mode is not Mode.ENFORCED
    policy = _policy("observed" if recorded else body.policy)
    if recorded:
        _policy(body.policy)
    elif not policy.selects:
        raise Refused(f"policy {policy.name!r} selects nothing; an enforced session needs one that does")
    shadow = None if body.shadow_policy is None else _policy(body.shadow_policy)
    if shadow is not None and not shadow.selects:
        raise Refused(f"policy {shadow.name!r} selects nothing and cannot be a shadow")
    grants = body.settings.get("grants", ["session", "project"])
    if not isinstance(grants, list) or not all(grant in ("session", "project") for grant in grants):
        raise Refused("settings.grants must be a list of session, project")
    state.started = True
    state.harness, state.mode, state.model = body.harness, body.mode, body.model
    state.window, state.window_source = body.window, body.window_source
    state.reserve, state.budget = body.reserve, body.budget
    state.grants = frozenset(grants)
    state.multi_session = body.settings.get("multi_session") is True
    state.primary = _new_side(state, Side.PRIMARY, policy)
    if shadow is not None:
        state.shadow = _new_side(state, Side.SHADOW, shadow)
    state.head = make_head(body, list(state.sides()))
    for side in state.sides():
        side.chain = hashlib.sha256(state.head).hexdigest()
    told = {
        "harness": body.harness,
        "mode": body.mode.value,
        "policy": policy.name,
        "shadow": body.shadow_policy,
    }
    return [_told(state, None, "session", started=True, **told)]


def _new_side(state: State, side: Side, policy: Policy) -> SideState:
    made = SideState(side, policy)
    made.own = not policy.selects and state.mode is Mode.OBSERVED
    made.set_policy(policy, state.table)
    return made


def _settings_changed(state: State, body: ev.SettingsChanged, actor: str) -> list[Outcome]:
    primary = _primary(state)
    if body.policy is not None:
        policy = _policy(body.policy)
        if state.mode is Mode.ENFORCED and not policy.selects:
            raise Refused(f"policy {policy.name!r} selects nothing; an enforced session needs one that does")
        target = primary if state.mode is Mode.ENFORCED else state.shadow
        if target is None or not policy.selects:
            raise Refused("a session that is only read keeps policy 'observed', and it has no shadow")
        target.set_policy(policy, state.table)
    changed = {}
    for name in ("budget", "policy", "reserve", "model", "window"):
        value = getattr(body, name)
        if value is not None:
            changed[name] = value
            if name != "policy":
                setattr(state, name, value)
    if body.window is not None:
        state.window_source = "configured"
    return [_told(state, None, "session", changed=changed, actor=actor)]


def _session_ended(state: State, body: ev.SessionEnded, actor: str) -> list[Outcome]:
    found = close_turn(state, final=True)
    state.ended = True
    pages = state.table.pages
    dirty = [pages[order].page_id for order in sorted(_primary(state).dirty)]
    return [*found, _told(state, None, "session", ended=True, reason=body.reason, dirty=dirty)]


def _noted(state: State, body: ev.Noted, actor: str) -> list[Outcome]:
    return [_told(state, None, "session", noted=body.what)]


# --- pages ---


def _page_created(state: State, body: ev.PageCreated, actor: str) -> list[Outcome]:
    spec, table = body.page, state.table
    if spec.page_id in table.by_id:
        raise Refused(f"page {spec.page_id!r} is already there")
    if len(table.pages) >= MAX_PAGES:
        raise Refused(f"a session has at most {MAX_PAGES} pages")
    page = Page.from_spec(spec, len(table.pages), state.seq)
    table.add(page)
    for side in state.sides():
        side.seats.append(Seat())
        side.fidelity.append(0)
        if side.index is not None:
            side.index.enter(page)
        else:
            side.incoming[page.order] = state.seq
        if spec.dirty:
            side.dirty.add(page.order)
    return [_told(state, page, "page", change="created", dirty=spec.dirty)]


def _page_updated(state: State, body: ev.PageUpdated, actor: str) -> list[Outcome]:
    page = _page(state, body.page_id)
    _check_path(page, body.representations)
    revived = page.status is not PageStatus.LIVE
    for side in state.sides():
        if side.index is None and not revived:
            _leave_copy(side, page)
    with Changing(state, page):
        page.status = PageStatus.LIVE
        page.tokens = token_row(body.representations)
        page.text_seq = state.seq
        if body.title is not None:
            page.title = body.title
        if body.provenance is not None:
            page.provenance = (body.provenance.kind, body.provenance.ref, body.provenance.record)
    for side in state.sides():
        side.retext.add(page.order)
        side.ghosts.discard(page.order)
        if side.index is None:
            side.outgoing.pop(page.order, None)
            side.incoming[page.order] = state.seq
        if not body.durable:
            side.dirty.add(page.order)
    what = {"what": body.what, "revived": revived, "dirty": not body.durable}
    return [_told(state, page, "page", change="updated", **what)]


def _check_path(page: Page, reps: dict[Fidelity, ev.Representation]) -> None:
    try:
        check_path(page.type, reps, "representations")
    except EventError as error:
        raise Refused(str(error)) from None


def _leave_copy(side: SideState, page: Page) -> None:
    """The text that stands in the harness's prompt, or is about to, stays there as an old copy."""
    order = page.order
    if order in side.incoming:
        side.stale[order] = side.stale.get(order, 0) + page.tokens[Fidelity.FULL]
        if side.fidelity[order] and order not in side.retext and order not in side.outgoing:
            side.stale[order] += side.seats[order].in_prompt
    elif side.fidelity[order] and side.outgoing.get(order, (1, 0, 0, ""))[0]:
        side.stale[order] = side.stale.get(order, 0) + side.seats[order].in_prompt


def _leave(state: State, page: Page, status: PageStatus, *, copy_stays: bool) -> None:
    with Changing(state, page):
        page.status = status
        page.left_seq, page.left_turn = state.seq, state.turn
    for side in state.sides():
        if side.index is None and copy_stays:
            _leave_copy(side, page)
        side.incoming.pop(page.order, None)
        side.outgoing.pop(page.order, None)
        if side.fidelity[page.order]:
            side.ghosts.add(page.order)


def _page_superseded(state: State, body: ev.PageSuperseded, actor: str) -> list[Outcome]:
    page = _page(state, body.page_id, live=True)
    _leave(state, page, PageStatus.SUPERSEDED, copy_stays=True)
    return [_told(state, page, "page", change="superseded", by=body.by, reason=body.reason)]


def _page_retired(state: State, body: ev.PageRetired, actor: str) -> list[Outcome]:
    page = _page(state, body.page_id, live=True)
    _leave(state, page, PageStatus.RETIRED, copy_stays=False)
    return [_told(state, page, "page", change="retired", reason=body.reason)]


def _page_linked(state: State, body: ev.PageLinked, actor: str) -> list[Outcome]:
    page = _page(state, body.page_id)
    return [_told(state, page, "page", change="linked", session=body.session, relation=body.relation)]


def _dirty_marked(state: State, body: ev.DirtyMarked, actor: str) -> list[Outcome]:
    page = _page(state, body.page_id, live=True)
    for side in state.sides():
        side.dirty.add(page.order)
    return [_told(state, page, "page", change="dirty", reason=body.reason)]


def _project_commit(state: State, body: ev.ProjectCommit, actor: str) -> list[Outcome]:
    page = _page(state, body.page_id)
    if page.scope is not Scope.PROJECT:
        raise Refused(f"page {page.page_id!r} is not of project scope")
    _check_path(page, body.representations)
    have = _primary(state).seats[page.order].version
    if body.version <= have:
        raise Refused(f"version {body.version} is not above {have}, the last committed one")
    with Changing(state, page):
        page.tokens, page.text_seq = token_row(body.representations), state.seq
    page.versions = (*page.versions, (body.version, state.seq, page.tokens))[-MAX_VERSIONS:]
    for side in state.sides():
        side.seats[page.order].version = body.version
        if side.index is not None:
            side.retext.add(page.order)
    return [_told(state, page, "page", change="committed", version=body.version, by=body.origin_session)]


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
    first = _told(
        state, None, "session", answered=body.request_id, prompt_matches=body.prompt_matches, **told
    )
    return [first, *acts.settle_receipts(state, body)]


def _demand_declared(state: State, body: ev.DemandDeclared, actor: str) -> list[Outcome]:
    page = _page(state, body.page_id, live=True)
    for side in state.sides():
        old = side.declared.get(page.order, (0, "", ""))
        if body.fidelity > old[0]:
            side.declared[page.order] = (int(body.fidelity), ChangeReason.DEMANDED.value, body.rule)
    return [_told(state, page, "page", change="demanded", fidelity=body.fidelity.label, reason=body.rule)]


def _demand_observed(state: State, body: ev.DemandObserved, actor: str) -> list[Outcome]:
    page = _page(state, body.page_id)
    _need_turn(state)
    if not in_reach_of_prompt(
        state, page
    ):  # it came after prompt N, or has been outdated since: nothing to judge
        why = "came after the prompt" if page.created_seq > state.prompt_seq else page.status.value
        return [
            _told(
                state, page, "page", change="demanded", fidelity=body.fidelity.label, reason=why, judged=False
            )
        ]
    found: list[Outcome] = []
    dropped = False
    for side in state.sides():
        found += judge_demand(
            state,
            side,
            page,
            body.fidelity,
            exact=body.exact,
            declared=False,
            rule=body.rule,
            evidence=body.evidence,
            caused_by_drop=dropped,
        )
        if side.side is Side.PRIMARY:
            dropped = side.verdicts[page.order].kind == "fault" and was_dropped(side, page.order)
    return found


# --- tools ---


def _key(signature: str) -> str:
    if len(signature) <= MAX_KEY:
        return signature
    return "sha256:" + hashlib.sha256(signature.encode("utf-8", "surrogatepass")).hexdigest()


def _tool_called(state: State, body: ev.ToolCalled, actor: str) -> list[Outcome]:
    _need_turn(state)
    if body.call_id in state.calls:
        raise Refused(f"call {body.call_id!r} is already there")
    key = _key(body.signature)
    found: list[Outcome] = []
    if key in state.history:
        order = state.history[key]
        page = state.table.pages[order] if order >= 0 else None
        dropped = False
        for side in state.sides():
            told = judge_repeat(state, side, body, page, caused_by_drop=dropped and _holds(side, page))
            found += told
            if side.side is Side.PRIMARY and page is not None:
                dropped = was_dropped(side, page.order) and any(o.kind == "fault" for o in told)
    state.history.setdefault(key, -1)
    state.calls[body.call_id] = (key, state.turn)
    for page, write in state.table.written(body.writes) if body.kind is ToolKind.WRITE else ():
        _leave(state, page, PageStatus.SUPERSEDED, copy_stays=True)
        found.append(
            _told(state, page, "page", change="superseded", by=body.call_id, reason=f"write to {write}")
        )
    return found


def _holds(side: SideState, page: Page | None) -> bool:
    """Would the call not have happened on this side, because its result was there?"""
    if page is None:
        return False
    at = side.fidelity[page.order]
    return at > Fidelity.POINTER or (at == Fidelity.POINTER and page.resolvable and side.policy.resolves)


def _tool_returned(state: State, body: ev.ToolReturned, actor: str) -> list[Outcome]:
    page = None if body.page_id is None else _page(state, body.page_id)
    call = state.calls.pop(body.call_id, None)
    if call is None:
        return [_told(state, page, "session", unpaired=body.call_id)]
    if page is not None:
        state.history[call[0]] = page.order
    return []


def _recall(state: State, body: ev.Recall, actor: str) -> list[Outcome]:
    _need_turn(state)
    return [told for side in state.sides() for told in judge_recall(state, side, body)]


# --- writeback ---


def _write_staged(state: State, body: ev.WriteStaged, actor: str) -> list[Outcome]:
    update = body.update
    page = _page(state, update.page_id, live=True)
    if any(side.journal.knows(update.update_id) for side in state.sides()):
        raise Refused(f"update {update.update_id!r} is already in the journal")
    found = []
    for side in state.sides():
        side.journal.stage(update, page.order, state.seq)
        side.dirty.add(page.order)
        found.append(journal_note(state, side, page, update, update.update_id, "staged"))
    return found


def _write_resolved(state: State, body: ev.WriteResolved, actor: str) -> list[Outcome]:
    entry = _primary(state).journal.entries.get(body.update_id)
    if entry is None or entry.state != "parked":
        raise Refused(f"no parked update {body.update_id!r}")
    if body.action == "approve" and entry.reason == RejectReason.SCHEMA_INVALID:
        raise Refused("a malformed update cannot be approved; merge it with a value, or drop it")
    if body.action == "merge" and body.value is None:
        raise Refused("merge needs a value")
    found = []
    for side in state.sides():
        mine = side.journal.entries.get(body.update_id)
        if mine is None or mine.state != "parked":
            continue
        page = state.table.pages[mine.order]
        side.journal.close(mine)
        found.append(journal_note(state, side, page, mine.update, body.update_id, "resolved", body.action))
        if body.action != "drop":
            commit_page(state, side, page)
            found.append(journal_note(state, side, page, mine.update, body.update_id, "committed", actor))
    return found


def _boundary(state: State, body: ev.Boundary, actor: str) -> list[Outcome]:
    return apply_boundary(state, body)


# --- operators ---


def _act(state: State, body: Any, actor: str) -> list[Outcome]:
    return acts.apply_act(state, body, actor)


def _undo(state: State, body: ev.OperatorUndo, actor: str) -> list[Outcome]:
    return acts.apply_undo(state, body, actor)


def _receipt(state: State, body: ev.Receipt, actor: str) -> list[Outcome]:
    return acts.apply_receipt(state, body)


_HANDLERS: dict[type, Callable[[State, Any, str], list[Outcome]]] = {
    ev.SessionStarted: _session_started,
    ev.SettingsChanged: _settings_changed,
    ev.PageCreated: _page_created,
    ev.PageUpdated: _page_updated,
    ev.PageSuperseded: _page_superseded,
    ev.PageRetired: _page_retired,
    ev.PageLinked: _page_linked,
    ev.DirtyMarked: _dirty_marked,
    ev.DemandDeclared: _demand_declared,
    ev.PromptRequested: _prompt_requested,
    ev.PromptObserved: _prompt_observed,
    ev.ModelAnswered: _model_answered,
    ev.DemandObserved: _demand_observed,
    ev.ToolCalled: _tool_called,
    ev.ToolReturned: _tool_returned,
    ev.Recall: _recall,
    ev.WriteStaged: _write_staged,
    ev.WriteResolved: _write_resolved,
    ev.Boundary: _boundary,
    ev.ProjectCommit: _project_commit,
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
