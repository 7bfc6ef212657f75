"""Sentences of cause: what a line of the ledger says to a person. Plain text, safe for display."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from memory.core.types import FaultKind
from memory.safe import one_line

Data = dict[str, Any]
MAX_SENTENCE = 400  # characters


def sentence(kind: str, fault_class: str, data: Data, numbers: Data | None = None) -> str:
    """What happened and why, for a ledger line of ``kind`` with the outcome's ``data``; '' if there is
    nothing to say. ``numbers`` are those of the turn's prompt, for a miss that no policy could avoid.
    """
    make = _SENTENCES.get(kind)
    text = make(data) if make else str(data.get("why") or data.get("reason") or "")
    if fault_class == "insufficient" and kind in _FAULTS:
        text = _and(text, "no policy could have held it" + _over(kind, data, numbers or {}))
    return one_line(text, MAX_SENTENCE)


def _and(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else "?"


def _over(kind: str, data: Data, numbers: Data) -> str:
    """By which sum the budget was too small: the required
    set's, or the whole floor's (observed demands, repeats).
    """
    budget = numbers.get("page_budget", numbers.get("budget"))
    by_floor = kind == "duplicate_tool" or (kind == "refetch" and not data.get("declared"))
    name, tokens = ("floor", "floor_tokens") if by_floor else ("required set", "required_tokens")
    need = numbers.get(tokens)
    if isinstance(need, int) and isinstance(budget, int) and need > budget:
        return f": {name} {need:,} > budget {budget:,}"
    return " at this budget"


_WHATS = {
    "recorded": "stood in the harness's record",
    "selection: unmet": "did not fit",
    "selection: displaced": "displaced by other pages",
    "selection: dropped": "dropped by the harness",
    "left: superseded": "superseded by a newer version",
    "left: retired": "retired",
}
_BOUNDARIES = ("compaction", "prune", "flush", "reset", "shutdown")


def cause_text(cause: Any) -> str:
    """What the outcome's ``cause`` {seq, turn, what} says: "dropped by the compaction of turn 44"."""
    what = str(cause.get("what") or "") if isinstance(cause, dict) else ""
    if not what:
        return ""
    if what.split(" ")[0] in _BOUNDARIES:
        said = f"dropped by the {what}"
    else:
        said = _WHATS.get(what) or what.removeprefix("selection: ").replace("_", " ")
    turn = cause.get("turn")
    return (
        said
        if not isinstance(turn, int) or turn <= 0
        else f"{said} {'of' if 'dropped by' in said else 'at'} turn {turn}"
    )


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


_WHYS = {
    "sender": "the sender says so",
    "write": "what it reads was written since",
    "volatile": "the tool answers anew each time",
    "superseded": "a newer version of its result exists",
}


def _refresh(data: Data) -> str:
    why = str(data.get("why") or "")
    return _and("the same call again; its answer may have changed", _WHYS.get(why, why.replace("_", " ")))


def _page_in(data: Data) -> str:
    tokens = _number(data.get("tokens"))
    return f"met by resolving a {data.get('from', '?')} to {data.get('to', '?')}: {tokens} tokens"


def _boundary(data: Data) -> str:
    before, after = data.get("tokens_before"), data.get("tokens_after")
    known = [_number(size) for size in (before, after) if size is not None]
    sizes = f"{' → '.join(known)} tokens" + (
        "" if len(known) == 2 else " before" if after is None else " after"
    )
    sizes = sizes if known else ""
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
    why = ": ".join(str(data[key]) for key in ("reason", "detail") if data.get(key))
    return _and(f"update {data.get('update_id', '?')} parked", why)


def _resolved(data: Data) -> str:
    return f"update {data.get('update_id', '?')} answered by an operator: {data.get('reason') or '?'}"


def _overruled(data: Data) -> str:
    return f"update {data.get('update_id', '?')} committed all the same; {data.get('overrides')}"


def _lost(data: Data) -> str:
    return _and(f"update {data.get('update_id', '?')} lost", str(data.get("reason") or ""))


def _rejected(data: Data) -> str:
    return _and("event not applied", str(data.get("why") or ""))


_FAULTS = frozenset(kind.value for kind in FaultKind)
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
    "resolved": _resolved,
    "overruled": _overruled,
    "rejected": _rejected,
}
