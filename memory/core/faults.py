"""Judging a turn's prompt: pinned and bootstrap misses, demands, repeated calls, recalls, lost pages."""

from __future__ import annotations

from typing import Any

from memory.core.events import DemandObserved, Recall, ToolCalled
from memory.core.outcomes import Outcome
from memory.core.pages import SERVES, Page
from memory.core.state import LABEL, Cause, SideState, State, Verdict, cause_json, outcome
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
    page_id = data.get("expected") if page is None else page.page_id
    side.log[where].append({"page_id": page_id, **kept})
    return outcome(state, side, "fault", page, **kept)


def _fault_data(kind: FaultKind, insufficient: bool, exact: bool, data: dict[str, Any]) -> dict[str, Any]:
    clas = FaultClass.INSUFFICIENT if insufficient else FaultClass.POLICY
    return {"fault": kind.value, "class": clas.value, "exact": exact, "amends": False, **data}


def _count_fault(
    side: SideState, kind: FaultKind, page: Page | None, insufficient: bool, exact: bool, by: int
) -> None:
    if insufficient and not exact:
        return  # only told
    name = "faults_inferred" if not exact else "insufficient" if insufficient else "faults"
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
    cause = side.moved[page.order][2]
    if cause is None and side.policy.selects:
        return (state.prompt_seq, state.turn, "selection: not taken")
    return cause


def judge_pins(state: State, side: SideState) -> list[Outcome]:
    """Pages pinned hard that stand below their minimum, one miss a page and prompt."""
    table = state.table
    hard = table.own_hard if side.own else table.hard
    return _below_minimum(state, side, hard, FaultKind.PINNED_INVARIANT_MISS, "pin")


def judge_rules(state: State, side: SideState, boundary: Cause) -> list[Outcome]:
    """Bootstrap and constraint pages that the first prompt after a compaction or reset lacks."""
    kind = FaultKind.POST_COMPACTION_BOOTSTRAP
    return _below_minimum(state, side, state.table.rules, kind, boundary[2], boundary)


def _below_minimum(
    state: State, side: SideState, orders: set[int], kind: FaultKind, rule: str, cause: Cause | None = None
) -> list[Outcome]:
    """A fault for each page below its minimum; ``cause`` serves where the page itself has none."""
    found: list[Outcome] = []
    if side.policy.selects and side.policy.auto_pins:  # all of them were required: what is not unmet stands
        if not side.unmet:
            return found
        orders = orders.intersection(side.unmet)
    insufficient = classify(side, side.required_tokens)
    for order in sorted(orders):
        page = state.table.pages[order]
        minimum = page.own_minimum if side.own else page.minimum
        if side.fidelity[order] < minimum:
            found.append(
                fault(
                    state,
                    side,
                    kind,
                    page,
                    insufficient=insufficient,
                    demanded=minimum.label,
                    resident=LABEL[side.fidelity[order]],
                    rule=rule,
                    evidence="",
                    cause=cause_json(cause_of(state, side, page) or cause),
                )
            )
    return found


def was_dropped(side: SideState, order: int) -> bool:
    """Did a boundary of the harness take the page from the prompt?"""
    return side.moved[order][0] == ChangeReason.DROPPED and side.fidelity[order] < Fidelity.FULL


def not_judged(state: State, page: Page) -> str:
    """Why prompt N says nothing about a demand for the page as it is now; '' if it does."""
    if page.created_seq > state.prompt_seq:
        return "came after the prompt"
    if page.status is not PageStatus.LIVE and page.left_turn != state.turn:
        return page.status.value
    return "new text since the prompt" if page.text_seq > state.prompt_seq else ""


def resolves(side: SideState, page: Page, at: int) -> bool:
    """Is anything of the page there that can be resolved to the whole?"""
    return bool(at) and page.resolvable and side.policy.resolves


