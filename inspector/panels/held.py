"""The line that answers the first question: are my rules, my plan and my files still in there?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inspector.queries import MAP_PAGES, Picture
from memory.core.outcomes import PageView, SideView
from memory.core.types import Fidelity, PageType
from memory.store import is_pending

NAMED = 3  # pages named before "and n more"
NAME_LENGTH = 36  # characters of each
RULES = (PageType.BOOTSTRAP, PageType.CONSTRAINT)


@dataclass(frozen=True, slots=True)
class Check:
    good: bool
    text: str
    title: str = ""


def is_file(page: PageView) -> bool:
    """Whether the page is a file's content: by its provenance, or by the id that adapters give such pages."""
    return page.provenance_kind == "file" or page.page_id.startswith(("file:", "read:"))


def on_side(page: PageView, side: str) -> SideView:
    return page.shadow if side == "shadow" and page.shadow else page.primary


def fidelity_of(page: PageView, side: str) -> Fidelity:
    return on_side(page, side).fidelity


def waits(page: PageView, side: str, prompt_seq: int) -> bool:
    """Whether no prompt was assembled since the page came: it is in none yet, and not lost."""
    return is_pending(on_side(page, side), prompt_seq)


def _short(title: str) -> str:
    return title if len(title) <= NAME_LENGTH else title[: NAME_LENGTH - 1] + "…"


def _names(pages: list[PageView]) -> str:
    shown = ", ".join(_short(p.title) for p in pages[:NAMED])
    more = len(pages) - NAMED
    return shown + (f" and {more:,} more" if more > 0 else "")


def _sorted_out(pages: list[PageView], side: str, prompt_seq: int) -> tuple[list[PageView], str]:
    """The pages that a prompt could already hold, and words for those that came after the last one: these
    are not lost, the next prompt takes them up.
    """
    known = [p for p in pages if not waits(p, side, prompt_seq)]
    new = len(pages) - len(known)
    return known, f"{new:,} new since the last prompt" if new else ""


def _told(good: bool, text: str, new: str, title: str = "") -> Check:
    return Check(good, text + (f", {new}" if new else ""), title)


def rules_check(pages: list[PageView], side: str, prompt_seq: int = 0) -> Check | None:
    rules, new = _sorted_out([p for p in pages if p.type in RULES], side, prompt_seq)
    if not rules:
        return Check(True, f"rules: {new}") if new else None
    lost = [p for p in rules if fidelity_of(p, side) < p.min_fidelity]
    text = f"rules {len(rules) - len(lost):,} of {len(rules):,} held" + (
        f", not: {_names(lost)}" if lost else ""
    )
    return _told(not lost, text, new, "bootstrap and constraint pages")


def plan_check(pages: list[PageView], side: str, prompt_seq: int = 0) -> Check | None:
    plans, new = _sorted_out([p for p in pages if p.type == PageType.PLAN], side, prompt_seq)
    if not plans:
        return Check(True, f"plan: {new}") if new else None
    lost = [p for p in plans if fidelity_of(p, side) < max(p.min_fidelity, Fidelity.POINTER)]
    if lost:
        return _told(False, f"plan no longer held: {_names(lost)}", new)
    lowest = min(fidelity_of(p, side) for p in plans)
    return _told(True, "plan held" if lowest == Fidelity.FULL else f"plan held, as {lowest.label}", new)


def files_check(pages: list[PageView], side: str, prompt_seq: int = 0) -> Check | None:
    files = [p for p in pages if p.type == PageType.EVIDENCE and is_file(p)]
    files, new = _sorted_out(files, side, prompt_seq)
    if not files:
        return Check(True, f"files: {new}") if new else None
    lost = [p for p in files if fidelity_of(p, side) == Fidelity.ABSENT]
    if not lost:
        return _told(True, f"all {len(files):,} files held" if len(files) > 1 else "1 file held", new)
    return _told(False, f"{len(lost):,} of {len(files):,} files no longer held: {_names(lost)}", new)


def context(picture: Picture) -> dict[str, Any]:
    pages = [row.view for row in picture.live_pages]
    seq = picture.prompt_seq
    lines = []
    for side in picture.look.sides if picture.turn else ():
        found = [check(pages, side, seq) for check in (rules_check, plan_check, files_check)]
        lines.append((side, [c for c in found if c]))
    partly = picture.live_total > len(picture.live_pages)
    note = f"of the first {MAP_PAGES:,} of {picture.live_total:,} pages" if partly else ""
    return {"held_lines": [line for line in lines if line[1]], "held_note": note}
