"""A drain: derive, then apply, until nothing is pending or the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.db.models import F

from memory.models import Session
from memory.store.append import session_pk
from memory.store.apply import apply_pending
from memory.store.derive import derive_pending

__all__ = ["apply_pending", "derive_pending", "drain", "pending_sessions"]


def drain(
    session_id: str, on_applied: Callable[[str, int], None] | None = None, seconds: float = 20.0
) -> bool:
    """Drains the session; ``on_applied`` is told (session id, seq) after each commit. True: the time is up
    and something is left.

    Each turn of the loop does something, however short the time; half of it goes to records, half to events.
    """
    begin = time.monotonic()
    end = begin + seconds
    while True:
        derived = derive_pending(session_id, (time.monotonic() + end) / 2)
        applied = apply_pending(session_id, end)
        if applied.done and on_applied is not None:
            on_applied(str(session_pk(session_id)), applied.seq)
        if not derived.more and not applied.more:
            return False  # what was appended meanwhile has asked for a drain of its own
        if time.monotonic() > end:
            return True


def pending_sessions(limit: int = 1000) -> dict[str, tuple[int, int]]:
    """Session id → (derived_n, applied_seq) of sessions
    with work to do; two look-ups in small partial indexes.
    """
    fields = ("pk", "derived_n", "applied_seq")
    waiting = list(Session.objects.filter(derived_n__lt=F("record_count")).values_list(*fields)[:limit])
    waiting += Session.objects.filter(applied_seq__lt=F("last_seq")).values_list(*fields)[:limit]
    return {str(pk): (n, seq) for pk, n, seq in waiting}
