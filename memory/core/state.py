"""What the engine knows of one session: header, page table, and one ``SideState`` for each side."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from memory.core.declarations import Declarations
from memory.core.journal import Journal
from memory.core.metrics import Totals
from memory.core.outcomes import Outcome
from memory.core.page_table import PageTable
from memory.core.pages import AT, Page
from memory.core.policies import Policy
from memory.core.selector import SelectionIndex, Selector
from memory.core.steady import SteadySelector
from memory.core.types import ChangeReason, Fidelity, Mode, PageStatus, Side
from memory.core.validation import Validator

DEMAND_TURNS = 24  # kept a page
BLOCK = 256  # pages whose tokens in the prompt are summed together
Cause = tuple[int, int, str]  # seq, turn, what


Move = tuple[str, int, Cause | None]  # a page's last change: ChangeReason, turn, the decision behind it
NO_MOVE: Final[Move] = ("", 0, None)


class Seat:
    """What happened to one page on one side."""

    __slots__ = (
        "demand_turns",
        "faults",
        "faults_inferred",
        "insufficient",
        "page_ins",
        "peak",
        "version",
    )

    def __init__(self) -> None:
        self.peak = 0.0  # recency at the end of the last turn that demanded it
        self.faults = self.faults_inferred = self.insufficient = self.page_ins = 0
        self.demand_turns: list[int] = []  # the last ``DEMAND_TURNS``
        self.version = 0

    def copy(self) -> Seat:
        return Seat.from_json(self.to_json())

    def to_json(self) -> list[Any]:
        return [
            self.peak,
            self.faults,
            self.faults_inferred,
            self.insufficient,
            self.page_ins,
            self.demand_turns[:],
            self.version,
        ]

    @classmethod
    def from_json(cls, row: list[Any]) -> Seat:
        seat = cls()
        (
            seat.peak,
            seat.faults,
            seat.faults_inferred,
            seat.insufficient,
            seat.page_ins,
            seat.demand_turns,
            seat.version,
        ) = row
        return seat

    def demanded(self, turn: int) -> None:
        turns = self.demand_turns
        turns.append(turn)
        if len(turns) > DEMAND_TURNS:
            del turns[0]


class Seats(dict[int, Seat]):
    """Seats by table order; made when something first happens to the page on this side."""

    def __missing__(self, order: int) -> Seat:
        seat = self[order] = Seat()
        return seat

    def version(self, order: int) -> int:
        """Last committed version of the page; 0 at first."""
        seat = self.get(order)
        return 0 if seat is None else seat.version


class Verdict:
    """What this turn's prompt did for a demanded page; a higher demand replaces it.

    A page may have two: of its highest exact demand, and of a guessed one that came out worse.
    """

    credited = True  # false: the drop caused the demand; neither a hit nor recency, only its price
    tokens = 0  # paged in
    insufficient = False
    declared = False
    cause: Cause | None = None

    def __init__(self, level: int, kind: str, exact: bool, rule: str, evidence: str) -> None:
        self.level = level
        self.kind = kind  # hit, page_in, fault
        self.exact = exact
        self.rule = rule
        self.evidence = evidence

    def copy(self) -> Verdict:
        return Verdict.from_json(self.to_json())

    def to_json(self) -> list[Any]:
        return [getattr(self, name) for name in _VERDICT]

    @classmethod
    def from_json(cls, row: list[Any]) -> Verdict:
        verdict = cls.__new__(cls)
        for name, value in zip(_VERDICT, row, strict=True):
            setattr(verdict, name, value)
        if verdict.cause is not None:
            verdict.cause = (verdict.cause[0], verdict.cause[1], verdict.cause[2])
        return verdict


_VERDICT: Final = (
    "cause",
    "credited",
    "declared",
    "evidence",
    "exact",
    "insufficient",
    "kind",
    "level",
    "rule",
    "tokens",
)


@dataclass(slots=True)
class Act:
    """An operator's act as it stands. ``before``, ``after``: ``acts.values`` by page id."""

    seq: int
    act: str  # the event's kind
    actor: str
    page_ids: list[str]
    reason: str
    state: str = "applied"  # refused, undone
    why: str = ""  # it was refused
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    after: dict[str, dict[str, Any]] = field(default_factory=dict)
    made_dirty: dict[str, list[str]] = field(default_factory=dict)  # side → ids of pages clean before it
    receipt: str = ""  # due, seen, missing
    prompt_turn: int | None = None  # the prompt that was looked at
    lacks: str = ""  # what that prompt lacks of the act


