"""Sentences of cause: what a line of the ledger says to a person. Plain text, safe for display."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from memory.safe import one_line

Data = dict[str, Any]
MAX_SENTENCE = 400  # characters


def sentence(kind: str, fault_class: str, data: Data) -> str:
    """What happened and why, for a ledger line of ``kind`` with the outcome's ``data``; '' if there is
    nothing to say.
    """
    make = _SENTENCES.get(kind)
    text = make(data) if make else str(data.get("why") or data.get("reason") or "")
    if fault_class == "insufficient" and kind in _FAULTS:
        text = _and(text, "no policy could have held it at this budget" + _over(data))
    return one_line(text, MAX_SENTENCE)


def _and(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else "?"


def _over(data: Data) -> str:
    required, window = data.get("required_tokens"), data.get("budget")
    if isinstance(required, int) and isinstance(window, int):
        return f": required set {required:,} > budget {window:,}"
    short = data.get("insufficient_by")
    return f": short by {short:,} tokens" if isinstance(short, int) and short else ""


def cause_text(cause: Any) -> str:
    """What the outcome's ``cause`` {seq, turn, what} says."""
    if not isinstance(cause, dict):
        return ""
    what = str(cause.get("what") or "")
    if not what:
        return ""
    turn = cause.get("turn")
    named = {
        "compaction": "dropped by the compaction",
        "prune": "dropped by the prune",
        "flush": "dropped by the flush",
        "reset": "dropped by the reset",
        "shutdown": "lost at the shutdown",
        "displaced": "displaced by other pages",
        "unmet": "did not fit",
        "dropped": "dropped by the harness",
        "capped": "demoted by an operator",
        "superseded": "superseded by a newer version",
        "never": "was never in a prompt",
    }.get(what, what.replace("_", " "))
    return f"{named} of turn {turn}" if isinstance(turn, int) and turn > 0 else named


def _refetch(data: Data) -> str:
    demanded = data.get("demanded")
    asked = f"asked for at {demanded}" if demanded and demanded != "full" else "asked for again"
    rule = data.get("rule")
    return _and(
        asked + (f" ({rule})" if rule and data.get("exact") is False else ""), cause_text(data.get("cause"))
    )


def _duplicate(data: Data) -> str:
    return _and("the same call again, and its result was gone", cause_text(data.get("cause")))


def _pinned(data: Data) -> str:
    at = data.get("resident") or "absent"
    return _and(f"hard-pinned, but {at} in the prompt", cause_text(data.get("cause")))


def _bootstrap(data: Data) -> str:
    at = data.get("resident") or "absent"
    return _and(f"{at} in the first prompt after the boundary", cause_text(data.get("cause")))


def _recall(data: Data) -> str:
    query = data.get("evidence") or data.get("query") or ""
    return f"a search came back empty and nobody said why{': ' + str(query) if query else ''}"


def _flush_miss(data: Data) -> str:
    return _and("destroyed while dirty: nothing was written back", cause_text(data.get("cause")))


def _alert(data: Data) -> str:
    text = "the same call again although its result was there"
    return _and(text, "the harness had dropped it" if data.get("caused_by_drop") else "")


def _refresh(data: Data) -> str:
    why = str(data.get("why") or "").replace("_", " ")
    return _and("the same call again; its answer may have changed", why)


def _page_in(data: Data) -> str:
    tokens = _number(data.get("tokens"))
    return f"met by resolving a {data.get('from', '?')} to {data.get('to', '?')}: {tokens} tokens"


def _boundary(data: Data) -> str:
    before, after = data.get("tokens_before"), data.get("tokens_after")
    sizes = f"{_number(before)} → {_number(after)} tokens" if before is not None or after is not None else ""
    counts = [
        f"{_number(_count(data[name]))} {name}"
        for name in ("staged", "committed", "rejected", "lost", "kept", "dropped")
        if _count(data.get(name))
    ]
    trigger = data.get("trigger")
    head = str(data.get("boundary") or "boundary") + (f" ({trigger})" if trigger else "")
    return _and(head, sizes, ", ".join(counts))


def _count(value: Any) -> int:
    return len(value) if isinstance(value, list) else value if isinstance(value, int) else 0


def _act(data: Data) -> str:
    name = str(data.get("act") or "act").removeprefix("operator_")
    return _and(f"{name} {data.get('state', '')}".strip(), str(data.get("reason") or ""))


def _receipt(data: Data) -> str:
    turn, state = data.get("prompt_turn"), data.get("state")
    said = {"seen": "seen in", "missing": "missing from", "due": "due in"}.get(str(state), f"{state} in")
    return _and(f"{said} prompt {turn}" if turn else f"{said} the next prompt", str(data.get("how") or ""))


def _parked(data: Data) -> str:
    return _and(f"update {data.get('update_id', '?')} parked", str(data.get("reason") or ""))


def _lost(data: Data) -> str:
    return _and(f"update {data.get('update_id', '?')} lost", str(data.get("reason") or ""))


def _rejected(data: Data) -> str:
    return _and("event not applied", str(data.get("why") or ""))


_FAULTS = {
    "refetch",
    "duplicate_tool",
    "pinned_invariant_miss",
    "post_compaction_bootstrap",
    "silent_recall",
    "flush_miss",
}
_SENTENCES: dict[str, Callable[[Data], str]] = {
    "refetch": _refetch,
    "duplicate_tool": _duplicate,
    "pinned_invariant_miss": _pinned,
    "post_compaction_bootstrap": _bootstrap,
    "silent_recall": _recall,
    "flush_miss": _flush_miss,
    "alert": _alert,
    "refresh": _refresh,
    "page_in": _page_in,
    "boundary": _boundary,
    "act": _act,
    "receipt": _receipt,
    "parked": _parked,
    "lost": _lost,
    "rejected": _rejected,
}
