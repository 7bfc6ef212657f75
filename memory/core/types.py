"""The model's vocabulary: enums, limits and the few value types that everything else is made of.

Source: the ClawVM model (Rafique and Bindschaedler, EuroMLSys '26, arXiv 2604.10352). Members marked *(ours)*
are this project's. Tokens are always whole tokens (``int``), fidelity always a ``Fidelity``.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final


class Fidelity(IntEnum):
    """How much of a page is in the prompt; ordered ``absent < pointer < structured < compressed < full``."""

    ABSENT = 0  # nothing of the page is in the prompt
    POINTER = 1  # a handle that resolves to the full page, plus minimal metadata
    STRUCTURED = 2  # the typed fields that satisfy the page's invariant
    COMPRESSED = 3  # fewer tokens, same kind of text
    FULL = 4  # verbatim

    @property
    def label(self) -> str:
        """The lower-case name used in JSON and on screen."""
        return self.name.lower()


class PageType(StrEnum):
    """What a page holds; decides its default pin, minimum and degradation path."""

    BOOTSTRAP = "bootstrap"  # system prompt, procedures, policy files
    CONSTRAINT = "constraint"  # rules the agent must honour
    PLAN = "plan"  # goal, steps, current step
    PREFERENCE = "preference"  # user or project preferences
    EVIDENCE = "evidence"  # tool results
    CONVERSATION = "conversation"  # one user prompt with its answers, or an answer's span


class Pin(StrEnum):
    """Pin class; ``hard`` means never below the minimum, ``soft`` raises the worth of an upgrade."""

    NONE = "none"
    SOFT = "soft"
    HARD = "hard"


class Scope(StrEnum):
    SESSION = "session"  # private to one agent session; dirty content is lost at a reset or shutdown
    PROJECT = "project"  # shared by the sessions of a project


class Mode(StrEnum):
    """How far ClawWeb's word reaches in a session."""

    ENFORCED = "enforced"  # our selector builds the prompt
    INJECTED = "injected"  # our pins are added to a prompt that the harness builds
    OBSERVED = "observed"  # we only read


_INJECTABLE: Final = ("pin", "restore")


def reach(mode: str, act: str) -> str:
    """How far an operator's act goes in a session of this mode: enforced, injected, or shadow (it shows what
    it would have done). ``act``: with or without ``operator_``.

    A harness that we only add text to cannot be made to leave something out.
    """
    if mode == Mode.ENFORCED:
        return "enforced"
    injected = mode == Mode.INJECTED and act.removeprefix("operator_") in _INJECTABLE
    return "injected" if injected else "shadow"


class Side(StrEnum):
    """Which of the two computations over one log a fact belongs to; they are never mixed."""

    PRIMARY = "primary"  # the session as it was
    SHADOW = "shadow"  # the same log under a second policy: counterfactual


class BoundaryKind(StrEnum):
    """Lifecycle boundaries: the events that can destroy state."""

    COMPACTION = "compaction"
    PRUNE = "prune"  # micro-compaction is a prune
    FLUSH = "flush"
    RESET = "reset"
    SHUTDOWN = "shutdown"


class FaultKind(StrEnum):
    REFETCH = "refetch"
    DUPLICATE_TOOL = "duplicate_tool"
    PINNED_INVARIANT_MISS = "pinned_invariant_miss"
    POST_COMPACTION_BOOTSTRAP = "post_compaction_bootstrap"
    SILENT_RECALL = "silent_recall"
    FLUSH_MISS = "flush_miss"


class FaultClass(StrEnum):
    POLICY = "policy"  # a better policy at this budget would have avoided it
    INSUFFICIENT = "insufficient"  # no policy could have: shown apart, never counted as policy-controllable


class ToolKind(StrEnum):
    READ = "read"  # same answer until what it reads is written
    WRITE = "write"  # changes resources; supersedes what depended on them
    VOLATILE = "volatile"  # the answer may differ each time; never a duplicate


class WriteOp(StrEnum):
    APPEND = "append"
    MERGE = "merge"
    SET_WITH_VERSION = "set_with_version"


class RejectReason(StrEnum):
    """Why a staged update was parked; the first check that fails gives the reason, in this order."""

    SCHEMA_INVALID = "SCHEMA_INVALID"
    PROVENANCE_UNRESOLVED = "PROVENANCE_UNRESOLVED"
    SCOPE_DENIED = "SCOPE_DENIED"
    DESTRUCTIVE_OP = "DESTRUCTIVE_OP"
    POLICY_DENIED = "POLICY_DENIED"


class RecallReason(StrEnum):
    """Why a recall came back empty."""

    NO_MATCH = "NO_MATCH"
    DENIED = "DENIED"
    BACKEND_ERROR = "BACKEND_ERROR"


class ChangeReason(StrEnum):
    """Why a page's fidelity differs from the previous prompt."""

    PINNED = "pinned"  # required by a hard pin
    RESTORED = "restored"  # required: first prompt after a compaction or reset, or an operator's restore
    DEMANDED = "demanded"  # required by a declared demand
    ARRIVED = "arrived"  # (ours) required of a shadow: it came with this prompt, whole
    PREFETCHED = "prefetched"  # pointer prefetch
    UPGRADED = "upgraded"  # phase 2
    UNMET = "unmet"  # required, did not fit
    DISPLACED = "displaced"  # fell because others took the room
    DROPPED = "dropped"  # a boundary of the harness dropped it (observed)
    RECORDED = "recorded"  # (ours) the harness's record shows it (observed)
    LEFT = "left"  # (ours) superseded or retired: it left the page table


class PageStatus(StrEnum):
    LIVE = "live"
    SUPERSEDED = "superseded"  # a newer version of the same thing exists; the handle still resolves
    RETIRED = "retired"


A, P, S, C, F = Fidelity.ABSENT, Fidelity.POINTER, Fidelity.STRUCTURED, Fidelity.COMPRESSED, Fidelity.FULL

#: Fidelities a page of the type may have above absent, ascending.
DEGRADATION_PATH: Final[dict[PageType, tuple[Fidelity, ...]]] = {
    PageType.BOOTSTRAP: (S, F),
    PageType.CONSTRAINT: (S, F),
    PageType.PLAN: (P, S, F),
    PageType.PREFERENCE: (P, S, C, F),
    PageType.EVIDENCE: (P, S, C, F),
    PageType.CONVERSATION: (P, S, C, F),
}
DEFAULT_PIN: Final[dict[PageType, Pin]] = {
    PageType.BOOTSTRAP: Pin.HARD,
    PageType.CONSTRAINT: Pin.HARD,
    PageType.PLAN: Pin.SOFT,
    PageType.PREFERENCE: Pin.NONE,
    PageType.EVIDENCE: Pin.NONE,
    PageType.CONVERSATION: Pin.NONE,
}
DEFAULT_MIN: Final[dict[PageType, Fidelity]] = {
    t: (S if t in (PageType.BOOTSTRAP, PageType.CONSTRAINT) else P) for t in PageType
}

#: Limits; what goes over one is refused (replay files) or rejected with the reason (live).
MAX_PAGE_ID: Final = 512  # characters
MAX_TITLE: Final = 1_000  # characters
MAX_TOKENS: Final = 100_000_000  # of one representation
MAX_PAGES: Final = 200_000  # of one session
MAX_LIST: Final = 10_000  # entries of one list in an event
