"""The event kinds: one frozen dataclass each, with its JSON form (see ``codec``) and its limits.

An event is complete before the engine sees it: representations and token counts come in with it.
``seq`` is gapless from 1 per session. ``at`` is the sender's time and for display only, so it is not here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from memory.core.policies import Policy
from memory.core.types import (
    BoundaryKind,
    Fidelity,
    Mode,
    PageType,
    Pin,
    RecallReason,
    Scope,
    ToolKind,
    WriteOp,
)

Json = Any  # what json.loads returns


@dataclass(frozen=True, slots=True)
class Representation:
    """One fidelity's form of a page: ``tokens`` ≥ 1, ``text`` may be empty in workloads."""

    tokens: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a page came from; ``kind``: tool_call, span, file, operator or import; ``ref`` resolves it."""

    kind: str
    ref: str
    record: int | None = None  # ordinal of the raw record in the session, where there is one


@dataclass(frozen=True, slots=True)
class PageSpec:
    """A page as it comes into being. ``None`` for pin or minimum means the type's default."""

    page_id: str
    type: PageType
    provenance: Provenance
    representations: dict[Fidelity, Representation]  # full is mandatory; tokens strictly grow with fidelity
    scope: Scope = Scope.SESSION
    title: str = ""  # for people; the page_id serves where empty
    pin: Pin | None = None
    min_fidelity: Fidelity | None = None
    base_utility: float = 0.0
    recompute_cost: float = 0.0
    dirty: bool = False
    inferred: bool = False  # type or rule was guessed, not stated
    resolvable: bool = True  # the harness (or we) can bring the full page back from its handle
    resources: tuple[str, ...] = ()  # what it depends on: file:/p, dir:/p, url:…, workspace


@dataclass(frozen=True, slots=True)
class WriteRule:
    """A declared write policy. It binds an update that every condition fits (an empty one fits all), and an
    update that it binds and that it does not allow is rejected as ``POLICY_DENIED``, with the rule's name.
    At most 100 pages and 100 fields each.
    """

    name: str
    types: tuple[PageType, ...] = ()  # of the page
    scopes: tuple[Scope, ...] = ()  # of the page
    pages: tuple[str, ...] = ()  # page ids; one that ends in * stands for all that begin so
    fields: tuple[str, ...] = ()  # of the update
    deny: bool = False  # nothing may be written
    ops: tuple[WriteOp, ...] = ()  # that may be used; empty: any
    max_value_bytes: int | None = None  # of the value, as canonical JSON


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """``settings`` that the engine reads: ``grants`` (scopes the session may write), ``harness_resolves``
    (a harness that we only read can bring a cleared result back from its handle; false unless said).
    ``policies``: declared ones, at most 32; their names serve wherever a policy is named in this session.
    ``validators``: names of those that must each have a verdict on an update before it is committed.
    """

    KIND: ClassVar[str] = "session_started"
    harness: str
    mode: Mode
    policy: str = "clawvm"
    model: str = ""
    window: int | None = None  # tokens the model takes
    window_source: Literal["recorded", "published", "configured", "unknown"] = "unknown"
    reserve: int = 0  # tokens kept free for the answer
    budget: int | None = None  # tokens for pages; None: window less reserve less what we do not control
    shadow_policy: str | None = None  # None: no shadow
    shadow_budget: int | None = None  # tokens for its pages; None: window less unseen less reserve
    settings: dict[str, Json] = field(default_factory=dict)
    resumed_from: str | None = None
    policies: tuple[Policy, ...] = ()
    write_rules: tuple[WriteRule, ...] = ()
    validators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """Holds from the next prompt; ``None`` leaves a setting as it is."""

    KIND: ClassVar[str] = "settings_changed"
    budget: int | None = None
    policy: str | None = None
    reserve: int | None = None
    model: str | None = None
    window: int | None = None


@dataclass(frozen=True, slots=True)
class PageCreated:
    KIND: ClassVar[str] = "page_created"
    page: PageSpec
    rep_version: str = ""  # version of the code that made the representations


@dataclass(frozen=True, slots=True)
class PageUpdated:
    """A new working version of a page, also of one that was superseded (it is live again)."""

    KIND: ClassVar[str] = "page_updated"
    page_id: str
    representations: dict[Fidelity, Representation]
    what: str = ""
    durable: bool = False  # a durable copy exists, so the page is not dirty because of this
    provenance: Provenance | None = None
    title: str | None = None
    rep_version: str = ""