def holds(side: SideState, page: Page) -> bool:
    """Is the page there, above a pointer or by a handle that resolves: no need to fetch it again?"""
    at = side.fidelity[page.order]
    return at > Fidelity.POINTER or resolves(side, page, at)


def demand_level(side: SideState, page: Page, fidelity: int) -> int:
    """A demand below the page's minimum is raised to it."""
    return max(fidelity, page.own_minimum if side.own else page.minimum)


def unmet(side: SideState, page: Page, fidelity: int) -> bool:
    """Would a demand for the page be a refetch on this side?"""
    return _verdict(side, page, demand_level(side, page, fidelity)) == "fault"


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
    """Judge one demand against this turn's prompt; of several for a page the highest counts, once.

    An inferred demand counts beside an exact one only where it asks for more and comes out worse, so a guess
    never takes an exact fact away. ``caused_by_drop``: on this side the demand would not have been made.
    Where it is met, it is neither a hit nor recency; but its page-in and the tokens of it are counted, for
    the session goes on from what it brought in, and the shadow must not look better than it is.
    """
    order, level = page.order, demand_level(side, page, fidelity)
    proved, guess = side.verdicts.get(order), side.guesses.get(order)
    old = proved if exact else guess
    new = Verdict(level, _verdict(side, page, level), exact, rule, evidence)
    covered = not exact and proved is not None and (level <= proved.level or new.kind == proved.kind)
    if covered or (old is not None and level <= old.level):
        if not caused_by_drop:
            _mark_demanded(state, side, page)
        return []
    new.credited = new.kind == "fault" or not caused_by_drop or (old is not None and old.credited)
    new.declared = declared or any(v is not None and v.declared for v in (proved, guess))
    if new.kind == "page_in":
        new.tokens = page.demanded_tokens(level)
    elif new.kind == "fault":
        new.insufficient = classify(side, side.required_tokens if new.declared else side.floor_tokens)
        new.cause = cause_of(state, side, page)
    if new.credited:
        _mark_demanded(state, side, page)
    replaced = [] if old is None else [old]
    if exact and guess is not None and (guess.level <= level or guess.kind == new.kind):
        replaced.append(side.guesses.pop(order))
    for verdict in replaced:
        _tally(side, page, verdict, -1)
    _tally(side, page, new, 1)
    (side.verdicts if exact else side.guesses)[order] = new
    # A page-in and a miss of one page never stand in one turn: only hits are left beside this one.
    return [_tell(state, side, page, new, amends=bool(replaced))]


def judge_declared(state: State, side: SideState, page: Page, fidelity: int, rule: str) -> Outcome:
    """Judge a demand that was declared before the prompt: the first of its page in this turn."""
    order, level = page.order, demand_level(side, page, fidelity)
    kind = _verdict(side, page, level)
    new = side.verdicts[order] = Verdict(level, kind, True, rule, "")
    new.declared = True
    side.demanded[order] = None
    side.seats[order].demanded(state.turn)
    if kind == "hit":
        side.totals.hits += 1
    else:
        if kind == "page_in":
            new.tokens = page.demanded_tokens(level)
        else:
            new.insufficient = classify(side, side.required_tokens)
            new.cause = cause_of(state, side, page)
        _tally(side, page, new, 1)
    return _tell(state, side, page, new, amends=False)


def _mark_demanded(state: State, side: SideState, page: Page) -> None:
    if page.order not in side.demanded:
        side.demanded[page.order] = None
        side.seats[page.order].demanded(state.turn)


def judge_observed(
    state: State, side: SideState, page: Page, body: DemandObserved, *, caused_by_drop: bool
) -> list[Outcome]:
    """Judge what an answer or its calls showed. Where the demand is the repeated call itself and is unmet,
    the call's duplicate_tool is the fault, and the demand is only told.
    """
    if body.call_repeat and unmet(side, page, body.fidelity):
        _mark_demanded(state, side, page)
        data = {"fidelity": body.fidelity.label, "reason": "the repeated call is the fault", "judged": False}
        return [outcome(state, side, "page", page, change="demanded", **data)]
    return judge_demand(
        state,
        side,
        page,
        body.fidelity,
        exact=body.exact,
        declared=False,
        rule=body.rule,
        evidence=body.evidence,
        caused_by_drop=caused_by_drop,
    )


