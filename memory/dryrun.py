"""An act tried on a copy of the state, before it is sent: what it would cost, and how far it would reach."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from typing import Any, Final

from memory.core.types import Fidelity, reach
from memory.models import Session
from memory.store.append import session_pk
from memory.store.cache import Shelf
from memory.store.errors import BadEvent, UnknownSession

KEPT: Final = 8  # states of sessions kept warm in this process


@dataclass(frozen=True, slots=True)
class Tried:
    """What an act would do to the next prompt. Tokens are those of the primary side's pages.

    ``changes``: (page id, from, to). ``insufficient_by``: tokens by which the required set would exceed the
    budget. ``reach``: enforced, injected or shadow. All of it as of ``applied_seq``.
    """

    allowed: bool
    why: str
    tokens_before: int
    tokens_after: int
    budget: int | None
    changes: tuple[tuple[str, Fidelity, Fidelity], ...]
    floor_tokens: int
    insufficient_by: int
    reach: str
    applied_seq: int


@dataclass
class _Warm:
    state: Any
    seq: int


_warm: Shelf[_Warm] = Shelf(KEPT)
_lock = threading.Lock()


def try_act(session_id: str, kind: str, body: dict[str, Any], actor: str = "operator:") -> Tried:
    """Tries the act on a copy of the session's state; nothing is stored.

    Raises UnknownSession, BadEvent (the body is malformed).
    """
    from memory import core
    from memory.core.errors import EventError
    from memory.core.events import Event

    pk = session_pk(session_id)
    try:
        decoded = core.decode_body(kind, body)
    except EventError as error:
        raise BadEvent(0, error.where, error.why) from None
    # One at a time: each costs at most a fold of what came since, and two would fold it twice.
    with _lock:
        warm, mode = _state(pk)
        tried = core.dry_run(warm.state, Event(warm.seq + 1, decoded, actor))
        _warm.put(pk, warm)
    return Tried(
        allowed=tried.allowed,
        why=tried.why,
        tokens_before=tried.tokens_before,
        tokens_after=tried.tokens_after,
        budget=tried.budget,
        changes=tuple((page_id, before, after) for page_id, before, after in tried.changes),
        floor_tokens=tried.floor_tokens,
        insufficient_by=tried.insufficient_by,
        reach=reach(mode, kind),
        applied_seq=warm.seq,
    )


def _state(pk: uuid.UUID) -> tuple[_Warm, str]:
    from memory.store import fold

    found = Session.objects.filter(pk=pk).values_list("applied_seq", "mode").first()
    if found is None:
        raise UnknownSession(str(pk))
    seq, mode = found
    warm = _warm.take(pk)
    if warm is None or warm.seq > seq:
        warm = _Warm(fold.load_state(pk, seq)[0], seq)
    elif warm.seq < seq:
        fold.fold_rows(warm.state, pk, warm.seq, seq)
        warm.seq = seq
    return warm, mode