Log = defaultdict[str, list[Any]]


def new_log(entries: Mapping[str, list[Any]] | None = None) -> Log:
    """What a turn's record gathers, by key: acts, alerts, boundaries, changes, faults, journal, refreshes,
    tools. What is not there is empty; read it with ``get``.
    """
    return defaultdict(list, entries or {})


class SideState:
    """One of the two computations over the log."""

    def __init__(self, side: Side, policy: Policy) -> None:
        self.side = side
        self.policy = policy
        self.next_policy: Policy | None = None  # from the next prompt on
        self.own = False  # a recording: operators' pins and minima do not bind this side
        self.seats = Seats()
        self.moved: list[Move] = []  # each page's last change, by table order; shared by all of one prompt
        self.fidelity = bytearray()  # in the last prompt, by table order
        self.in_prompt = array("i")  # tokens in the last prompt, by table order
        self.block_tokens: list[int] = []  # their sums, by ``BLOCK`` of pages
        self.hot: dict[int, float] = {}  # order → recency above 0
        self.index: Selector | None = None
        self.ghosts: set[int] = set()  # in the last prompt, but gone from the table since
        self.retext: set[int] = set()  # new (selecting sides), or with new text, since the last prompt
        self.touched: set[int] = set()  # selecting sides: created or changed in any way since the last prompt
        self.asked: dict[int, int] = {}  # order → highest credited demand of the turn that closed last
        self.dirty: dict[int, int] = {}  # order → event that last marked it
        self.at_risk: dict[int, Cause] = {}  # dirty at a compaction or prune: settled by the next prompt
        self.declared: dict[int, tuple[int, str, str]] = {}  # order → fidelity, reason, rule; next prompt
        self.restored: set[int] = set()  # what an operator's restore asks of the next prompt, at full
        # oracle only: order → turns that will demand it; set by replay
        self.future: dict[int, float] | None = None
        self.after_boundary: Cause | None = None  # a compaction or reset since the last prompt
        # observed sides only: what the next prompt changes, and old copies that still stand in it
        self.incoming: dict[int, int] = {}  # order → seq
        self.outgoing: dict[int, tuple[int, int, int, str]] = {}  # order → fidelity, and its cause
        self.stale: dict[int, int] = {}  # order → tokens
        # the turn
        self.demanded: dict[int, None] = {}
        self.verdicts: dict[int, Verdict] = {}  # by exact demands
        self.guesses: dict[int, Verdict] = {}  # by inferred ones that an exact one does not cover
        self.log = new_log()
        self.next_log = new_log()
        self.budget: int | None = None  # shown with the prompt
        self.page_budget: int | None = None  # what misses are classed by
        self.tokens_used = self.required_tokens = self.floor_tokens = self.insufficient_by = 0
        self.unmet: list[int] = []
        # running
        self.resident_tokens = 0
        self.resident_pages = 0  # above absent in the last prompt, ghosts among them
        self.standing = 0  # selecting sides: tokens that the last prompt's live pages would take now
        self.prefix_tokens = 0  # of the last prompt: what stood as before, up to the first difference
        self.by_type: dict[str, int] = {}
        self.totals = Totals()
        self.journal = Journal()
        self.chain = ""  # SHA-256 of the trace's last line
        self.residency = 0  # sum of the digests of what is resident
        self.changed_since_keyframe = 0

    def take_policy(self, table: PageTable) -> None:
        """The policy that the settings were changed to holds from now on."""
        if self.next_policy is not None:
            self.set_policy(self.next_policy, table)

    def set_policy(self, policy: Policy, table: PageTable) -> None:
        self.policy, self.next_policy = policy, None
        self.index = new_selector(policy, table, self) if policy.selects else None

    def add_page(self, page: Page, seq: int) -> None:
        """A new page of the table."""
        order = page.order
        self.fidelity.append(0)
        self.in_prompt.append(0)
        self.moved.append(NO_MOVE)
        if not order % BLOCK:
            self.block_tokens.append(0)
        if self.index is not None:
            self.index.enter(page)
            self.touched.add(order)
            self.retext.add(order)
        else:
            self.incoming[order] = seq

    def stands_at(self, page: Page) -> int:
        """Tokens that a live page of the last prompt would take now at its fidelity there."""
        return page.tokens[AT[page.mask][self.fidelity[page.order]]] if self.fidelity[page.order] else 0

    def tokens_before(self, order: int) -> int:
        """Tokens in the last prompt of the pages before this one in table order."""
        start = order // BLOCK
        return sum(self.block_tokens[:start]) + sum(self.in_prompt[start * BLOCK : order])

    def demands(self) -> dict[int, tuple[int, str, str]]:
        """What the next prompt is asked for: declared demands, and operators' restores above them."""
        if not self.restored:
            return self.declared
        restores = (int(Fidelity.FULL), ChangeReason.RESTORED.value, "operator_restore")
        return {**self.declared, **dict.fromkeys(sorted(self.restored), restores)}

    def resident(self) -> int:
        """Live pages above absent in the last prompt."""
        return self.resident_pages - len(self.ghosts)


