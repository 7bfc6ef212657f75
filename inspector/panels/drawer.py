"""One page: its representations, why it is resident, its versions and faults, and what was done to it."""

from __future__ import annotations

from typing import Any

from inspector.panels import acts as act_panel
from inspector.panels.held import on_side
from inspector.panels.ledger import line
from inspector.panels.table import LEVELS, lowest_at_least
from inspector.queries import Picture
from inspector.templatetags.claw import LETTERS, provenance_of
from memory.core.outcomes import PageView, SideView
from memory.core.types import Fidelity
from memory.safe import one_line
from memory.store import is_pending

TEXT_LIMIT = 20_000  # characters shown before "show all"
REASONS = {
    "pinned": "required by its hard pin",
    "restored": "required: first prompt after a boundary, or an operator's restore",
    "demanded": "required by a declared demand",
    "arrived": "required: it came with that prompt, and the harness sent it whole",
    "prefetched": "pointer prefetch",
    "upgraded": "upgraded, there was room",
    "unmet": "required, but it did not fit",
    "displaced": "displaced: the selector gave it less than before",
    "dropped": "dropped by a boundary of the harness",
    "left": "superseded or retired",
    "recorded": "the harness's record shows it",
    "": "never in a prompt",
}


def why(side: SideView, prompt_seq: int = 0) -> str:
    if is_pending(side, prompt_seq):
        return "came after the last prompt: in none yet; the next one, if there is one, takes it up"
    words = REASONS.get(side.reason, side.reason)
    return f"{words}, since turn {side.since_turn:,}" if side.reason else words


def chosen_rep(page: PageView, side: SideView, wanted: str) -> Fidelity:
    """The tab that is open: the asked one, else the one held now, else the fullest."""
    for level in page.tokens:
        if level.label == wanted:
            return level
    if side.fidelity in page.tokens:
        return side.fidelity
    return max(page.tokens, default=Fidelity.FULL)


def text_context(picture: Picture, *, whole: bool = False) -> dict[str, Any]:
    """The tabs and the open text; at most TEXT_LIMIT characters unless the whole was asked for."""
    assert picture.page is not None
    page, look = picture.page.view, picture.look
    side = on_side(page, look.side)
    chosen = chosen_rep(page, side, look.rep)
    text = str(picture.texts.get(chosen.label, {}).get("text", ""))
    tabs = [
        {
            "label": level.label,
            "tokens": page.tokens[level],
            "on": level == chosen,
            "query": look.query(page=page.page_id, rep=level.label),
        }
        for level in reversed(LEVELS)
        if level in page.tokens
    ]
    cut = not whole and len(text) > TEXT_LIMIT
    return {
        "tabs": tabs,
        "chosen": chosen.label,
        "text": text[:TEXT_LIMIT] if cut else text,
        "cut": cut,
        "length": len(text),
        "whole_query": look.query(page=page.page_id, rep=chosen.label),
    }


def context(picture: Picture) -> dict[str, Any]:
    look = picture.look
    if not look.page:
        return {"page": None, "missing": False}
    if picture.page is None:
        return {"page": None, "missing": True}
    page = picture.page.view
    names = {
        "primary": "as it was" if picture.session.mode != "enforced" else "held",
        "shadow": "under ClawVM",
    }
    sides = [(names[s], on_side(page, s)) for s in look.sides]
    seq = picture.prompt_seq
    return {
        "page": page,
        "title": page.title,
        "letter": LETTERS[page.type.value],
        "floor": lowest_at_least(page, page.min_fidelity).label,
        "provenance": provenance_of(page),
        "handle": one_line(page.page_id, 400),
        "held": [
            {"name": n, "fidelity": s.fidelity.label, "tokens": s.tokens, "why": why(s, seq)}
            for n, s in sides
        ],
        "versions": list(reversed(picture.versions))[:20],
        "version_count": len(picture.versions),
        "faults": [line(run, look) for run in picture.page_faults],
        "session": picture.session,
        "side": look.side,
        "buttons": act_panel.buttons(picture),
        "no_acts": act_panel.instead(picture),
        "no_pin": act_panel.no_pin(picture),
        "act_log": [act_panel.told(a, picture) for a in picture.acts],
        "close_query": look.query(page="", rep=""),
    } | text_context(picture)
