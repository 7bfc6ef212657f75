"""Waiting for something to become true, never by sleeping a guessed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def poll(look: Callable[[], T], deadline_s: float = 10.0, *, every_s: float = 0.05, what: str = "") -> T:
    """Calls `look` until it returns something true, and returns that. AssertionError after `deadline_s`."""
    end = time.monotonic() + deadline_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what or look!r} (last: {found!r})")
        time.sleep(every_s)
