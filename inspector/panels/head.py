"""The session's header: what it is, how far our word reaches, the figures, and what is wrong right now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inspector.queries import Picture
from memory.core.outcomes import SessionView, SideTotals
from memory.store import SessionRow

#: What the mode means for an act, in words: never more than the harness allows.
MODE_WORDS = {
    "enforced": "enforced · pins bind the next prompt",
    "injected": "observed · pins injected at the next prompt",
    "observed": "observed · read only, acts are shadow only",
}
WINDOW_WORDS = {
    "recorded": "the window as the record states it",
    "published": "the window its maker publishes for this model",
    "configured": "the window as configured for this session",
    "unknown": "no window is known for this model",
}


@dataclass(frozen=True, slots=True)
class Figure:
    value: int | None
    label: str
    title: str
    tone: str = ""  # '', bad, warn
    beside: str = ""


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def names_of(session: SessionRow) -> tuple[str, str]:
    """(headline, what stands under it). A name that somebody gave wins; the title, found in the record, is
    the headline where the name is only the key or a machine's id.
    """
    given = "" if session.name == session.key or _UUID.fullmatch(session.name) else session.name
    if given:
        return given, session.title if session.title != given else ""
    return session.title or session.name or session.key, ""


def used_tokens(view: SessionView, side: str) -> int:
    """Tokens of the last prompt: recorded where the record has them, else what we count."""
    totals = view.shadow if side == "shadow" and view.shadow else view.primary
    if side != "shadow" and view.mode != "enforced" and view.recorded_tokens is not None:
        return view.recorded_tokens
    return totals.tokens_used


def token_figure(view: SessionView, side: str) -> Figure:
    totals = view.shadow if side == "shadow" and view.shadow else view.primary
    observed = side != "shadow" and view.mode != "enforced"
    if observed and view.recorded_tokens is not None:
        source = "the last prompt's size as the provider counted it (recorded)"
    elif observed:
        source = "counted by us from the pages; the record has no size for this prompt"
    else:
        source = "counted by us when the prompt was assembled"
    limit = view.window if observed else totals.budget
    bound = WINDOW_WORDS.get(view.window_source, "") if observed else "the token budget for pages"
    label = f"of {limit:,} tokens" if limit else "tokens, no known limit"
    beside = "" if observed or not view.fixed_tokens else f"+{view.fixed_tokens:,} harness"
    return Figure(used_tokens(view, side), label, f"{source}; {bound}", "", beside)


def fault_words(totals: SideTotals) -> str:
    """Everywhere the same: "30 exact faults, 3 inferred beside them"."""
    exact, inferred = sum(totals.faults.values()), sum(totals.faults_inferred.values())
    return _count(exact, "exact fault") + _inferred(inferred, exact)


def _inferred(inferred: int, exact: int) -> str:
    """An inferred fault is never in the exact count."""
    return f", {inferred:,} inferred beside {'it' if exact == 1 else 'them'}" if inferred else ""


def fault_figure(totals: SideTotals) -> Figure:
    exact, inferred = sum(totals.faults.values()), sum(totals.faults_inferred.values())
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(totals.faults.items()) if n)
    title = "policy-controllable faults that the record itself proves" + (f": {kinds}" if kinds else "")
    label = f"exact fault{'' if exact == 1 else 's'}" + _inferred(inferred, exact)
    return Figure(exact, label, title, "bad" if exact else "")


def fault_split(totals: SideTotals, pages: Mapping[str, int]) -> str:
    """The exact faults by kind, most first: "30 exact faults, 3 inferred beside them; the exact ones: 12
    refetch (7 pages), …"; '' without any.
    """
    kinds = sorted(((n, kind) for kind, n in totals.faults.items() if n), key=lambda k: (-k[0], k[1]))
    if not kinds:
        return ""
    told = []
    for n, kind in kinds:
        hit = pages.get(kind, 0)
        told.append(f"{n:,} {kind}" + (f" ({_count(hit, 'page')})" if hit and hit != n else ""))
    inferred = any(totals.faults_inferred.values())
    return f"{fault_words(totals)}{'; the exact ones' if inferred else ''}: {', '.join(told)}"


def insufficient_figure(totals: SideTotals) -> Figure:
    count = sum(totals.insufficient.values())
    title = "misses that no policy could have avoided at this budget; never counted as faults"
    return Figure(count, "insufficient", title, "warn" if count else "")


def figures(view: SessionView, side: str, *, both: bool = False) -> list[Figure]:
    totals = view.shadow if side == "shadow" and view.shadow else view.primary
    found = [token_figure(view, side), fault_figure(totals), insufficient_figure(totals)]
    if side != "shadow" and view.shadow is not None and not both:
        other = sum(view.shadow.faults.values())
        title = f"exact faults of the same log under {view.shadow.policy} (shadow, counterfactual)"
        found.append(Figure(other, "under ClawVM", title))
    return found


def compare(view: SessionView) -> str:
    """The one honest line between the two truths; '' where only one is computed."""
    if view.shadow is None:
        return ""
    one, two = view.primary, view.shadow
    return f"as it was: {_cost(one)}; under ClawVM with {_budget(two)}: {_cost(two)}"


def _cost(totals: SideTotals) -> str:
    """Faults, and what bringing back cost: by page-ins, and by calls that were made again."""
    page_ins = _count(totals.page_ins, "page-in")
    page_ins += f" ({totals.page_in_tokens:,} tokens)" if totals.page_ins else ""
    again = getattr(totals, "reread_tokens", None)
    if not again and totals.faults.get("duplicate_tool"):
        again = None  # a header from before this was counted
    read = "" if again is None else f", {again:,} tokens read again"
    return f"{fault_words(totals)}; {page_ins}{read}"


def _budget(totals: SideTotals) -> str:
    return "no known budget" if totals.budget is None else f"{totals.budget:,} tokens for pages"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def notices(picture: Picture) -> list[dict[str, str]]:
    """What must not be overlooked, with its size: insufficiency, rejected events, unread records."""
    session, view = picture.session, picture.session.view
    found: list[dict[str, str]] = []
    if view is not None:
        for side in picture.look.sides:
            totals = picture.totals(side)
            if totals is not None and totals.insufficient_by > 0:
                found.append({"tone": "bad-line", "text": _insufficiency(picture, side, totals)})
    counts = [
        (session.broken_records, "record could not be parsed", "records could not be parsed"),
        (session.unknown_records, "record is of an unknown kind", "records are of an unknown kind"),
        (view.rejected_events if view else 0, "event was rejected", "events were rejected"),
        (view.parked if view else 0, "update is parked", "updates are parked"),
    ]
    told = [f"{n:,} {one if n == 1 else many}" for n, one, many in counts if n]
    if told:
        found.append({"tone": "", "text": ", ".join(told) + "; all are kept, none is counted as held"})
    return found


def _insufficiency(picture: Picture, side: str, totals: SideTotals) -> str:
    """By how much the required set exceeds the budget, and the largest pages that are required."""
    needed = []
    for row in picture.live_pages:
        page = row.view
        if page.pin == "hard":
            tokens = page.tokens.get(page.min_fidelity) or min(page.tokens.values(), default=0)
            needed.append((tokens, page.title))
    needed.sort(reverse=True)
    largest = ", ".join(f"{title[:60]} ({tokens:,})" for tokens, title in needed[:4])
    where = "under ClawVM: " if side == "shadow" else ""
    text = (
        f"{where}insufficient by {totals.insufficient_by:,} tokens: what must be held needs "
        f"{totals.required_tokens:,} of {totals.budget or 0:,}"
    )
    return text + (f". Largest: {largest}" if largest else "")


def splits(picture: Picture) -> list[tuple[str, str]]:
    """(side, the faults by kind) of the shown sides that have any."""
    found = []
    for side in picture.look.sides:
        totals = picture.totals(side)
        words = fault_split(totals, picture.fault_pages.get(side, {})) if totals else ""
        if words:
            found.append((side, words))
    return found


def status(session: SessionRow) -> tuple[str, bool]:
    """The live indicator's words, and whether it is lit."""
    turn = session.view.turn if session.view else session.turn
    if session.view is None:
        return ("nothing folded yet", False) if not session.pending else ("reading…", True)
    if session.ended:
        return f"Ended · turn {turn:,}", False
    return (f"Live · turn {turn:,}", True) if session.live else (f"Quiet · turn {turn:,}", False)


def context(picture: Picture) -> dict[str, Any]:
    session, view, look = picture.session, picture.session.view, picture.look
    words, lit = status(session)
    name, title = names_of(session)
    choices = []
    if view is not None and view.shadow is not None:
        names = (("primary", "As it was"), ("shadow", "ClawVM shadow"), ("both", "Both"))
        choices = [
            {"side": s, "label": n, "query": look.query(side=s), "on": s == look.side} for s, n in names
        ]
    return {
        "session": session,
        "name": name,
        "title": title,
        "mode_words": MODE_WORDS.get(session.mode, session.mode),
        "policy": (view.primary.policy if view else ""),
        "shadow_policy": view.shadow.policy if view and view.shadow else "",
        "status": words,
        "lit": lit,
        "choices": choices,
        "figure_rows": [(s, figures(view, s, both=look.side == "both")) for s in look.sides] if view else [],
        "splits": splits(picture),
        "compare": compare(view) if view else "",
        "notices": notices(picture),
        "turn": picture.turn,
    }