def _verdict(side: SideState, page: Page, level: int) -> str:
    at = side.fidelity[page.order]
    if at >= level or (at and at >= (SERVES[page.mask][level] or level)):
        return "hit"
    return "page_in" if resolves(side, page, at) else "fault"


def _tally(side: SideState, page: Page, verdict: Verdict, by: int) -> None:
    totals = side.totals
    if verdict.kind == "fault":
        _count_fault(side, FaultKind.REFETCH, page, verdict.insufficient, verdict.exact, by)
        return
    hit, page_in = by * verdict.credited, 0
    if verdict.kind == "page_in":
        page_in = by
        side.seats[page.order].page_ins += by
    if verdict.exact:
        totals.hits += hit
        totals.page_ins += page_in
        totals.page_in_tokens += page_in * verdict.tokens
    else:
        totals.hits_inferred += hit
        totals.page_ins_inferred += page_in
        totals.page_in_tokens_inferred += page_in * verdict.tokens


def _tell(state: State, side: SideState, page: Page, verdict: Verdict, *, amends: bool) -> Outcome:
    resident, demanded = LABEL[side.fidelity[page.order]], LABEL[verdict.level]
    kind = verdict.kind
    if kind == "hit":
        data: dict[str, Any] = {
            "fidelity": resident,
            "demanded": demanded,
            "exact": verdict.exact,
            "rule": verdict.rule,
            "amends": amends,
        }
    elif kind == "page_in":
        data = {
            "from": resident,
            "to": demanded,
            "tokens": verdict.tokens,
            "exact": verdict.exact,
            "rule": verdict.rule,
            "evidence": verdict.evidence,
            "amends": amends,
        }
    else:
        data = verdict_fault(verdict, resident, amends=amends)
    if not verdict.credited:
        data["caused_by_drop"] = True
    return Outcome(state.seq, side.side, state.turn, kind, page.page_id, data)


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
    state: State,
    side: SideState,
    body: ToolCalled,
    page: Page | None,
    *,
    expected: str | None = None,
    caused_by_drop: bool = False,
) -> list[Outcome]:
    """Judge a call whose signature occurred before; ``page``: the signature's latest result, if known.

    ``expected``: the id of that page where it is not in the table yet: absent, so the repeat is a duplicate.
    ``caused_by_drop``: an alert is marked and not counted, for this side would not have made the call.
    """
    call = {"call_id": body.call_id, "signature": body.signature}
    why = _refresh_reason(body, page)
    if why:
        side.totals.refreshes += 1
        page_id = expected if page is None else page.page_id
        side.log["refreshes"].append({**call, "why": why, "page_id": page_id})
        return [outcome(state, side, "refresh", page, **call, why=why)]
    if expected is None and (page is None or page.status is PageStatus.RETIRED):
        return []
    resident = LABEL[0 if page is None else side.fidelity[page.order]]
    if page is not None and holds(side, page):
        data = {**call, "exact": body.exact, "caused_by_drop": caused_by_drop, "resident": resident}
        if not caused_by_drop and body.exact:
            side.totals.alerts += 1
        elif not caused_by_drop:
            side.totals.alerts_inferred += 1
        side.log["alerts"].append({**data, "page_id": page.page_id})
        return [outcome(state, side, "alert", page, **data)]
    if body.exact and page is not None:
        side.totals.reread_tokens += page.tokens[Fidelity.FULL]
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
            resident=resident,
            rule="signature",
            evidence=body.signature,
            call_id=body.call_id,
            cause=None if page is None else cause_json(cause_of(state, side, page)),
            **({} if expected is None else {"expected": expected}),
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
