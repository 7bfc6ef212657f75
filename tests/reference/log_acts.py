"""What an operator does (design of the inspector, docs/glossary.md): pin, unpin, demote, restore, undo.

An act that is refused changes nothing; it is all or nothing over its pages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .log_pages import LogPage
from .workloads import FULL, PATHS, rank

if TYPE_CHECKING:
    from .log_session import Session


class ActRefused(Exception):
    """The act is in the log, and does nothing."""


@dataclass
class Act:
    """`before` and `after`: of each page, what the act may change."""

    kind: str
    before: dict[str, dict] = field(default_factory=dict)
    after: dict[str, dict] = field(default_factory=dict)
    state: str = "applied"


CHANGES = {
    "operator_pin": ("pin", "minimum", "inferred"),
    "operator_unpin": ("pin", "minimum", "inferred"),
    "operator_demote": ("cap",),
    "operator_restore": ("cap",),
}


def act(session: Session, body: dict, event: dict) -> None:
    kind = event["kind"]
    done = Act(kind)
    session.acts[event["seq"]] = done
    pages = [session.page(page_id) for page_id in body["page_ids"]]
    try:
        for page in pages:
            must_be_live(page)
        done.before = {page.page_id: aspects(page, kind) for page in pages}
        DOES[kind](session, pages, body, event)
        done.after = {page.page_id: aspects(page, kind) for page in pages}
    except ActRefused:
        done.state = "refused"


def aspects(page: LogPage, kind: str) -> dict:
    return {name: getattr(page, name) for name in CHANGES[kind]}


def must_be_live(page: LogPage) -> None:
    if page.gone:
        raise ActRefused("it left the table")


def pin(session: Session, pages: list[LogPage], body: dict, event: dict) -> None:
    low = body.get("min_fidelity")
    if low is not None:
        for page in pages:
            if low not in PATHS[page.type]:
                raise ActRefused("off the type's path")
            if rank(low) < page.own_minimum:
                raise ActRefused("below its own minimum")
            if page.cap is not None and page.cap < rank(low):
                raise ActRefused("demoted below")
    wanted = body.get("pin", "hard")
    if wanted == "hard":
        must_fit(session, {page.page_id: page.minimum if low is None else rank(low) for page in pages})
    for page in pages:
        page.pin = wanted
        page.inferred = False
        if low is not None:
            page.minimum = rank(low)


def must_fit(session: Session, more: dict[str, int]) -> None:
    """Reading: hard minima and pending restores together may not outgrow the budget because of this act."""
    budget = session.pin_budget()
    taken = {page.page_id: page.minimum for page in session.live() if page.pin == "hard"}
    for page in session.live():
        if page.restore:
            taken[page.page_id] = FULL
    now = sum(session.pages[page_id].cost(level) for page_id, level in taken.items())
    for page_id, level in more.items():
        taken[page_id] = max(level, taken.get(page_id, 0)) if level == FULL else level
    then = sum(session.pages[page_id].cost(level) for page_id, level in taken.items())
    if budget is not None and then > budget and then > now:
        raise ActRefused("it would break the floor")


def unpin(session: Session, pages: list[LogPage], body: dict, event: dict) -> None:
    """Reading: back to what the page was created with, which is the type's default unless the harness
    said otherwise.
    """
    for page in pages:
        page.pin, page.minimum = page.own_pin, page.own_minimum


def demote(session: Session, pages: list[LogPage], body: dict, event: dict) -> None:
    cap = rank(body.get("cap", "pointer"))
    if cap == FULL:
        raise ActRefused("no demotion")
    for page in pages:
        if cap < page.serving(page.minimum):
            raise ActRefused("below its floor")
    for page in pages:
        page.cap = cap
        page.restore = 0  # Reading: the later act stands


def restore(session: Session, pages: list[LogPage], body: dict, event: dict) -> None:
    version = body.get("version")
    if version is None:
        must_fit(session, {page.page_id: FULL for page in pages})
        for page in pages:
            page.cap = None
            page.restore = event["seq"]
        return
    for page in pages:
        if (page.page_id, version) not in session.sides[0].journal.kept:
            raise ActRefused("no such version")
    for page in pages:
        page.cap = None  # Reading: a version that comes back comes uncapped
        session.restore_version(page, version, event["seq"])


DOES = {"operator_pin": pin, "operator_unpin": unpin, "operator_demote": demote, "operator_restore": restore}


def undo(session: Session, body: dict, event: dict) -> None:
    """Refused if what the act changed was changed again since."""
    done = Act("operator_undo")
    session.acts[event["seq"]] = done
    taken = session.acts.get(body["act_seq"])
    try:
        if taken is None or taken.kind == "operator_undo" or taken.state != "applied":
            raise ActRefused("nothing to undo")
        for page_id, after in taken.after.items():
            must_be_live(session.pages[page_id])
            for name in after:  # Reading: only what the act did change counts
                if (
                    after[name] != taken.before[page_id][name]
                    and getattr(session.pages[page_id], name) != after[name]
                ):
                    raise ActRefused("changed again since")
    except ActRefused:
        done.state = "refused"
        return
    taken.state = "undone"
    for page_id, before in taken.before.items():
        for name, value in before.items():
            if value != taken.after[page_id][name]:
                setattr(session.pages[page_id], name, value)
        if session.pages[page_id].restore == body["act_seq"]:
            session.pages[page_id].restore = 0
