"""The line that answers the first question: are my rules, my plan and my files still in there?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from inspector.queries import MAP_PAGES, Picture
from memory.core.outcomes import PageView, SideView
from memory.core.types import Fidelity, PageStatus, PageType
from memory.store import is_pending, still_stands

NAMED = 3  # pages named before "and n more"
NAME_LENGTH = 36  # characters of each
RULES = (PageType.BOOTSTRAP, PageType.CONSTRAINT)
MARKS: Final = {"good": "✓", "partly": "◐", "bad": "!"}  # "" has none
_FILE = ("file:", "read:")
_OWN = ("edit:", "write:", "multiedit:", "notebookedit:", "changed:")  # what was done to a file, not its text
_RANGE = re.compile(r"#\d+-\d*$")

#: How a file stands, best first; what stands above OUTLINE is there word for word or nearly so.
FULL, COMPRESSED, OLDER, PART, OUTLINE, POINTER, LOST, WRITTEN = (
    "full",
    "compressed",
    "as an older copy plus edits",
    "in part",
    "as outline",
    "only as pointer",
    "not held",
    "changed since and not read again",
)
ORDER: Final = (FULL, COMPRESSED, OLDER, PART, OUTLINE, POINTER, LOST, WRITTEN)
BY_FIDELITY: Final = {
    Fidelity.FULL: FULL,
    Fidelity.COMPRESSED: COMPRESSED,
    Fidelity.STRUCTURED: OUTLINE,
    Fidelity.POINTER: POINTER,
    Fidelity.ABSENT: LOST,
}


@dataclass(frozen=True, slots=True)
class Check:
    """``mark``: good (held as it was), partly (an outline, an
    older copy), bad (gone or nearly), '' (no word about it).
    """

    mark: str
    text: str
    title: str = ""

    @property
    def sign(self) -> str:
        return MARKS.get(self.mark, "○")


def is_file(page: PageView) -> bool:
    """Whether the page is a file's text: by its provenance, or by the id that adapters give such pages. The
    result of an edit is not.
    """
    if page.page_id.startswith(_OWN):
        return False
    return page.provenance_kind == "file" or page.page_id.startswith(_FILE)


def file_key(page: PageView) -> str:
    """The file that the page shows all or some lines of."""
    if page.page_id.startswith(_FILE):
        return _RANGE.sub("", page.page_id.partition(":")[2])
    return page.provenance_ref or page.page_id


def on_side(page: PageView, side: str) -> SideView:
    return page.shadow if side == "shadow" and page.shadow else page.primary


def fidelity_of(page: PageView, side: str) -> Fidelity:
    return on_side(page, side).fidelity


def waits(page: PageView, side: str, prompt_seq: int) -> bool:
    """Whether no prompt was assembled since the page came: it is in none yet, and not lost."""
    return is_pending(on_side(page, side), prompt_seq)


def _short(title: str) -> str:
    return title if len(title) <= NAME_LENGTH else title[: NAME_LENGTH - 1] + "…"


def _names(titles: Iterable[str]) -> str:
    named = list(titles)
    more = len(named) - NAMED
    return ", ".join(_short(t) for t in named[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _sorted_out(pages: list[PageView], side: str, prompt_seq: int) -> tuple[list[PageView], str]:
    """The pages that a prompt could already hold, and words for those that came after the last one: these
    are not lost, the next prompt takes them up.
    """
    known = [p for p in pages if not waits(p, side, prompt_seq)]
    return known, _new(len(pages) - len(known))


def _new(count: int) -> str:
    return f"{count:,} new since the last prompt" if count else ""


def _told(mark: str, text: str, new: str, title: str = "") -> Check:
    return Check(mark, text + (f", {new}" if new else ""), title)


NO_RULES = (
    "no page of the record is a rule; "
    "instruction files that the harness loads by itself stand in the unseen part"
)
RULES_TITLE = "rules and instruction pages; a summary may restate a rule in other words, which is not counted"


def rules_check(pages: list[PageView], side: str, prompt_seq: int = 0) -> Check:
    rules, new = _sorted_out([p for p in pages if p.type in RULES], side, prompt_seq)
    if not rules:
        return Check("", f"rules: {new}") if new else Check("", "no rules found in the record", NO_RULES)
    lost = [p for p in rules if fidelity_of(p, side) < p.min_fidelity]
    whole = sum(fidelity_of(p, side) == Fidelity.FULL for p in rules)
    outlined = len(rules) - whole - len(lost)
    text = f"rules {whole:,} of {len(rules):,} held word for word"
    text += f", {outlined:,} shortened" if outlined else ""
    text += f", not: {_names(p.title for p in lost)}" if lost else ""
    return _told("bad" if lost else "partly" if outlined else "good", text, new, RULES_TITLE)


def plan_check(pages: list[PageView], side: str, prompt_seq: int = 0) -> Check | None:
    plans, new = _sorted_out([p for p in pages if p.type == PageType.PLAN], side, prompt_seq)
    if not plans:
        return Check("", f"plan: {new}") if new else None
    lost = [p for p in plans if fidelity_of(p, side) < max(p.min_fidelity, Fidelity.POINTER)]
    if lost:
        return _told("bad", f"plan no longer held: {_names(p.title for p in lost)}", new)
    mark, text = {
        Fidelity.FULL: ("good", "plan held in full"),
        Fidelity.COMPRESSED: ("good", "plan held, compressed"),
        Fidelity.STRUCTURED: ("partly", "plan held as outline (goal and current step)"),
    }.get(min(fidelity_of(p, side) for p in plans), ("bad", "plan held only as pointer"))
    return _told(mark, text, new)


def _standing(pages: list[PageView], side: str, stands: Callable[[PageView], bool]) -> tuple[str, str]:
    """(how the file that these pages show stands at its best, the title of the page that says so)."""
    whole = any(not _RANGE.search(p.page_id) for p in pages)
    found = []
    for page in pages:
        if page.status == PageStatus.SUPERSEDED:
            how = OLDER if stands(page) else WRITTEN
        else:
            how = BY_FIDELITY[fidelity_of(page, side)]
            if whole and how in (FULL, COMPRESSED) and _RANGE.search(page.page_id):
                how = PART  # some lines of what was once seen whole
        found.append((ORDER.index(how), page.title))
    best, title = min(found, key=lambda one: one[0])
    return ORDER[best], title


def files_check(
    pages: list[PageView],
    side: str,
    prompt_seq: int = 0,
    *,
    cleared: tuple[int, int] | None = None,
) -> Check | None:
    """One word for every file that was seen, however many pages show it. ``cleared``: (seq, turn) of the last
    compaction of a session that is only watched: what was superseded since stands there as an older copy.
    """
    files: dict[str, list[PageView]] = {}
    new: set[str] = set()
    for page in pages:
        if page.type != PageType.EVIDENCE or not is_file(page) or page.status == PageStatus.RETIRED:
            continue
        key = file_key(page)
        unseen = page.status == PageStatus.SUPERSEDED and not page.primary.reason
        if waits(page, side, prompt_seq) or (unseen and page.created_seq > prompt_seq):
            new.add(key)
        else:
            files.setdefault(key, []).append(page)
    came = _new(len(new - files.keys()))
    if not files:
        return Check("", f"files: {came}") if came else None
    watched = cleared is not None and side != "shadow"
    by: dict[str, list[str]] = {}
    for shown in files.values():
        how, title = _standing(shown, side, lambda p: watched and still_stands(p, cleared or (0, -1)))
        by.setdefault(how, []).append(title)
    return _files_told(len(files), by, came)


def _files_told(count: int, by: dict[str, list[str]], came: str) -> Check:
    bad, fine = {POINTER, LOST} & by.keys(), by.keys() <= {FULL, COMPRESSED}
    mark = "bad" if bad else "good" if fine else "partly"
    noun = "file" if count == 1 else "files"
    parts = []
    for how in ORDER:
        titles = by.get(how, [])
        if titles:
            parts.append(f"{len(titles):,} {how}" + (f" ({_names(titles)})" if how in bad else ""))
    if len(by) == 1 and not bad:
        only = next(iter(by))
        held = "held in full" if only == FULL else f"held {only}"
        said = only if only == WRITTEN else held
        text = f"{'all ' if count > 1 else ''}{count:,} {noun} {said}"
    else:
        text = f"{count:,} {noun}: {', '.join(parts)}"
    return _told(mark, text, came, FILES_TITLE)


FILES_TITLE = (
    "every file that was read, by the best that the prompt holds of it; outline: headings and names without "
    "the text; what edits returned is not a file"
)


def context(picture: Picture) -> dict[str, Any]:
    pages = [row.view for row in picture.live_pages]
    files = pages + [row.view for row in picture.old_files]
    seq = picture.prompt_seq
    lines = []
    for side in picture.look.sides if picture.turn else ():
        found = [
            rules_check(pages, side, seq),
            plan_check(pages, side, seq),
            files_check(files, side, seq, cleared=picture.cleared),
        ]
        lines.append((side, [c for c in found if c]))
    partly = picture.live_total > len(picture.live_pages)
    note = f"of the first {MAP_PAGES:,} of {picture.live_total:,} pages" if partly else ""
    return {"held_lines": lines, "held_note": note}
