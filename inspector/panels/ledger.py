"""The fault ledger: newest first, one line a fact, each with its sentence of cause."""

from __future__ import annotations

from typing import Any

from inspector.queries import LEDGER_KINDS, LEDGER_WINDOW, MAX_LEDGER, Look, Picture
from memory.store import LedgerRow, LedgerRun

FAULTS = frozenset(LEDGER_KINDS["faults"])
LABELS = {
    "": "all",
    "faults": "faults",
    "alerts": "alerts, page-ins",
    "boundaries": "boundaries",
    "acts": "acts",
}


def line_id(run: LedgerRun) -> str:
    """By where the run began, so that it keeps its id while it grows."""
    return f"l-{run.row.side[0]}-{run.first_seq}-{run.first_idx}"


def span(run: LedgerRun) -> str:
    """The turns of a run of several, '' for a single line."""
    return f"turns {run.first_turn:,}–{run.row.turn:,} · {run.count:,} prompts" if run.count > 1 else ""


def tone(row: LedgerRow) -> str:
    """The class of the mark at the line's edge."""
    if row.kind in FAULTS:
        return "is-insufficient" if row.fault_class == "insufficient" else "is-fault"
    return f"is-{row.kind}"


def name(row: LedgerRow) -> str:
    """What the line is called: a boundary by its own kind."""
    if row.kind == "boundary":
        return str(row.data.get("boundary", "boundary"))
    return row.kind


def certainty(row: LedgerRow) -> str:
    if row.kind in FAULTS:
        return f"{row.fault_class or 'policy'}, {'exact' if row.exact else 'inferred'}"
    if row.kind in ("alert", "refresh", "page_in"):
        return "exact" if row.exact else "inferred"
    return ""


def line(run: LedgerRun, look: Look) -> dict[str, Any]:
    row = run.row
    return {
        "id": line_id(run),
        "row": row,
        "span": span(run),
        "count": run.count,
        "name": name(row),
        "tone": tone(row),
        "certainty": certainty(row),
        "side": "under ClawVM" if row.side == "shadow" and look.side == "both" else "",
        "title": row.page_title or row.page_id,
        "query": Look(side=look.side, page=row.page_id).query() if row.page_id else "",
        "time": row.at[11:19] if len(row.at) >= 19 else row.at[:8],
    }


def context(picture: Picture) -> dict[str, Any]:
    look = picture.look
    older = min(look.old + LEDGER_WINDOW, MAX_LEDGER)
    full = picture.ledger_more and older > look.old
    return {
        "lines": [line(run, look) for run in picture.ledger],
        "kinds": [
            {"kind": k, "label": v, "on": k == look.kind, "query": look.query(kind=k, old=LEDGER_WINDOW)}
            for k, v in LABELS.items()
        ],
        "older_query": look.query(old=older) if full else "",
        "look": look,
    }
