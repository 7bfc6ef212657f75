"""What an operator does (design of the inspector, docs/glossary.md): pin, unpin, demote, restore, undo.

An act that is refused changes nothing; it is all or nothing over its pages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .log_pages import LogPage
from .workloads import DEFAULT_PIN, FULL, PATHS, rank

if TYPE_CHECKING:
    from .log import Session


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
            if page.cap is not None and page.cap < rank(low):
                raise ActRefused("demoted below")
    wanted = body.get("pin", "hard")
    if wanted == "hard":
        budget = session.pin_budget()
        hard = {page.page_id: page.minimum for page in session.live() if page.pin == "hard"}
        for page in pages:
            hard[page.page_id] = page.minimum if low is None else rank(low)
        tokens = sum(session.pages[page_id].cost(level) for page_id, level in hard.items())
        if budget is not None and tokens > budget:
            raise ActRefused("it would break the floor")
    for page in pages:
        page.pin = wanted
        page.inferred = False
        if low is not None:
            page.minimum = rank(low)


def unpin(session: Session, pages: list[LogPage], body: dict, event: dict) -> None:
    for page in pages:
        page.pin = default_pin(page)
        page.minimum = page.own_minimum


def default_pin(page: LogPage) -> str:
    default = DEFAULT_PIN.get(page.type, "none")
    return "soft" if page.guessed and default == "hard" else default


def demote(session: Session, pages: list[LogPage], body: dict, event: dict) -> None:
    cap = rank(body.get("cap", "pointer"))
    if cap == FULL:
        raise ActRefused("no demotion")
    for page in pages:
        if cap < page.minimum:
            raise ActRefused("below its floor")
    for page in pages:
        page.cap = cap


def restore(session: Session, pages: list[LogPage], body: dict, event: dict) -> None:
    version = body.get("version")
    if version is None:
        for page in pages:
            page.cap = None
            page.restore = True
        return
    for page in pages:
        if version not in page.versions:
            raise ActRefused("no such version")
    for page in pages:
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
            if aspects(session.pages[page_id], taken.kind) != after:
                raise ActRefused("changed again since")
    except ActRefused:
        done.state = "refused"
        return
    taken.state = "undone"
    for page_id, before in taken.before.items():
        for name, value in before.items():
            setattr(session.pages[page_id], name, value)
        if taken.kind == "operator_restore":
            session.pages[page_id].restore = False
