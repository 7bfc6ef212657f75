"""The API's JSON shapes. Tokens are whole tokens; fidelities
go by label (``full``); times are ISO 8601 in UTC.

Text that an agent wrote may hold lone surrogates, which JSON carries as
``\\ud8xx`` escapes: such fields are ``AgentText``, a string that is passed on as
it is. Request fields that people choose (keys, names, ids) are ordinary strings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Annotated, Any, Literal

from ninja import Field, Schema
from pydantic import ConfigDict, WithJsonSchema

from memory.core.types import MAX_PAGE_ID, Fidelity, Mode, Pin

AgentText = Annotated[Any, WithJsonSchema({"type": "string"})]
AgentTexts = Annotated[Any, WithJsonSchema({"type": "array", "items": {"type": "string"}})]
JsonObject = Annotated[Any, WithJsonSchema({"type": "object"})]
FidelityLabel = Literal["absent", "pointer", "structured", "compressed", "full"]
Side = Literal["primary", "shadow"]

MAX_ID = 200  # characters of keys, request ids and client event ids
MAX_PAGES_OF_ACT = 500
MAX_WAIT_MS = 30_000
MAX_SEQ = 2**31 - 2  # of events and turns


def plain(value: Any) -> Any:
    """Any of the core's or the store's values as what JSON
    holds: dataclasses as objects, fidelities as labels.
    """
    if isinstance(value, Fidelity):
        return value.label
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def plain_all(values: Iterable[Any]) -> list[Any]:
    return [plain(value) for value in values]


class Strict(Schema):
    """A request's body: an unknown field is a mistake, not a wish to be ignored."""

    model_config = ConfigDict(extra="forbid")


# -- errors ------------------------------------------------------------------------------------------------


class ErrorItem(Schema):
    """One bad item: ``index`` counts from 0 in the batch that was sent."""

    index: int | None = None
    where: str = ""
    why: str = ""


class ErrorBody(Schema):
    """``code`` is for programs; ``how`` says what to do.
    Further fields (limit, got, log_id) may stand beside.
    """

    model_config = ConfigDict(extra="allow")
    code: str
    message: str
    where: str
    how: str
    items: list[ErrorItem] = []


class Error(Schema):
    """What every refused request is answered with."""

    error: ErrorBody


# -- sessions ----------------------------------------------------------------------------------------------


class Started(Strict):
    """The settings a session opens with (the ``session_started`` event without harness and mode)."""

    policy: str = "clawweb"
    model: str = ""
    window: int | None = Field(None, ge=1)
    window_source: Literal["recorded", "published", "configured", "unknown"] = "unknown"
    reserve: int = Field(0, ge=0)
    budget: int | None = Field(None, ge=0)
    shadow_policy: str | None = None
    shadow_budget: int | None = Field(None, ge=0)
    settings: dict[str, Any] = {}
    resumed_from: str | None = None
    policies: list[dict[str, Any]] = []
    write_rules: list[dict[str, Any]] = []
    validators: list[str] = []


class SessionIn(Strict):
    """``key``: the harness's own id; the same key of a project finds the same session.

    ``started``: left out, a session without adapter opens with the defaults; ``null`` says that you will
    append ``session_started`` yourself. With an adapter the records open the session, unless ``started`` is
    given: then its settings hold, whatever the records say.
    """

    key: str = Field(min_length=1, max_length=MAX_ID)
    name: str = Field("", max_length=MAX_ID)
    harness: str = Field(min_length=1, max_length=40)
    mode: Mode
    adapter: str = Field("", max_length=40)
    parent_key: str | None = Field(None, min_length=1, max_length=MAX_ID)
    project: str | None = Field(
        None, description="slug; only needed by a signed-in person with several projects"
    )
    started: Started | None = None


class Totals(Schema):
    """Running counts of one side; ``faults`` and its like by fault kind, ``by_type`` resident tokens."""

    policy: str
    budget: int | None
    tokens_used: int
    required_tokens: int
    floor_tokens: int
    insufficient_by: int
    faults: dict[str, int]
    faults_inferred: dict[str, int]
    insufficient: dict[str, int]
    alerts: int
    refreshes: int
    hits: int
    page_ins: int
    page_in_tokens: int
    reread_tokens: int = 0
    moved_tokens: int
    thrash: float
    trace_sha256: str
    by_type: dict[str, int]


