"""The context window as a bar: unseen, pages (hue by type, weight by fidelity), stale copies, free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inspector.panels.held import fidelity_of
from inspector.queries import Look, Picture
from inspector.templatetags.claw import LETTERS, dom_id
from memory.core.outcomes import PageView, SessionView, SideTotals
from memory.core.types import PageType
from memory.safe import one_line

TYPES = tuple(t.value for t in PageType)
THIN = 0.0012  # share of the bar below which pages of one type are drawn together
FAR = 0.55  # a floor that begins further right has its label at its end, and the limit's below it
LABEL = 0.028  # share below which a cell carries no label


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch of the bar; ``x`` and ``width`` are percentages of it, as SVG takes them."""

    kind: str  # page, merged, unseen, stale, fixed, free
    x: str
    width: str
    tokens: int
    label: str
    title: str
    page_type: str = ""
    fidelity: str = ""
    query: str = ""
    key: str = ""
    labelled: bool = False
    fits: str = ""  # from which width of the window on a label with a number fits; it is never cut


@dataclass(frozen=True, slots=True)
class Piece:
    """A cell before it has a place."""

    kind: str
    tokens: int
    label: str
    title: str
    page: PageView | None = None
    page_type: str = ""
    fidelity: str = ""


def percent(share: float) -> str:
    return f"{share * 100:.3f}%"


def page_pieces(pages: list[PageView], side: str) -> list[Piece]:
    """Resident pages in the order of their types, then as the table has them."""
    found = []
    for page in sorted(pages, key=lambda p: (TYPES.index(p.type.value), p.order)):
        on_side = page.shadow if side == "shadow" and page.shadow else page.primary
        if on_side.tokens <= 0 or fidelity_of(page, side) == 0:
            continue
        name, label = page.title, on_side.fidelity.label
        title = f"{name[:200]} · {page.type.value} · {label} · {on_side.tokens:,} tokens"
        found.append(Piece("page", on_side.tokens, name[:120], title, page, page.type.value, label))
    return found


def merge_thin(pieces: list[Piece], scale: int) -> list[Piece]:
    """Neighbours of one type too thin to be seen become one piece that says how many it holds."""
    found: list[Piece] = []
    run: list[Piece] = []

    def close() -> None:
        if len(run) == 1:
            found.append(run[0])
        elif run:
            tokens = sum(p.tokens for p in run)
            title = f"{len(run):,} small {run[0].page_type} pages · {tokens:,} tokens"
            found.append(
                Piece("merged", tokens, f"{len(run)} pages", title, None, run[0].page_type, run[0].fidelity)
            )
        run.clear()

    for piece in pieces:
        if piece.tokens >= scale * THIN:
            close()
            found.append(piece)
            continue
        if run and (run[0].page_type, run[0].fidelity) != (piece.page_type, piece.fidelity):
            close()
        run.append(piece)
    close()
    return found


UNSEEN_WORDS = {
    "first_prompt": "stood there at the first prompt (system prompt, tools, instructions)",
    "since": "came since (message frames, reminders, files attached again, the tokenizer's difference)",
}


def unseen_words(view: SessionView) -> str:
    """What the unseen tokens are, as far as it is known; '' where nothing is unseen."""
    if not view.unseen_tokens:
        return ""
    named = [(name, n) for name, n in sorted(view.unseen_items.items()) if n]
    named.sort(key=lambda item: item[0] in UNSEEN_WORDS)  # what the sender named comes first
    items = [f"{n:,} {UNSEEN_WORDS.get(name) or one_line(name.replace('_', ' '), 80)}" for name, n in named]
    return f"unseen {view.unseen_tokens:,}" + (f": {', '.join(items)}" if items else " tokens")


def pieces(view: SessionView, totals: SideTotals, side: str, pages: list[PageView]) -> list[Piece]:
    """Everything in the window, left to right, with what we do not see first."""
    shown = page_pieces(pages, side)
    found = []
    if view.unseen_tokens:
        title = f"{unseen_words(view)} · in the prompt by its recorded size, but in no record"
        found.append(Piece("unseen", view.unseen_tokens, "unseen", title))
    if view.fixed_tokens:
        title = f"{view.fixed_tokens:,} tokens that the harness adds beside our pages"
        found.append(Piece("unseen", view.fixed_tokens, "harness", title))
    found += shown
    found += rest_pieces(totals, shown)
    if side != "shadow" and view.stale_tokens:
        title = f"{view.stale_tokens:,} tokens of superseded copies that still stand in the prompt"
        found.append(Piece("stale", view.stale_tokens, "stale", title))
    return found


def rest_pieces(totals: SideTotals, shown: list[Piece]) -> list[Piece]:
    """What of each type is resident beside the pages that were read: one piece a type."""
    found = []
    for name in TYPES:
        rest = totals.by_type.get(name, 0) - sum(p.tokens for p in shown if p.page_type == name)
        if rest > 0:
            title = f"further {name} pages · {rest:,} tokens"
            found.append(Piece("merged", rest, f"more {name}", title, None, name, "compressed"))
    return found


