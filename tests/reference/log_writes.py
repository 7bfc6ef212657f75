"""Section 5: boundaries, the journal's events, and commits of other sessions."""

from __future__ import annotations

from .log_pages import tokens_of
from .log_session import Refused, Session, new_text
from .log_sides import FULL, Side
from .workloads import ABSENT, PATHS, POINTER
from .writeback import lowers_the_floor, malformed


def boundary(session: Session, body: dict, event: dict) -> None:
    kind = body["kind"]
    session.boundaries.append(kind)
    if kind in ("compaction", "reset"):
        session.after_loss = True
    for side in session.sides:
        if side.observed:
            drop(session, side, body)
        destroy(session, side, kind)


def destroy(session: Session, side: Side, kind: str) -> None:
    """Section 5: write back, or lose what nobody wrote back (at a compaction or prune: once the next
    prompt shows it).
    """
    at_end = kind in ("reset", "shutdown")
    if side.policy.writes_back_at_end if at_end else side.policy.writes_back:
        side.journal.write_back(session.pages, session.grants)
        side.at_risk = set()
    elif at_end:
        for page in session.pages.values():
            if page.page_id in side.journal.dirty and page.scope == "session":
                lose(side, page.page_id)
    elif kind != "flush":
        side.at_risk |= side.journal.dirty


def lose(side: Side, page_id: str) -> None:
    side.at_risk.discard(page_id)
    side.journal.lose(page_id)
    side.missed.append(page_id)


# --- writes


def write_staged(session: Session, body: dict, event: dict) -> None:
    update = body["update"]
    page = session.page(update["page_id"])
    known = session.sides[0].journal.known.get(update["update_id"])
    if known is not None:
        if known != update:
            raise Refused("another update has this id")
        return
    if page.gone:
        raise Refused("it is gone")
    for side in session.sides:
        side.journal.stage(update)
    session.mark_dirty(page.page_id)


def write_judged(session: Session, body: dict, event: dict) -> None:
    heard = [
        side.journal.judge(body["update_id"], body["validator"], body["verdict"]) for side in session.sides
    ]
    if not heard[0]:
        raise Refused("nothing to judge, or judged before")


def write_resolved(session: Session, body: dict, event: dict) -> None:
    """Only an operator approves or merges; anyone gives up."""
    name, action = body["update_id"], body["action"]
    if (
        name not in session.sides[0].journal.parked
    ):  # Reading: the primary's journal is the one that is answered
        raise Refused("not parked")
    if action != "drop" and not event["actor"].startswith("operator"):
        raise Refused("only an operator can")
    for side in session.sides:
        if name in side.journal.parked:
            update = side.journal.known[name]
            page = session.pages[update["page_id"]]
            never = malformed(update) or (page.pin == "hard" and lowers_the_floor(update, page))
            if action != "drop" and never:
                raise Refused("never committed")
            del side.journal.parked[name]
            side.journal.note(update, "resolved")
            if action != "drop":
                side.journal.commit(update, session.pages)


def project_commit(session: Session, body: dict, event: dict) -> None:
    page = session.page(body["page_id"])
    if page.scope != "project":
        raise Refused("not of the project")
    if any(label not in PATHS[page.type] for label in body["representations"]):
        raise Refused("off the type's path")
    if body["version"] <= session.project_version.get(page.page_id, 0):
        raise Refused("not above the project's last version")
    session.project_version[page.page_id] = body["version"]
    # Reading: where a commit of ours crosses it, ours is parked and our text stays until an operator answers.
    crossed = session.sides[0].journal.version.get(page.page_id, 0) >= body["version"]
    unwritten = page.page_id in session.sides[0].journal.dirty or session.sides[0].journal.has(page.page_id)
    for side in session.sides:
        if page.page_id in side.journal.dirty and not side.journal.has(page.page_id):
            side.journal.stage(
                {"update_id": f"implied:{event['seq']}", "page_id": page.page_id, "conflict": True}
            )
        side.journal.version[page.page_id] = max(body["version"], side.journal.version.get(page.page_id, 0))
    if session.mode == "enforced" and not unwritten and not crossed and not page.gone:
        new_text(session, page, tokens_of(body["representations"]), event["seq"])


def drop(session: Session, side: Side, body: dict) -> None:
    """What the record says that the harness dropped."""
    kind, preserved = body["kind"], body.get("preserved")
    dropped = body.get("dropped", [])
    summary = body.get("summary_page")
    for page_id in (preserved or ()) if kind in ("compaction", "reset") else ():
        page = session.pages.get(page_id)
        if page is None or page.gone or page_id in session.coming:
            continue
        last, now = side.standing.get(page_id, ABSENT), side.held.get(page_id, ABSENT)
        if now == ABSENT or now != last:
            side.held[page_id] = FULL  # Reading: the record says that it is there, whatever dropped it before
    if kind in ("compaction", "reset"):
        kept = {*(preserved or ()), summary}
        for page_id in list(session.pages):
            if page_id not in kept:
                side.held.pop(page_id, None)
                session.coming.discard(page_id)
        side.stale = {}
    elif kind == "prune":
        for page_id in dropped:
            side.stale.pop(page_id, None)
            page = session.pages.get(page_id)
            held = page_id in session.coming or side.held.get(page_id, ABSENT) > ABSENT
            if page is not None and not page.gone and held:
                session.coming.discard(page_id)
                pointer = body.get("leaves_pointers", True) and page.resolvable
                side.held[page_id] = (
                    POINTER if pointer else ABSENT
                )  # Reading: what never resolves leaves none
