"""The page table: one row a page; the server keeps a window of it live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inspector.panels.held import on_side, waits
from inspector.queries import MAX_WINDOW, SORTS, WINDOW, Look, Picture
from inspector.templatetags.claw import LETTERS, dom_id, provenance_of
from memory.core.outcomes import PageView, SideView
from memory.core.types import Fidelity, PageType, Pin
from memory.store import PageRow

SPARK_TURNS = 24
STEP = 3  # width of a turn in the sparkline, pixels
LEVELS = (Fidelity.POINTER, Fidelity.STRUCTURED, Fidelity.COMPRESSED, Fidelity.FULL)
COLUMNS = (
    ("type", "type", "", False),
    ("title", "page", "", False),
    ("", "pin", "marks", False),
    ("", "fidelity", "", False),
    ("tokens", "tokens", "num", True),
    ("full", "full", "num wide", True),
    ("demand", f"demand, {SPARK_TURNS} turns", "wide", True),
    ("", "provenance", "wide", False),
    ("faults", "faults", "num", True),
)
#: What a column's head says when pointed at.
TITLES = {
    "fidelity": "P pointer (title and handle), S structured (an outline), C compressed, F full; "
    "dark: held now, underlined: the floor, faint: not made for this page",
}


@dataclass(frozen=True, slots=True)
class Chip:
    letter: str
    css: str
    title: str


def chips(page: PageView, side: SideView) -> tuple[Chip, ...]:
    """P S C F: the current one filled, the floor underlined, those the page does not have faint."""
    floor = lowest_at_least(page, page.min_fidelity)
    found = []
    for level in LEVELS:
        tokens = page.tokens.get(level)
        css, title = [], level.label
        if tokens is None:
            css.append("none")
            title += ": not made for this page"
        else:
            title += f": {tokens:,} tokens"
        if level == floor:
            css.append("floor")
            title += ", floor"
        if level == side.fidelity:
            css.append("now")
            title += ", held now"
        if page.cap is not None and level == page.cap:
            title += ", demoted to this"
        found.append(Chip(level.label[0].upper(), " ".join(css), title))
    return tuple(found)


def lowest_at_least(page: PageView, fidelity: Fidelity) -> Fidelity:
    """The representation that serves a minimum: the next higher one that the page has."""
    return min((f for f in page.tokens if f >= fidelity), default=fidelity)


def demand_bars(side: SideView) -> tuple[int, ...]:
    """Left edges of the turns that demanded the page; the browser moves them along as turns pass."""
    return tuple(turn * STEP for turn in side.demand_turns)


def spark_shift(turn: int) -> int:
    """What must be added to a bar's left edge so that ``turn`` stands at the right end."""
    return (SPARK_TURNS - 1 - turn) * STEP


def waiting(item: PageRow, look: Look, prompt_seq: int) -> tuple[bool, ...]:
    """For each side shown, whether the page came after the last prompt and so is in none yet."""
    return tuple(waits(item.view, name, prompt_seq) for name in look.sides)


def row(item: PageRow, look: Look, waiting: tuple[bool, ...] = (False, False)) -> dict[str, Any]:
    """One row's context. It depends on no other page or filter, and of the turn on nothing but ``waiting``,
    so its HTML can be kept.
    """
    page = item.view
    sides = []
    for name, waits_there in zip(look.sides, waiting, strict=False):
        side = on_side(page, name)
        sides.append((name, side, chips(page, side), waits_there))
    first = sides[0][1]
    return {
        "id": dom_id(page.page_id),
        "page": page,
        "title": page.title,
        "letter": LETTERS[page.type.value],
        "sides": sides,
        "both": len(sides) > 1,
        "full": page.tokens.get(Fidelity.FULL, 0),
        "bars": demand_bars(first),
        "demanded": len(first.demand_turns),
        "provenance": provenance_of(page),
        "faults": first.faults,
        "faults_inferred": first.faults_inferred,
        "insufficient": first.insufficient,
        "dirty": first.dirty,
        "href": Look(side=look.side, page=page.page_id).query(),
        "gone": page.status != "live",
    }


def headings(look: Look) -> list[dict[str, Any]]:
    found = []
    for sort, label, css, falls in COLUMNS:
        on = bool(sort) and look.sort == sort
        desc = (not look.desc) if on else falls
        aria = ("descending" if look.desc else "ascending") if on else "none"
        query = look.query(sort=sort, desc=desc, limit=WINDOW) if sort else ""
        title = TITLES.get(label, "")
        found.append(
            {
                "sort": sort,
                "label": label,
                "css": css,
                "on": on,
                "aria": aria,
                "query": query,
                "title": title,
            }
        )
    return found


def sort_words(look: Look) -> str:
    if look.sort == "order":
        return "newest first" if look.desc else "oldest first"
    return f"{look.sort}, {'descending' if look.desc else 'ascending'}"


def context(picture: Picture) -> dict[str, Any]:
    """The table's frame; its rows are rendered one by one."""
    look, view = picture.look, picture.session.view
    shown, total = len(picture.rows), picture.rows_total
    return {
        "look": look,
        "headings": headings(look),
        "sorts": SORTS,
        "types": [(t.value, LETTERS[t.value], t.value in look.types) for t in PageType],
        "pins": [p.value for p in Pin],
        "both": len(look.sides) > 1,
        "kept": [("side", look.side), ("sort", look.sort), ("desc", "1" if look.desc else "0")],
        "sort_words": sort_words(look),
        "order_query": look.query(sort="order", desc=not (look.sort == "order" and look.desc)),
        "total": total,
        "shown": shown,
        "resident": view.resident if view else 0,
        "dirty": view.dirty if view else 0,
        "observable_dirty": view is not None and view.mode == "enforced",
        "turn": picture.turn,
        "filtered": look.query(
            sort="order", desc=True, page="", rep="", side="primary", kind="", old=50, talk=False
        )
        != "",
    } | more(look, shown, total)


def more(look: Look, shown: int, total: int) -> dict[str, Any]:
    """The way to further rows."""
    limit = min(look.limit + WINDOW, MAX_WINDOW)
    left = max(0, total - shown)
    if not left or limit <= look.limit:
        return {"more_query": "", "more_left": left}
    return {"more_query": look.query(limit=limit), "more_left": left}
