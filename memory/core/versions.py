"""Versions of the event kinds, and how a body of an older one becomes one of the next.

A kind begins at version 1. Whatever makes bodies that were right before wrong, or mean something else, adds a
step to ``STEPS``: a pure function from the older body's JSON to the newer one's. A new field whose default
says what its absence always meant is no new version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from memory.core.errors import EventError
from memory.core.types import RecallReason

MAX_VERSION: Final = 1_000_000  # that a kind can ever have
Step = Callable[[dict[str, Any]], dict[str, Any]]


def _recall_1(body: dict[str, Any]) -> dict[str, Any]:
    """Version 1 took any text as ``reason``; version 2 takes a code, and the text is its ``detail``.

    A text that is none of the codes said why nothing was found, so it still counts as a reason.
    """
    reason = body.get("reason")
    if not isinstance(reason, str):
        return body
    rest = {key: value for key, value in body.items() if key != "reason"}
    code = reason.strip().upper().replace(" ", "_")
    if code in RecallReason.__members__:
        return {**rest, "reason": code}
    if not reason:
        return rest
    return {**rest, "reason": RecallReason.NO_MATCH.value, "detail": reason}


#: kind → its steps; the first makes version 2 of version 1. A kind that is not here is at version 1.
STEPS: Final[dict[str, tuple[Step, ...]]] = {"recall": (_recall_1,)}


def event_version(kind: str) -> int:
    """The version in which bodies of the kind are written now."""
    return 1 + len(STEPS.get(kind, ()))


def migrate(kind: str, body: dict[str, Any], version: int) -> dict[str, Any]:
    """The body as the current version has it; ``body`` itself is not changed.

    Raises ``EventError`` for a version that is none, or one that this program is too old for.
    """
    now = event_version(kind)
    if type(version) is not int or not 1 <= version <= MAX_VERSION:
        raise EventError("version", f"must be a whole number from 1 to {MAX_VERSION}")
    if version > now:
        raise EventError(
            "version", f"{kind} of version {version} is newer than {now}, the newest known here: upgrade"
        )
    for step in STEPS.get(kind, ())[version - 1 :]:
        body = step(body)
    return body
