"""What the rows have room for, where that is less than what the core's codec lets through.

The codec bounds an event for the engine; these bounds are those of the columns that an event's fields become.
Both are asked before an event enters the log, so that what is in the log can be stored as rows.
"""

from __future__ import annotations

from typing import Any, Final

from memory.core.errors import EventError

MAX_ID: Final = 200  # characters of a request id, update id, session key, record key or client event id
MAX_NUMBER: Final = 2**31 - 2  # of a turn, a seq or a version

#: kind → ((field, …), …); a field of an inner object is written "update.update_id".
_IDS: Final[dict[str, tuple[str, ...]]] = {
    "prompt_requested": ("request_id",),
    "prompt_observed": ("request_id",),
    "model_answered": ("request_id",),
    "write_staged": ("update.update_id",),
    "write_judged": ("update_id",),
    "write_resolved": ("update_id",),
}
_NUMBERS: Final[dict[str, tuple[str, ...]]] = {
    "receipt": ("turn", "act_seq"),
    "operator_undo": ("act_seq",),
    "operator_pin": ("based_on_seq",),
    "operator_unpin": ("based_on_seq",),
    "operator_demote": ("based_on_seq",),
    "operator_restore": ("based_on_seq", "version"),
    "project_commit": ("version",),
    "write_staged": ("update.base_version",),
}


def check(kind: str, body: dict[str, Any]) -> None:
    """Raises EventError for a field that is over its column; of other faults it says nothing."""
    for name in _IDS.get(kind, ()):
        value = _at(body, name)
        if isinstance(value, str) and len(value) > MAX_ID:
            raise EventError(name, f"is longer than {MAX_ID} characters")
    for name in _NUMBERS.get(kind, ()):
        value = _at(body, name)
        if isinstance(value, int) and value > MAX_NUMBER:
            raise EventError(name, f"must be at most {MAX_NUMBER}")


def _at(body: dict[str, Any], name: str) -> Any:
    outer, _, inner = name.partition(".")
    value = body.get(outer)
    return value.get(inner) if inner and isinstance(value, dict) else None if inner else value
