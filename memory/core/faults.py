"""Judging a turn's prompt: pinned and bootstrap misses, demands, repeated calls, recalls, lost pages."""

from __future__ import annotations

from typing import Any

from memory.core.events import Recall, ToolCalled
from memory.core.outcomes import Outcome
from memory.core.pages import SERVES, Page
from memory.core.selector import Required
from memory.core.state import DEMAND_TURNS, LABEL, Cause, SideState, State, Verdict, cause_json, outcome
from memory.core.types import ChangeReason, FaultClass, FaultKind, Fidelity, PageStatus, ToolKind


def classify(side: SideState, tokens: int) -> bool:
    """Would those tokens alone outgrow the whole budget, so that no policy could have done better?"""
    return side.page_budget is not None and tokens > side.page_budget


def fault(
    state: State,
    side: SideState,
    kind: FaultKind,
    page: Page | None,
    *,
    insufficient: bool = False,
    exact: bool = True,
    where: str = "faults",
    **data: Any,
) -> Outcome:
    """Count a fault and say so."""
    kept = _fault_data(kind, insufficient, exact, data)
    _count_fault(side, kind, page, insufficient, exact, 1)
    side.log[where].append({"page_id": None if page is None else page.page_id, **kept})
    return outcome(state, side, "fault", page, **kept)


def _fault_data(kind: FaultKind, insufficient: bool, exact: bool, data: dict[str, Any]) -> dict[str, Any]:
    clas = FaultClass.INSUFFICIENT if insufficient else FaultClass.POLICY
    return {"fault": kind.value, "class": clas.value, "exact": exact, "amends": False, **data}


def _count_fault(
    side: SideState, kind: FaultKind, page: Page | None, insufficient: bool, exact: bool, by: int
) -> None:
    name = "faults_inferred" if not exact else "insufficient" if insufficient else "faults"
    if not (insufficient and not exact):  # inferred misses of class insufficient are only told, not counted
        side.totals.count(name, kind.value, by)
    if page is not None:
        seat = side.seats[page.order]
        if insufficient:
            seat.insufficient += by
        elif exact:
            seat.faults += by
        else:
            seat.faults_inferred += by


def cause_of(state: State, side: SideState, page: Page) -> Cause | None:
    """The decision that took the page where it stands; if none ever did, the selection that left it out."""
    cause = side.seats[page.order].cause
    if cause is None and side.policy.selects:
        return (state.prompt_seq, state.turn, "selection: not taken")
    return cause


def judge_pins(state: State, side: SideState) -> list[Outcome]:
    """Pages pinned hard that stand below their minimum, one miss a page and prompt."""
    table, found = state.table, []
    insufficient = classify(side, side.required_tokens)
    for order in sorted(table.own_hard if side.own else table.hard):
        page = table.pages[order]
        minimum = page.own_minimum if side.own else page.minimum
        if side.fidelity[order] < minimum:
            found.append(
                fault(
                    state,
                    side,
                    FaultKind.PINNED_INVARIANT_MISS,
                    page,
                    insufficient=insufficient,
                    demanded=minimum.label,
                    resident=LABEL[side.fidelity[order]],
                    rule="pin",
                    evidence="",
                    cause=cause_json(cause_of(state, side, page)),
                )
            )
    return found


def judge_rules(state: State, side: SideState, boundary: Cause) -> list[Outcome]:
    """Bootstrap and constraint pages that the first prompt after a compaction or reset lacks."""
    table, found = state.table, []
    insufficient = classify(side, side.required_tokens)
    for order in sorted(table.rules):
        page = table.pages[order]
        minimum = page.own_minimum if side.own else page.minimum
        if side.fidelity[order] < minimum:
            found.append(
                fault(
                    state,
                    side,
                    FaultKind.POST_COMPACTION_BOOTSTRAP,
                    page,
                    insufficient=insufficient,
                    demanded=minimum.label,
                    resident=LABEL[side.fidelity[order]],
                    rule=boundary[2],
                    evidence="",
                    cause=cause_json(cause_of(state, side, page) or boundary),
                )
            )
    return found