@dataclass(frozen=True, slots=True)
class PageSuperseded:
    KIND: ClassVar[str] = "page_superseded"
    page_id: str
    by: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PageRetired:
    KIND: ClassVar[str] = "page_retired"
    page_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PageLinked:
    KIND: ClassVar[str] = "page_linked"
    page_id: str
    session: str
    relation: Literal["sub_agent", "fork", "rewind"]


@dataclass(frozen=True, slots=True)
class DirtyMarked:
    KIND: ClassVar[str] = "dirty_marked"
    page_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DemandDeclared:
    KIND: ClassVar[str] = "demand_declared"
    page_id: str
    fidelity: Fidelity
    rule: str = ""


@dataclass(frozen=True, slots=True)
class PromptRequested:
    """Turn N begins: select and judge. ``fixed_tokens``: what the harness puts in beside our pages."""

    KIND: ClassVar[str] = "prompt_requested"
    request_id: str
    fixed_tokens: int = 0


@dataclass(frozen=True, slots=True)
class PromptObserved:
    """Turn N begins as the harness's record shows it."""

    KIND: ClassVar[str] = "prompt_observed"
    request_id: str  # the answer's native id: one model call
    recorded_tokens: int | None = None  # the whole prompt, as the provider counted it
    cached_tokens: int | None = None
    model: str = ""
    # itemised part of what we do not see, as far as known (system_and_tools, attachments, thinking …)
    unseen_items: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelAnswered:
    """``usage``: input, output, cache_read, cache_write (tokens). ``prompt_sha256``: what the agent sent."""

    KIND: ClassVar[str] = "model_answered"
    request_id: str
    usage: dict[str, int] = field(default_factory=dict)
    page_id: str | None = None  # the answer's page, if it has one
    stop_reason: str = ""
    prompt_sha256: str | None = None
    prompt_matches: bool | None = None  # completed by the worker: the hash is that of the kept prompt


@dataclass(frozen=True, slots=True)
class DemandObserved:
    KIND: ClassVar[str] = "demand_observed"
    page_id: str
    fidelity: Fidelity
    rule: str = ""
    evidence: str = ""
    exact: bool = True  # False: a rule guessed it
    # the demand is the repeated call itself: where it is unmet, the call's duplicate_tool is the fault
    call_repeat: bool = False


@dataclass(frozen=True, slots=True)
class ToolCalled:
    KIND: ClassVar[str] = "tool_called"
    call_id: str
    tool: str
    signature: str
    kind: ToolKind = ToolKind.READ
    refresh: bool = False  # the sender knows that the answer may have changed
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    exact: bool = True


@dataclass(frozen=True, slots=True)
class ToolReturned:
    KIND: ClassVar[str] = "tool_returned"
    call_id: str
    page_id: str | None = None
    error: bool = False


@dataclass(frozen=True, slots=True)
class Recall:
    KIND: ClassVar[str] = "recall"
    query: str
    found: int = 0
    reason: RecallReason | None = None  # why nothing was found
    detail: str = ""  # the same in the backend's own words
    pages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """One typed update. ``op`` is free text: an unknown one is a rejection (DESTRUCTIVE_OP), not an error."""

    update_id: str
    page_id: str
    field: str
    op: str
    value: Json
    scope: str
    evidence_ref: str
    base_version: int


@dataclass(frozen=True, slots=True)
class WriteStaged:
    KIND: ClassVar[str] = "write_staged"
    update: Update


@dataclass(frozen=True, slots=True)
class WriteJudged:
    """The verdict of a validator that looked at the outside world: logged, so that a replay need not look
    again. Of each validator the first verdict on an update holds.
    """

    KIND: ClassVar[str] = "write_judged"
    update_id: str
    validator: str
    verdict: Literal["allow", "deny"]
    reason: str = ""
    evidence: str = ""  # what it saw


@dataclass(frozen=True, slots=True)
class WriteResolved:
    """An operator's answer to a parked update, checked against the state as it is now.

    ``approve`` commits it; a check that still fails is overruled, and the commit names it. ``merge`` commits
    ``value`` in its place, ``drop`` gives it up. What is malformed or would lower a hard pin is never
    committed.
    """

    KIND: ClassVar[str] = "write_resolved"
    update_id: str
    action: Literal["approve", "merge", "drop"]
    value: Json = None