class Header(Schema):
    """The session as last folded, at ``applied_seq``."""

    harness: AgentText
    mode: str
    model: AgentText
    window: int | None
    window_source: str
    reserve: int
    turn: int
    applied_seq: int
    recorded_tokens: int | None
    unseen_tokens: int
    unseen_items: JsonObject
    stale_tokens: int
    fixed_tokens: int
    pages: int
    resident: int
    dirty: int
    parked: int
    rejected_events: int
    boundaries: int
    ended: bool
    primary: Totals
    shadow: Totals | None
    prompt_seq: int


class SessionOut(Schema):
    """``last_seq`` events are stored, ``applied_seq`` folded; ``pending`` events and records wait.

    ``view`` is null until the first event was folded. ``live``: not ended, and something happened lately:
    ``last_event_at`` is the sender's time where that is long before ``arrived_at`` (an import). A session
    opened with ``settings: {"replayed": true}`` is a recording played now: its arrivals count.
    """

    id: str
    project: str
    key: str
    name: str
    harness: str
    mode: str
    adapter: str
    parent_id: str | None
    created_at: str
    last_event_at: str | None
    arrived_at: str | None
    title: str
    record_count: int
    record_bytes: int
    derived_n: int
    unknown_records: int
    broken_records: int
    last_seq: int
    applied_seq: int
    turn: int
    faults: int
    ended: bool
    pending: int
    live: bool
    view: Header | None


class SessionFound(SessionOut):
    created: bool


class SessionList(Schema):
    items: list[SessionOut]
    total: int
    offset: int
    limit: int


# -- the log -----------------------------------------------------------------------------------------------


class EventIn(Strict):
    """One event; ``body`` as the event kind's fields. ``client_event_id`` makes a retry safe. ``v``: the
    kind's version that the body is of, where it is not the current one (see ``docs/events.md``).
    """

    kind: str = Field(min_length=1, max_length=32)
    v: int | None = Field(None, ge=1, le=1000)
    body: JsonObject
    client_event_id: str | None = Field(None, min_length=1, max_length=MAX_ID)
    at: str = Field("", max_length=40)


class EventBatch(Strict):
    events: list[EventIn] = Field(min_length=1)


class AppendedOut(Schema):
    """``duplicate``: the event had been stored before, under this seq."""

    seq: int
    duplicate: bool


class EventsAppended(Schema):
    """In the order sent. ``last_seq`` is the highest of them."""

    items: list[AppendedOut]
    last_seq: int


class RecordIn(Strict):
    """One raw record: ``raw`` as text, or ``raw_base64`` where it is not text. The same key is the same one.

    Of a record that is too long to send, send the head,
    with the whole one's ``length`` (bytes) and ``sha256``.
    """

    record_key: str = Field(min_length=1, max_length=MAX_ID)
    raw: AgentText = None
    raw_base64: str | None = None
    source: str = Field("", max_length=400)
    offset: int | None = Field(None, ge=0, le=2**62)
    content_type: str = Field("application/json", max_length=60)
    length: int | None = Field(None, ge=0, le=2**62)
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")


class RecordBatch(Strict):
    records: list[RecordIn] = Field(min_length=1)


class RecordsAppended(Schema):
    """``changed``: duplicates whose bytes differ from the stored ones, which stay."""

    first_n: int
    added: int
    duplicates: int
    changed: int


class ProblemOut(Schema):
    """A record that could not be read, wholly or in part; ``offset`` and ``length`` in bytes."""

    n: int
    source: str
    offset: int | None
    length: int
    problem: str


class ProblemList(Schema):
    items: list[ProblemOut]


# -- pages -------------------------------------------------------------------------------------------------


class PageSide(Schema):
    fidelity: FidelityLabel
    tokens: int
    reason: str
    since_turn: int
    recency: float
    faults: int
    faults_inferred: int
    insufficient: int
    page_ins: int
    demand_turns: list[int]
    dirty: bool
    version: int
    pending_seq: int


class PageOut(Schema):
    """A page as it stands; ``changed_seq`` is the event that last changed it."""

    page_id: AgentText
    title: AgentText
    type: str
    scope: str
    pin: str
    min_fidelity: FidelityLabel
    cap: FidelityLabel | None
    status: str
    dirty: bool
    version: int
    inferred: bool
    resolvable: bool
    provenance_kind: AgentText
    provenance_ref: AgentText
    provenance_record: int | None
    base_utility: float
    recompute_cost: float
    tokens: dict[str, int]
    created_seq: int
    text_seq: int
    order: int
    primary: PageSide
    shadow: PageSide | None
    changed_seq: int


class PageList(Schema):
    items: list[PageOut]
    total: int
    offset: int
    limit: int


