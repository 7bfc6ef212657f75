"""The store's one way to say that a session has work: a
function that the app sets, so that no queue is imported.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

_waker: Callable[[str], None] | None = None


def set_waker(waker: Callable[[str], None] | None) -> None:
    """Sets what is called with a session's id after a commit that gave it work."""
    global _waker
    _waker = waker


def wake_on_commit(session_id: str) -> None:
    """Calls the waker once the running transaction has committed."""
    transaction.on_commit(lambda: wake(session_id), robust=True)


def wake(session_id: str) -> None:
    """Calls the waker now."""
    if _waker is not None:
        _waker(session_id)