@dataclass(frozen=True, slots=True)
class Boundary:
    """``preserved`` None: the record does not say (observed: nothing survives but what is loaded again)."""

    KIND: ClassVar[str] = "boundary"
    kind: BoundaryKind
    trigger: str = ""
    tokens_before: int | None = None
    tokens_after: int | None = None
    preserved: tuple[str, ...] | None = None
    dropped: tuple[str, ...] = ()  # prune: the pages that leave
    leaves_pointers: bool = True  # prune: those that resolve keep a pointer; false: nothing stays (a rewind)
    summary_page: str | None = None


@dataclass(frozen=True, slots=True)
class ProjectCommit:
    """Another session committed the page. A working copy that is dirty here stays, and is parked at the next
    boundary as based on an older version, for an operator to approve or drop.
    """

    KIND: ClassVar[str] = "project_commit"
    page_id: str
    version: int
    representations: dict[Fidelity, Representation]
    origin_session: str = ""
    fields: dict[str, Json] = field(default_factory=dict)  # what updates wrote, as committed
    # the version before it, as far as this session was told; None: one below. What the session committed
    # above that crossed with this one, and does not stand
    base_version: int | None = None


@dataclass(frozen=True, slots=True)
class OperatorPin:
    """``based_on_seq``: the state the operator looked at when acting."""

    KIND: ClassVar[str] = "operator_pin"
    page_ids: tuple[str, ...]
    pin: Pin = Pin.HARD
    min_fidelity: Fidelity | None = None
    reason: str = ""
    based_on_seq: int | None = None


@dataclass(frozen=True, slots=True)
class OperatorUnpin:
    KIND: ClassVar[str] = "operator_unpin"
    page_ids: tuple[str, ...]
    reason: str = ""
    based_on_seq: int | None = None


@dataclass(frozen=True, slots=True)
class OperatorDemote:
    KIND: ClassVar[str] = "operator_demote"
    page_ids: tuple[str, ...]
    cap: Fidelity = Fidelity.POINTER
    reason: str = ""
    based_on_seq: int | None = None


@dataclass(frozen=True, slots=True)
class OperatorRestore:
    """``version``: an earlier committed version to return to, else lift the demotion and demand full."""

    KIND: ClassVar[str] = "operator_restore"
    page_ids: tuple[str, ...]
    version: int | None = None
    reason: str = ""
    based_on_seq: int | None = None


@dataclass(frozen=True, slots=True)
class OperatorUndo:
    KIND: ClassVar[str] = "operator_undo"
    act_seq: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    KIND: ClassVar[str] = "receipt"
    act_seq: int
    seen: bool
    turn: int | None = None
    how: str = ""  # bytes, hash and place where it was seen, or what was looked for


@dataclass(frozen=True, slots=True)
class SessionEnded:
    KIND: ClassVar[str] = "session_ended"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    KIND: ClassVar[str] = "noted"
    what: str
    data: dict[str, Json] = field(default_factory=dict)


Body = (
    SessionStarted | SettingsChanged | PageCreated | PageUpdated | PageSuperseded | PageRetired | PageLinked
    | DirtyMarked | DemandDeclared | PromptRequested | PromptObserved | ModelAnswered | DemandObserved
    | ToolCalled | ToolReturned | Recall | WriteStaged | WriteJudged | WriteResolved | Boundary
    | ProjectCommit | OperatorPin | OperatorUnpin | OperatorDemote | OperatorRestore | OperatorUndo | Receipt
    | SessionEnded | Noted
)  # fmt: skip

KINDS: dict[str, type] = {
    cls.KIND: cls
    for cls in (
        SessionStarted, SettingsChanged, PageCreated, PageUpdated, PageSuperseded, PageRetired, PageLinked,
        DirtyMarked, DemandDeclared, PromptRequested, PromptObserved, ModelAnswered, DemandObserved,
        ToolCalled, ToolReturned, Recall, WriteStaged, WriteJudged, WriteResolved, Boundary, ProjectCommit,
        OperatorPin, OperatorUnpin, OperatorDemote, OperatorRestore, OperatorUndo, Receipt,
        SessionEnded, Noted,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """What ``step`` takes. ``actor``: ``harness``, ``system`` or ``operator:<name>``."""

    seq: int
    body: Body
    actor: str = "harness"