def bar_scale(view: SessionView, totals: SideTotals, side: str, used: int) -> tuple[int, int | None, str]:
    """(tokens that the whole bar stands for, limit or None, the limit's name)."""
    if side == "shadow":
        outside = view.unseen_tokens + view.fixed_tokens
        limit = None if totals.budget is None else totals.budget + outside
        name = f"budget + unseen {view.unseen_tokens:,} =" if view.unseen_tokens else "budget"
    elif view.mode == "enforced" and totals.budget is not None:
        name = (
            f"budget {totals.budget:,} + harness {view.fixed_tokens:,} =" if view.fixed_tokens else "budget"
        )
        limit = totals.budget + view.fixed_tokens
    else:
        limit, name = view.window, f"window, {view.window_source}"
    whole = view.window or 0 if view.mode != "enforced" else 0  # both sides of a session on one scale
    return max(limit or 0, whole, used, 1), limit, name


#: The bar's width, at the least, in pixels: in any window, above 620 px, above 1,050 px (static/css/app.css).
BAR_PX = {"any": 300, "middle": 560, "broad": 980}
LETTER_PX, EDGES_PX = 6.6, 14


def fits(share: float, label: str) -> str:
    """Where a label that ends with a number fits into its stretch: any, middle, broad, '' for nowhere. A cut
    number would be another number.
    """
    need = len(label) * LETTER_PX + EDGES_PX
    return next((name for name, width in BAR_PX.items() if share * width >= need), "")


def lay_out(found: list[Piece], scale: int, picture: Picture) -> list[Cell]:
    cells, at = [], 0
    for piece in found:
        share = piece.tokens / scale
        page = piece.page
        numbered = piece.kind in ("unseen", "stale")
        label = f"{piece.label} {piece.tokens:,}" if numbered else piece.label
        where = fits(share, label) if numbered else "any"
        cells.append(
            Cell(
                kind=piece.kind,
                x=percent(at / scale),
                width=percent(share),
                tokens=piece.tokens,
                label=label,
                title=piece.title,
                page_type=piece.page_type,
                fidelity=piece.fidelity,
                query=Look(side=picture.look.side, page=page.page_id).query() if page else "",
                key=dom_id(page.page_id) if page else "",
                labelled=share >= LABEL and bool(where),
                fits=where,
            )
        )
        at += piece.tokens
    return cells


def bar(picture: Picture, side: str) -> dict[str, Any] | None:
    """One side's bar; None before the first prompt."""
    view, totals = picture.session.view, picture.totals(side)
    if view is None or totals is None:
        return None
    pages = [row.view for row in picture.live_pages]
    found = pieces(view, totals, side, pages)
    used = max(sum(p.tokens for p in found), 0)
    scale, limit, limit_name = bar_scale(view, totals, side, used)
    cells = lay_out(merge_thin(found, scale), scale, picture)
    free = max(0, (limit or scale) - used)
    kept = scale - max(limit or scale, used)
    start = sum(p.tokens for p in found if p.kind == "unseen")
    floor = totals.floor_tokens
    return {
        "side": side,
        "cells": cells,
        "free": free,
        "free_x": percent(used / scale),
        "free_width": percent(free / scale),
        "free_fits": fits(free / scale, f"free {free:,}"),
        "kept": kept,
        "kept_x": percent(1 - kept / scale),
        "kept_width": percent(kept / scale),
        "kept_fits": fits(kept / scale, f"kept free {kept:,}"),
        "floor": floor,
        "floor_x": percent(start / scale),
        "floor_far": start / scale > FAR,
        "floor_end": percent(min(1.0, (start + floor) / scale)),
        "floor_over": limit is not None and start + floor > limit,
        "limit": limit,
        "limit_name": limit_name,
        "limit_x": percent((limit or scale) / scale),
        "over": limit is not None and used > limit,
        "label": _spoken(view, totals, free, limit),
    }


def _spoken(view: SessionView, totals: SideTotals, free: int, limit: int | None) -> str:
    """The bar in words, for those who do not see it."""
    kinds = ", ".join(f"{name} {tokens:,}" for name, tokens in totals.by_type.items() if tokens)
    whole = f" of {limit:,}" if limit else ""
    return (
        f"Context window{whole} tokens: unseen {view.unseen_tokens:,}; {kinds or 'no pages'}; free {free:,}"
    )


def excess_words(tokens: int) -> str:
    """What is said where our count is above the size that the record states; '' where it is not."""
    if tokens <= 0:
        return ""
    return (
        f"our count is {tokens:,} tokens above the recorded prompt: "
        "the harness dropped something that no record shows"
    )


def context(picture: Picture) -> dict[str, Any]:
    bars = [b for b in (bar(picture, side) for side in picture.look.sides) if b]
    return {
        "bars": bars if picture.turn else [],
        "turn": picture.turn,
        "legend": [(name, LETTERS[name]) for name in TYPES],
        "both": len(bars) > 1,
        "excess": excess_words(picture.excess) if "primary" in picture.look.sides else "",
        "unseen": unseen_words(picture.session.view) if picture.session.view and picture.turn else "",
    }