class State:
    """One session. Opaque outside the core; ``engine.step`` moves it."""

    def __init__(self) -> None:
        self.seq = 0
        self.rejected = 0
        self.started = self.ended = False
        self.turn = 0
        self.turn_open = False
        self.prompt_seq = 0
        self.request_id = ""
        self.requests: dict[str, int] = {}  # request id → turn
        self.harness = self.model = ""
        self.mode = Mode.OBSERVED
        self.window: int | None = None
        self.window_source = "unknown"
        self.reserve = 0
        self.budget: int | None = None
        self.shadow_budget: int | None = None  # of its own; else what the session leaves to pages
        self.replaying = False  # a log that ended is run again: policies may know what came after
        self.grants = frozenset(("session", "project"))
        self.multi_session = False
        self.table = PageTable()
        self.arrived: set[int] = set()  # pages that were not live at the last prompt, and came or came back
        self.texts: dict[int, int] = {}  # order → text_seq at the last prompt, of what changed since
        self.primary: SideState | None = None
        self.shadow: SideState | None = None
        self.calls: dict[str, tuple[str, int]] = {}  # call id → signature key, turn; until it returns
        # signature key → order of its latest result page, -1: none known; the id of a page that is to come
        self.history: dict[str, int | str] = {}
        self.acts: dict[int, Act] = {}  # by seq
        self.due: list[int] = []  # acts whose receipt is due
        self.boundaries = 0
        self.recorded_tokens: int | None = None
        self.unseen_tokens = self.stale_tokens = self.fixed_tokens = 0
        self.unseen_items: dict[str, int] = {}
        self.first_unseen: int | None = None  # tokens, at the first prompt whose size was recorded
        self.head = b""
        self.declarations = Declarations()
        self.validators: dict[str, Validator] = {}  # of this process: not in the snapshot

    def sides(self) -> tuple[SideState, ...]:
        """Primary, then shadow, as far as there are."""
        if self.primary is None:
            return ()
        return (self.primary,) if self.shadow is None else (self.primary, self.shadow)

    def page(self, page_id: str) -> Page | None:
        return self.table.by_id.get(page_id)


