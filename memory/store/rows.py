"""What the store takes and gives: plain frozen dataclasses, never models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from memory.core.outcomes import PageView, SessionView


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append. ``body``: a dict, or JSON bytes
    of an object. ``at``: the sender's time, for display. ``version``: of the kind, None for the current one.
    """

    kind: str
    body: dict[str, Any] | bytes
    client_event_id: str | None = None
    at: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an event stands in its log; ``duplicate``: it already stood there."""

    seq: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A raw record to append. The same ``record_key`` is the same record.

    ``length`` and ``sha256`` are those of the whole record where ``raw`` is only its head.
    """

    record_key: str
    raw: bytes
    source: str = ""
    offset: int | None = None  # bytes from the start of the source
    content_type: str = "application/json"
    length: int | None = None  # bytes
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class AppendedRecords:
    """``first_n`` is the ordinal of the first added record (the next free one if none was added).

    ``changed``: duplicates among ``duplicates`` whose bytes
    differ from the stored ones; the stored ones stay.
    """

    first_n: int
    added: int
    duplicates: int
    changed: int = 0


@dataclass(frozen=True, slots=True)
class ProblemRecord:
    """A record that could not be read, wholly or in part, and why."""

    n: int
    source: str
    offset: int | None
    length: int  # bytes
    problem: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session's row. ``view`` is None until the first drain. Times are ISO 8601 in UTC."""

    id: str
    project_id: int
    project: str  # slug
    project_name: str
    key: str
    name: str
    harness: str
    mode: str
    adapter: str
    parent_id: str | None
    created_at: str
    last_event_at: str | None  # by the sender's clock where it is long over (an import), else its arrival
    arrived_at: str | None  # when the newest event or record came
    title: str
    record_count: int
    record_bytes: int
    derived_n: int
    unknown_records: int
    broken_records: int
    last_seq: int
    applied_seq: int
    turn: int
    faults: int  # exact, policy-controllable, primary
    ended: bool
    pending: int  # events and records not yet folded
    live: bool  # not ended, and something happened within the last two minutes
    view: SessionView | None


@dataclass(frozen=True, slots=True)
class PageRow:
    """A page as it stands; ``changed_seq`` is the event that last changed it."""

    view: PageView
    changed_seq: int


@dataclass(frozen=True, slots=True)
class PageVersion:
    """A working version of a page: the event that brought it."""

    seq: int
    at: str
    tokens_full: int
    what: str


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A line of the ledger with its sentence of cause, safe for display."""

    side: str
    seq: int
    idx: int
    turn: int
    kind: str
    fault_class: str
    exact: bool
    page_id: str
    page_title: str
    tokens: int | None
    at: str
    data: dict[str, Any]
    sentence: str


@dataclass(slots=True)
class LedgerRun:
    """A line of the ledger that stands for ``count`` faults of following turns; ``row`` is the newest, and
    ``first_…`` say where the oldest stands.
    """

    row: LedgerRow
    first_seq: int
    first_idx: int
    first_turn: int
    count: int


@dataclass(frozen=True, slots=True)
class TurnRow:
    """A turn of one side: ``numbers`` as in the ``prompt`` outcome, without its pages."""

    turn: int
    prompt_seq: int
    closed: bool
    numbers: dict[str, Any]
    at: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the conversation. ``fidelity`` and ``shadow_fidelity`` are labels as the page stands now."""

    kind: str  # prompt, answer, tool_call, tool_result, summary, boundary, note
    turn: int
    seq: int
    page_id: str = ""
    title: str = ""
    text: str = ""
    fidelity: str | None = None
    shadow_fidelity: str | None = None
    at: str = ""
    call_id: str = ""
    tool: str = ""
    error: bool = False
    pending: bool = False  # its page came after the last prompt: in none yet
    shadow_pending: bool = False
    older: bool = False  # its page holds a newer text
    stale: bool = False  # superseded, and its old text still stands in the harness's prompt


@dataclass(frozen=True, slots=True)
class PromptRow:
    """An assembled prompt: the kept bytes."""

    request_id: str
    turn: int
    seq: int
    sha256: str
    tokens: int
    body: bytes


@dataclass(frozen=True, slots=True)
class ActRow:
    """An operator's act. ``state``: pending, applied,
    refused, undone. ``receipt``: '', due, seen, missing.
    """

    seq: int
    kind: str
    actor: str
    page_ids: tuple[str, ...]
    state: str
    why: str
    reach: str
    turn: int | None
    receipt: str
    receipt_turn: int | None
    receipt_how: str
    reason: str
    at: str


@dataclass(frozen=True, slots=True)
class JournalRow:
    side: str
    seq: int
    idx: int
    turn: int
    update_id: str
    page_id: str
    phase: str
    reason: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """Who an API token speaks for."""

    token_id: int
    project_id: int
    project: str
    role: str
    name: str