class RepresentationOut(Schema):
    tokens: int
    text: AgentText


class PageVersionOut(Schema):
    seq: int
    at: AgentText
    tokens_full: int
    what: AgentText


class PageDetail(PageOut):
    """``representations`` by fidelity label: the texts of the working version."""

    representations: dict[str, RepresentationOut]
    versions: list[PageVersionOut]


# -- faults, turns, prompts --------------------------------------------------------------------------------


class LedgerOut(Schema):
    """A line of the fault ledger. ``sentence`` says why it happened; ``data`` is the outcome's own."""

    side: str
    seq: int
    idx: int
    turn: int
    kind: str
    fault_class: str
    exact: bool
    page_id: AgentText
    page_title: AgentText
    tokens: int | None
    at: AgentText
    data: JsonObject
    sentence: AgentText


class LedgerList(Schema):
    """Newest first, or oldest first where ``after_seq`` was
    given. ``next_…``: ask on with it; null at the end.

    The last event's lines always come whole, so there may be more than ``limit`` of them.
    """

    items: list[LedgerOut]
    next_before_seq: int | None
    next_after_seq: int | None


class TurnOut(Schema):
    """A turn's prompt in numbers; ``sha256`` of its trace line once the turn is closed."""

    turn: int
    prompt_seq: int
    closed: bool
    numbers: JsonObject
    at: AgentText
    sha256: str


class TurnList(Schema):
    items: list[TurnOut]


class PromptIn(Strict):
    """``fixed_tokens``: what you put into the prompt beside
    our pages. ``wait_ms``: how long to wait for it.
    """

    request_id: str = Field(min_length=1, max_length=MAX_ID - 10)
    fixed_tokens: int = Field(0, ge=0, le=100_000_000)
    wait_ms: int = Field(10_000, ge=0, le=MAX_WAIT_MS)


class PromptPending(Schema):
    """The prompt is not there yet: repeat the same request (Retry-After says when)."""

    state: Literal["pending"] = "pending"
    request_id: str
    seq: int
    applied_seq: int


# -- acts --------------------------------------------------------------------------------------------------


class ActIn(Strict):
    """One act. ``pin``, ``min_fidelity`` belong to pin; ``cap`` to demote;
    ``version`` to restore; ``act_seq`` to undo; ``update_id``, ``action``
    and, to merge, ``value`` to resolve, which answers a parked update.

    ``client_event_id`` makes a retry safe. ``dry_run`` only
    says what it would cost. ``wait_ms``: wait until applied.
    """

    act: Literal["pin", "unpin", "demote", "restore", "undo", "resolve"]
    page_ids: list[Annotated[str, Field(min_length=1, max_length=MAX_PAGE_ID)]] = Field(
        default=[], max_length=MAX_PAGES_OF_ACT
    )
    pin: Pin | None = None
    min_fidelity: FidelityLabel | None = None
    cap: FidelityLabel | None = None
    version: int | None = Field(None, ge=0, le=MAX_SEQ)
    act_seq: int | None = Field(None, ge=1, le=MAX_SEQ)
    update_id: str | None = Field(None, min_length=1, max_length=MAX_ID)
    action: Literal["approve", "merge", "drop"] | None = None
    value: Any = None
    reason: str = Field("", max_length=400)
    based_on_seq: int | None = Field(None, ge=0, le=MAX_SEQ)
    client_event_id: str | None = Field(None, min_length=1, max_length=MAX_ID)
    dry_run: bool = False
    wait_ms: int = Field(0, ge=0, le=MAX_WAIT_MS)


class ActOut(Schema):
    """An act as it stands. ``receipt``: empty, due, seen or
    missing; ``reach``: enforced, injected or shadow.
    """

    seq: int
    kind: str
    actor: str
    page_ids: AgentTexts
    state: str
    why: AgentText
    reach: str
    turn: int | None
    receipt: str
    receipt_turn: int | None
    receipt_how: AgentText
    reason: AgentText
    at: str


class ActList(Schema):
    items: list[ActOut]


class Cost(Schema):
    """What an act would do, tried on a copy of the state at ``applied_seq``. ``changes``: page, from, to."""

    dry_run: Literal[True] = True
    allowed: bool
    why: AgentText
    tokens_before: int
    tokens_after: int
    budget: int | None
    floor_tokens: int
    insufficient_by: int
    changes: Annotated[
        Any, WithJsonSchema({"type": "array", "items": {"type": "array", "items": {"type": "string"}}})
    ]
    applied_seq: int