def was_dropped(side: SideState, order: int) -> bool:
    """Did a boundary of the harness take the page from the prompt?"""
    return side.seats[order].reason == ChangeReason.DROPPED and side.fidelity[order] < Fidelity.FULL


def in_reach_of_prompt(state: State, page: Page) -> bool:
    """Could prompt N have held the page as it is asked for? Not if it came, or was superseded, otherwise."""
    if page.created_seq > state.prompt_seq:
        return False
    return page.status is PageStatus.LIVE or page.left_turn == state.turn


def judge_demand(
    state: State,
    side: SideState,
    page: Page,
    fidelity: int,
    *,
    exact: bool,
    declared: bool,
    rule: str,
    evidence: str,
    caused_by_drop: bool = False,
) -> list[Outcome]:
    """Judge one demand against this turn's prompt; of several for a page the highest counts, once."""
    order, seat = page.order, side.seats[page.order]
    if order not in side.demanded:
        side.demanded[order] = None
        seat.demand_turns = (*seat.demand_turns, state.turn)[-DEMAND_TURNS:]
    level = max(fidelity, page.own_minimum if side.own else page.minimum)
    old = side.verdicts.get(order)
    if old is not None and level <= old.level and (not exact or level <= old.exact_level):
        return []
    new = Verdict()
    new.declared = declared or (old is not None and old.declared)
    new.level = max(level, old.level if old else 0)
    new.exact_level = max(level if exact else 0, old.exact_level if old else 0)
    at = side.fidelity[order]
    new.kind = _verdict(side, page, at, new.level)
    new.exact = new.exact_level > 0 and _verdict(side, page, at, new.exact_level) == new.kind
    higher = old is None or level > old.level
    new.rule, new.evidence = (rule, evidence) if higher or old is None else (old.rule, old.evidence)
    if old is not None and (old.level, old.exact, old.kind) == (new.level, new.exact, new.kind):
        old.exact_level = new.exact_level
        return []
    if new.kind == "page_in":
        new.tokens = page.demanded_tokens(new.level)
    elif new.kind == "fault":
        new.insufficient = classify(side, side.required_tokens if new.declared else side.floor_tokens)
        new.cause = cause_of(state, side, page)
    if old is not None:
        _tally(side, page, old, -1)
    _tally(side, page, new, 1)
    side.verdicts[order] = new
    return [_tell(state, side, page, new, amends=old is not None, caused_by_drop=caused_by_drop)]


def _verdict(side: SideState, page: Page, at: int, level: int) -> str:
    if at >= level or at >= (SERVES[page.mask][level] or level):
        return "hit"
    return "page_in" if at and page.resolvable and side.policy.resolves else "fault"


def _tally(side: SideState, page: Page, verdict: Verdict, by: int) -> None:
    totals = side.totals
    if verdict.kind == "fault":
        _count_fault(side, FaultKind.REFETCH, page, verdict.insufficient, verdict.exact, by)
        return
    if verdict.kind == "page_in":
        side.seats[page.order].page_ins += by
    if verdict.exact:
        totals.hits += by
        if verdict.kind == "page_in":
            totals.page_ins += by
            totals.page_in_tokens += by * verdict.tokens
    else:
        totals.hits_inferred += by
        if verdict.kind == "page_in":
            totals.page_ins_inferred += by
            totals.page_in_tokens_inferred += by * verdict.tokens


