"""Replay: one log in, one trace and its metrics out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from memory.core import codec, engine
from memory.core import events as ev
from memory.core.errors import CoreError
from memory.core.oracle import LookAhead, tell_future
from memory.core.outcomes import Outcome
from memory.core.policies import POLICIES, Policy
from memory.core.state import SideState, State, whole_budget
from memory.core.trace import close_turn
from memory.core.types import Mode, Side
from memory.core.validation import Validator
from memory.core.workloads import Workload, workload_events


@dataclass(frozen=True, slots=True)
class Replay:
    """``trace``: its lines, head first, no newlines. ``metrics``: plain JSON values, see docs/replay.md."""

    trace: tuple[bytes, ...]
    metrics: dict[str, Any]
    rejected: tuple[tuple[int, str], ...] = ()  # events that could not be applied: seq, why

    def trace_bytes(self) -> bytes:
        """The trace as its file holds it: every line ends in a newline."""
        return b"".join(line + b"\n" for line in self.trace)


def replay_workload(workload: Workload, policy: Policy, budget: int) -> Replay:
    """Run a workload under a policy with ``budget`` tokens for pages."""
    found = replay(workload_events(workload, policy, budget))
    if found.metrics["rejected_events"]:  # what the reader lets pass, the engine takes
        raise CoreError(f"workload {workload.workload_id!r}: the engine rejected an event of it")
    return replace(found, metrics={"workload_id": workload.workload_id, **found.metrics})


def replay(
    events: Iterable[ev.Event],
    policy: Policy | None = None,
    budget: int | None = None,
    validators: Mapping[str, Validator] | None = None,
    *,
    side: Side | None = None,
) -> Replay:
    """Run a log from its start, as it is or under another policy or budget (tokens for pages).

    An enforced log runs under the asked policy. In a log of a session that was only read the asked policy is
    the shadow's, which gets ``budget`` tokens; trace and metrics are then that side's. Changes of policy or
    budget within the log give way to what is asked. ``validators``: the plug-ins that the session had, as for
    ``new_state``. ``side``: which side's trace and metrics are wanted, where it is not that one. Raises
    ``CoreError`` for a log that starts no session, or a side that it does not have.
    """
    log = _asked(list(events), policy, budget)
    state = engine.new_state(validators, replaying=True)
    ahead = LookAhead(log)
    records: dict[Side, list[bytes]] = {one: [] for one in Side}
    rejected: list[tuple[int, str]] = []
    for event in log:
        if isinstance(event.body, ev.PromptRequested | ev.PromptObserved):
            tell_future(state, ahead, event.seq)
        told = engine.step(state, event)
        if event.seq == 1 and not state.started:
            raise CoreError(str(told[0].data["why"]))
        _keep_records(told, records)
        rejected += [(one.seq, str(one.data["why"])) for one in told if one.kind == "rejected"]
    if state.primary is None:
        raise CoreError("the log starts no session")
    _keep_records(close_turn(state, final=True), records)
    chosen = _wanted(state, side, asked=policy is not None or budget is not None)
    trace = (state.head, *records[chosen.side])
    return Replay(trace, _metrics(state, chosen, trace), tuple(rejected))


def _wanted(state: State, side: Side | None, *, asked: bool) -> SideState:
    """The side whose trace is written. ``asked``: for a policy or a budget."""
    assert state.primary is not None
    enforced = state.mode is Mode.ENFORCED
    chosen = state.primary if state.shadow is None or enforced else state.shadow
    if side is None or side is chosen.side:
        return chosen
    if asked and not enforced:
        raise CoreError(
            "what is asked of a session that was only read is its shadow's; its primary is history"
        )
    other = next((one for one in state.sides() if one.side is side), None)
    if other is None:
        raise CoreError(f"the log has no {side.value} side")
    return other


def _keep_records(told: list[Outcome], records: dict[Side, list[bytes]]) -> None:
    for outcome in told:
        if outcome.kind == "turn":
            records[outcome.side].append(outcome.data["record"].encode("ascii"))


def _asked(log: list[ev.Event], policy: Policy | None, budget: int | None) -> list[ev.Event]:
    """The log with what was asked for in place of what it says."""
    if not log or not isinstance(log[0].body, ev.SessionStarted):
        raise CoreError("the log does not begin with session_started")
    if policy is None and budget is None:
        return log
    started = log[0].body
    enforced = started.mode is Mode.ENFORCED
    changes: dict[str, Any] = {}
    if policy is not None:
        changes["policy" if enforced else "shadow_policy"] = policy.name
        others = tuple(other for other in started.policies if other.name != policy.name)
        changes["policies"] = others if POLICIES.get(policy.name) == policy else (*others, policy)
    if budget is not None:
        if policy is None and not enforced and started.shadow_policy is None:
            raise CoreError("the session was only read and has no shadow: a budget needs a policy to run")
        changes["budget" if enforced else "shadow_budget"] = budget
    if enforced:
        changes["shadow_policy"] = None
    found = [replace(log[0], body=replace(started, **changes))]
    for event in log[1:]:
        body = event.body
        if isinstance(body, ev.SettingsChanged):
            name = body.policy if policy is None else None
            tokens = body.budget if budget is None else None
            event = replace(event, body=replace(body, policy=name, budget=tokens))
        found.append(event)
    return found


def _metrics(state: State, side: SideState, trace: tuple[bytes, ...]) -> dict[str, Any]:
    totals = side.totals
    whole = hashlib.sha256()
    for line in trace:
        whole.update(line + b"\n")
    return {
        "policy": side.policy.name,
        "budget": side.budget if totals.turns else whole_budget(state, side),
        "turns": totals.turns,
        "faults": _sorted(totals.faults),
        "insufficient": _sorted(totals.insufficient),
        "total_faults": sum(totals.faults.values()),
        "alerts": totals.alerts,
        "refreshes": totals.refreshes,
        "page_ins": totals.page_ins,
        "page_in_tokens": totals.page_in_tokens,
        "hits": totals.hits,
        "thrash": totals.thrash,
        "tokens_used_mean": totals.tokens_used_sum / totals.turns if totals.turns else 0.0,
        "committed": totals.committed,
        "rejected": _sorted(totals.rejected),
        "moved_tokens": totals.moved_tokens,
        "prefix_tokens": totals.prefix_tokens_sum,
        "prefix_share": totals.prefix_share,
        "reread_tokens": totals.reread_tokens,
        "inferred": {
            "faults": _sorted(totals.faults_inferred),
            "alerts": totals.alerts_inferred,
            "hits": totals.hits_inferred,
            "page_ins": totals.page_ins_inferred,
            "page_in_tokens": totals.page_in_tokens_inferred,
        },
        "mode": state.mode.value,
        "side": side.side.value,
        "rejected_events": state.rejected,
        "trace_sha256": whole.hexdigest(),
    }


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return {kind: counts[kind] for kind in sorted(counts)}


def metrics_bytes(metrics: dict[str, Any]) -> bytes:
    """One JSON object as its file holds it: canonical, and a newline."""
    return codec.canonical(metrics) + b"\n"
