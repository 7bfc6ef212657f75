"""The line that answers the first question: are my rules, my plan and my files still in there?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inspector.queries import MAP_PAGES, Picture
from inspector.templatetags.claw import title_of
from memory.core.outcomes import PageView
from memory.core.types import Fidelity, PageType

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


def fidelity_of(page: PageView, side: str) -> Fidelity:
    on_side = page.shadow if side == "shadow" and page.shadow else page.primary
    return on_side.fidelity


def _short(title: str) -> str:
    return title if len(title) <= NAME_LENGTH else title[: NAME_LENGTH - 1] + "…"


def _names(pages: list[PageView]) -> str:
    shown = ", ".join(_short(title_of(p)) for p in pages[:NAMED])
    more = len(pages) - NAMED
    return shown + (f" and {more:,} more" if more > 0 else "")


def rules_check(pages: list[PageView], side: str) -> Check | None:
    rules = [p for p in pages if p.type in RULES]
    if not rules:
        return None
    lost = [p for p in rules if fidelity_of(p, side) < p.min_fidelity]
    text = f"rules {len(rules) - len(lost):,} of {len(rules):,} held"
    return Check(
        not lost, text + (f", not: {_names(lost)}" if lost else ""), "bootstrap and constraint pages"
    )


def plan_check(pages: list[PageView], side: str) -> Check | None:
    plans = [p for p in pages if p.type == PageType.PLAN]
    if not plans:
        return None
    lost = [p for p in plans if fidelity_of(p, side) < max(p.min_fidelity, Fidelity.POINTER)]
    if lost:
        return Check(False, f"plan no longer held: {_names(lost)}")
    lowest = min(fidelity_of(p, side) for p in plans)
    return Check(True, "plan held" if lowest == Fidelity.FULL else f"plan held, as {lowest.label}")


def files_check(pages: list[PageView], side: str) -> Check | None:
    files = [p for p in pages if p.type == PageType.EVIDENCE and is_file(p)]
    if not files:
        return None
    lost = [p for p in files if fidelity_of(p, side) == Fidelity.ABSENT]
    if not lost:
        return Check(True, f"all {len(files):,} files held" if len(files) > 1 else "1 file held")
    return Check(False, f"{len(lost):,} of {len(files):,} files no longer held: {_names(lost)}")


def context(picture: Picture) -> dict[str, Any]:
    pages = [row.view for row in picture.live_pages]
    lines = []
    for side in picture.look.sides if picture.turn else ():
        found = [check(pages, side) for check in (rules_check, plan_check, files_check)]
        lines.append((side, [c for c in found if c]))
    partly = picture.live_total > len(picture.live_pages)
    note = f"of the first {MAP_PAGES:,} of {picture.live_total:,} pages" if partly else ""
    return {"held_lines": [line for line in lines if line[1]], "held_note": note}