def _tell(
    state: State, side: SideState, page: Page, verdict: Verdict, *, amends: bool, caused_by_drop: bool
) -> Outcome:
    resident, demanded = LABEL[side.fidelity[page.order]], LABEL[verdict.level]
    extra: dict[str, Any] = {"caused_by_drop": True} if caused_by_drop else {}
    if verdict.kind == "hit":
        return outcome(
            state,
            side,
            "hit",
            page,
            fidelity=resident,
            demanded=demanded,
            exact=verdict.exact,
            rule=verdict.rule,
            amends=amends,
            **extra,
        )
    if verdict.kind == "page_in":
        return outcome(
            state,
            side,
            "page_in",
            page,
            **{"from": resident},
            to=demanded,
            tokens=verdict.tokens,
            exact=verdict.exact,
            rule=verdict.rule,
            evidence=verdict.evidence,
            amends=amends,
            **extra,
        )
    return outcome(state, side, "fault", page, **verdict_fault(verdict, resident, amends=amends))


def verdict_fault(verdict: Verdict, resident: str, *, amends: bool) -> dict[str, Any]:
    """The data of a refetch."""
    data = {
        "demanded": LABEL[verdict.level],
        "resident": resident,
        "rule": verdict.rule,
        "evidence": verdict.evidence,
        "declared": verdict.declared,
        "cause": cause_json(verdict.cause),
        "amends": amends,
    }
    return _fault_data(FaultKind.REFETCH, verdict.insufficient, verdict.exact, data)


def judge_repeat(
    state: State, side: SideState, body: ToolCalled, page: Page | None, *, caused_by_drop: bool = False
) -> list[Outcome]:
    """Judge a call whose signature occurred before; ``page``: the signature's latest result, if known."""
    call = {"call_id": body.call_id, "signature": body.signature}
    why = _refresh_reason(body, page)
    if why:
        side.totals.refreshes += 1
        side.log["refreshes"].append({**call, "why": why, "page_id": None if page is None else page.page_id})
        return [outcome(state, side, "refresh", page, **call, why=why)]
    if page is None or page.status is PageStatus.RETIRED:
        return []
    at = side.fidelity[page.order]
    held = at > Fidelity.POINTER or (at == Fidelity.POINTER and page.resolvable and side.policy.resolves)
    if held or caused_by_drop:
        data = {**call, "exact": body.exact, "caused_by_drop": caused_by_drop, "resident": LABEL[at]}
        if not caused_by_drop and body.exact:
            side.totals.alerts += 1
        elif not caused_by_drop:
            side.totals.alerts_inferred += 1
        side.log["alerts"].append({**data, "page_id": page.page_id})
        return [outcome(state, side, "alert", page, **data)]
    return [
        fault(
            state,
            side,
            FaultKind.DUPLICATE_TOOL,
            page,
            insufficient=classify(side, side.floor_tokens),
            exact=body.exact,
            where="tools",
            demanded="",
            resident=LABEL[at],
            rule="signature",
            evidence=body.signature,
            call_id=body.call_id,
            cause=cause_json(cause_of(state, side, page)),
        )
    ]


def _refresh_reason(body: ToolCalled, page: Page | None) -> str:
    if body.refresh:
        return "sender"
    if body.kind is not ToolKind.READ:
        return body.kind.value
    return "superseded" if page is not None and page.status is PageStatus.SUPERSEDED else ""


def judge_recall(state: State, side: SideState, body: Recall) -> list[Outcome]:
    """A recall that found nothing and does not say why is silent, unless the policy's recalls say why."""
    if body.found or body.reason:
        return []
    if side.policy.recalls_have_reasons:
        return [outcome(state, side, "session", recall=body.query, reason="NO_MATCH")]
    return [
        fault(
            state,
            side,
            FaultKind.SILENT_RECALL,
            None,
            where="tools",
            demanded="",
            resident="",
            rule="recall",
            evidence=body.query,
            cause=None,
        )
    ]


def tokens_of(required: list[Required], state: State) -> int:
    """Tokens of a required set at the representations that serve it."""
    pages, total = state.table.pages, 0
    for order, level, _ in required:
        page = pages[order]
        total += page.tokens[SERVES[page.mask][level] or page.mask.bit_length() - 1]
    return total