def whole_budget(state: State, side: SideState) -> int | None:
    """Tokens that pages have in a prompt now; ``None`` where neither budget nor window is known."""
    if side.side is Side.SHADOW and state.shadow_budget is not None:
        return state.shadow_budget
    if state.primary is not None and not state.primary.policy.selects:
        if state.window is not None and (side.side is Side.SHADOW or state.budget is None):
            return max(0, state.window - state.unseen_tokens - state.reserve)
        return state.budget
    if state.budget is not None:
        return state.budget
    return None if state.window is None else max(0, state.window - state.reserve - state.fixed_tokens)


def new_selector(policy: Policy, table: PageTable, side: SideState) -> Selector:
    """The selector that a policy asks for, made from the table and the side as they stand."""
    if policy.steady:
        return SteadySelector(policy, table, side)
    return SelectionIndex(policy, table, side.hot)


class Changing:
    """Context manager around any change of a page that is in the table already, so that every index and sum
    follows.
    """

    __slots__ = ("page", "state", "was_live")

    def __init__(self, state: State, page: Page) -> None:
        self.state, self.page = state, page

    def __enter__(self) -> Page:
        page = self.page
        self.was_live = page.status is PageStatus.LIVE
        self.state.texts.setdefault(page.order, page.text_seq)
        if self.was_live:
            self.state.table.leave(page)
            for side in self.state.sides():
                if side.index is not None:
                    side.index.leave(page)
                    side.standing -= side.stands_at(page)
        return page

    def __exit__(self, *_: object) -> None:
        page = self.page
        page.refit()
        live = page.status is PageStatus.LIVE
        if live:
            self.state.table.enter(page)
            if not self.was_live and page.left_seq < self.state.prompt_seq:
                self.state.arrived.add(page.order)
        for side in self.state.sides():
            if side.index is not None:
                side.touched.add(page.order)
                if live:
                    side.index.enter(page)
                    side.standing += side.stands_at(page)


def outcome(state: State, side: SideState, kind: str, page: Page | None = None, /, **data: Any) -> Outcome:
    """An outcome of the event in hand."""
    return Outcome(state.seq, side.side, state.turn, kind, None if page is None else page.page_id, data)


def cause_json(cause: Cause | None) -> dict[str, Any] | None:
    return None if cause is None else {"seq": cause[0], "turn": cause[1], "what": cause[2]}


def settle(
    state: State, side: SideState, moves: Iterable[tuple[int, int, Move]], found: list[Outcome]
) -> None:
    """Put pages (order, fidelity, why) at their fidelity of this prompt; an outcome for each that changed."""
    pages, fidelities, in_prompt = state.table.pages, side.fidelity, side.in_prompt
    by_type, arrived, seq, turn, name = side.by_type, state.arrived, state.seq, state.turn, side.side
    changes = side.log["changes"]
    resident = moved = 0
    for order, fidelity, move in moves:
        page = pages[order]
        before, tokens_before = fidelities[order], in_prompt[order]
        tokens = page.tokens[fidelity] or page.demanded_tokens(fidelity) if fidelity else 0
        by = tokens - tokens_before
        if by:
            in_prompt[order] = tokens
            side.block_tokens[order // BLOCK] += by
            resident += by
            kind = page.type._value_  # value, without its descriptor's cost
            by_type[kind] = by_type.get(kind, 0) + by
        elif before == fidelity and order not in side.retext and order not in side.incoming:
            continue  # new text of the same size is told: nothing of the page is pending any more
        if before != fidelity:
            fidelities[order] = fidelity
            side.moved[order] = move
            changes.append([order, fidelity, move[0], before])
            if not (before and fidelity):
                side.resident_pages += 1 if fidelity else -1
            if page.status is PageStatus.LIVE and order not in arrived:
                moved += tokens if by > 0 else tokens_before
        data = {
            "from": LABEL[before],
            "to": LABEL[fidelity],
            "tokens_from": tokens_before,
            "tokens_to": tokens,
            "reason": move[0],
        }
        found.append(Outcome(seq, name, turn, "residency", page.page_id, data))
    side.resident_tokens += resident
    side.totals.moved_tokens += moved


LABEL = ("absent", "pointer", "structured", "compressed", "full")
