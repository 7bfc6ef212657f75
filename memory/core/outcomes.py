"""What the engine gives back for an event, in order. Stored beside the event; the trace is made of them.

``data`` holds plain JSON values only (fidelities by label). Keys by kind:

==============  ========================================================================================
kind            data
==============  ========================================================================================
rejected        why (the event was not applied; nothing else changed)
page            change: created | updated | superseded | retired | dirty | clean | pinned | unpinned |
                capped | uncapped | committed | demanded | linked; by, reason …; judged: false (a demand that
                is not judged, and why); taken (a project's commit: its text is the page's now)
residency       from, to, tokens_from, tokens_to, reason (``ChangeReason``)
prompt          request_id, policy, budget (what tokens_used is held against), page_budget (what pages have),
                tokens_used, resident_tokens, required_tokens, floor_tokens, recorded_tokens, unseen_tokens,
                unseen_items (what the sender named; first_prompt and since for the rest), stale_tokens,
                excess_tokens, fixed_tokens, unmet: [page_id],
                insufficient_by (tokens, 0 if the required set fits), prefix_tokens;
                its pages: ``prompt_pages``
hit             fidelity, demanded, exact, rule, amends, caused_by_drop   (a demand met at its fidelity)
page_in         from, to, tokens, exact, caused_by_drop, amends (true: a page-in or fault that this turn
                told of the page before stands no more)
fault           fault, class, exact, demanded, resident, rule, evidence, cause {seq, turn, what}, amends
alert           call_id, signature, exact, caused_by_drop
refresh         call_id, signature, why
journal         update_id, phase: staged | judged | validated | committed | rejected | lost | resolved,
                reason, field, op; validator (the check that spoke last) and detail (its words);
                overrides (what an operator's answer overruled, with the words of the check)
boundary        boundary, trigger, tokens_before, tokens_after, staged, committed, rejected, lost: [page_id],
                kept: [page_id], dropped: [page_id], summary_page
act             act_seq, act, state: applied | refused | undone, reason, before, after
receipt         act_seq, state: due | seen | missing, prompt_turn, how
session         what changed in the header (settings, started, ended …)
turn            record (the trace line as text, no newline), sha256, demanded: [page_id]  (a turn was closed)
==============  ========================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from memory.core.types import Fidelity, PageStatus, PageType, Pin, Scope, Side


@dataclass(slots=True)
class Outcome:
    """One fact that an event caused. ``turn`` is the turn it belongs to (0 before the first prompt)."""

    seq: int
    side: Side
    turn: int
    kind: str
    page_id: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SideView:
    """One page on one side."""

    fidelity: Fidelity  # in the last prompt
    tokens: int  # at that fidelity
    reason: str  # ChangeReason of the last change, '' if it never changed
    since_turn: int  # turn of the last change
    # as it was when the last turn that demanded it closed; × 0.88 for each turn since, and without the 1 that
    # an arrival gets under a steady policy
    recency: float
    faults: int  # policy-controllable, exact ones
    faults_inferred: int
    insufficient: int
    page_ins: int
    demand_turns: tuple[int, ...]  # the last 24 turns that demanded it, ascending
    dirty: bool = False  # as this side's writeback left it
    version: int = 0  # last committed
    pending_seq: int = 0  # above the session's ``prompt_seq``: the event that the next prompt takes up


@dataclass(frozen=True, slots=True)
class PageView:
    """Everything a page's row on screen holds, as the state has it now."""

    page_id: str
    title: str
    type: PageType
    scope: Scope
    pin: Pin
    min_fidelity: Fidelity
    cap: Fidelity | None  # an operator's demotion
    status: PageStatus
    dirty: bool  # primary side
    version: int  # last committed, primary side
    inferred: bool
    resolvable: bool
    provenance_kind: str
    provenance_ref: str
    provenance_record: int | None
    base_utility: float
    recompute_cost: float
    tokens: dict[Fidelity, int]  # the representations it has
    created_seq: int
    text_seq: int  # the event that holds the text of the working version
    order: int  # table order
    primary: SideView
    shadow: SideView | None
    links: tuple[tuple[str, str], ...] = ()  # (session, relation): where the page came from or went to


@dataclass(frozen=True, slots=True)
class SideTotals:
    """Running counts of one side."""

    policy: str
    budget: int | None
    tokens_used: int
    required_tokens: int
    floor_tokens: int
    insufficient_by: int  # tokens by which the required set exceeds the budget in the last prompt
    faults: dict[str, int]  # kind -> exact, policy-controllable
    faults_inferred: dict[str, int]
    insufficient: dict[str, int]  # kind -> misses of class insufficient
    alerts: int
    refreshes: int
    hits: int  # demands met, page-ins among them; none that the drop caused
    page_ins: int  # with those that the drop caused: their price is paid all the same
    page_in_tokens: int
    moved_tokens: int  # of pages in the table at both prompts whose fidelity differs, the larger count
    thrash: float
    trace_sha256: str
    by_type: dict[str, int]  # page type -> resident tokens
    page_budget: int | None = None  # tokens that pages have: window less unseen less reserve, or as set
    reread_tokens: int = 0  # of results that a repeated call brought again because they were gone
    resident_tokens: int = 0  # of the pages in the last prompt
    alerts_inferred: int = 0  # what a rule guessed is beside the exact counts, never in them
    hits_inferred: int = 0
    page_ins_inferred: int = 0
    page_in_tokens_inferred: int = 0
    committed: int = 0  # updates, implied ones too
    rejected: dict[str, int] = field(default_factory=dict)  # RejectReason -> updates
    prefix_share: float = 0.0  # of the prompts' tokens from the second on: what stood as in the one before


@dataclass(frozen=True, slots=True)
class SessionView:
    """The session's header, as the state has it now."""

    harness: str
    mode: str
    model: str
    window: int | None
    window_source: str
    reserve: int
    turn: int
    applied_seq: int
    recorded_tokens: int | None  # of the last prompt
    unseen_tokens: int  # of the last prompt
    unseen_items: dict[str, int]
    stale_tokens: int  # superseded copies that still stand in the prompt (observed)
    fixed_tokens: int
    pages: int  # live
    resident: int  # live and above absent
    dirty: int
    parked: int  # rejected updates that nobody resolved yet
    rejected_events: int
    boundaries: int
    ended: bool
    primary: SideTotals
    shadow: SideTotals | None
    prompt_seq: int = 0  # the event that began the last prompt; what a page has pending came after it
