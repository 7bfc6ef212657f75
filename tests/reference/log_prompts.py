"""Turn N begins: every side's prompt is chosen, or read, and what is known before the answer is judged."""

from __future__ import annotations

from dataclasses import replace

from .log_pages import LogPage, usable
from .log_session import Session, page_budget
from .log_sides import FULL, Asked, Demand, Side, Turn, choose
from .log_writes import lose
from .selection import priority
from .workloads import ABSENT


def prompt(session: Session, fixed: int, recorded: int | None) -> None:
    """Turn N begins: on each side the turn before is closed, the prompt chosen or read, and judged."""
    for side in session.sides:
        side.close()
    live = session.live()
    for side in session.sides:
        if side.next_policy is not None:
            side.policy, side.resolves, side.next_policy = side.next_policy, side.next_policy.resolves, None
        turn_of(session, side, live, fixed, recorded)
    for side in session.sides:
        judge_prompt(session, side, live)
    for page in live:
        page.restore = 0
    session.asked, session.after_loss = {}, False
    session.arrivals, session.coming, session.fresh = set(), set(), set()
    session.duplicates, session.boundaries = set(), []


def turn_of(session: Session, side: Side, live: list[LogPage], fixed: int, recorded: int | None) -> None:
    before, prefix_before = side.standing, side.turns
    asked = Asked()
    for page in live:
        if page.restore and not side.observed:
            asked.add(page, FULL, "restored")
    for page_id, level in session.asked.items():
        if not session.pages[page_id].gone:
            asked.add(session.pages[page_id], level, "demanded")
    if side.observed:
        standing, used, budget, whole = as_recorded(session, side, live, recorded)
        reason = dict.fromkeys(standing, "recorded")
        needed = {
            page_id: max(level, contract(session, side, session.pages[page_id])[1])
            for page_id, level in asked.raw.items()
        }
        for page in live:
            if contract(session, side, page)[0] == "hard" or (session.after_loss and page.must_survive()):
                low = contract(session, side, page)[1]
                needed[page.page_id] = max(low, needed.get(page.page_id, ABSENT))
        views = {page.page_id: usable(page) if session.mode == "injected" else page for page in live}
        required = sum(views[page_id].cost(level) for page_id, level in needed.items())
        missing = [page for page in live if standing[page.page_id] < needed.get(page.page_id, ABSENT)]
        unmet = [
            page.page_id
            for page in sorted(
                missing, key=lambda page: priority(replace(page, pin=contract(session, side, page)[0]))
            )
        ]
        floor = sum(
            views[page.page_id].cost(max(contract(session, side, page)[1], needed.get(page.page_id, ABSENT)))
            for page in live
        )
    else:
        if side.name == "shadow" and session.mode != "enforced":
            for page in live:
                if page.page_id in session.arrivals:
                    asked.add(page, FULL, "arrived")
        whole = budget = page_budget(session, side, fixed)
        chosen, required, floor = choose(side, live, budget, asked, session.after_loss, session.arrivals, {})
        standing, reason, unmet = chosen.fidelity, chosen.reason, chosen.unmet
        used = sum(page.cost(standing[page.page_id]) for page in live)
    resident = sum(page.cost(standing[page.page_id]) for page in live)
    changes = changes_of(session, side, standing, reason, unmet)
    prefix = None
    if prefix_before:
        prefix = prefix_tokens(session, side, before, standing)
    side.standing = standing
    side.texts = {page.page_id: page.text for page in live}
    side.turn = Turn(
        len(side.turns) + 1,
        side.policy.name,
        whole,
        budget,
        standing,
        used,
        resident,
        required,
        floor,
        unmet,
        changes,
        prefix or 0,
    )


def contract(session: Session, side: Side, page: LogPage) -> tuple[str, int]:
    """Pin and minimum that a prompt is held against. What was only read is not held against an operator's
    act, whose reach
    is the shadow."""
    if side.name == "primary" and session.mode == "observed":
        return page.own_pin, page.own_minimum
    return page.pin, page.minimum


def as_recorded(
    session: Session, side: Side, live: list[LogPage], recorded: int | None
) -> tuple[dict[str, int], int, int | None, int | None]:
    """What arrived stands in full, what a record dropped is gone."""
    for page in live:
        if page.page_id in session.coming:
            side.held[page.page_id] = FULL
    standing = {page.page_id: side.held.get(page.page_id, ABSENT) for page in live}
    ours = sum(page.cost(standing[page.page_id]) for page in live) + sum(side.stale.values())
    if recorded is not None:
        session.unseen = max(0, recorded - ours)
    left = None
    if session.window is not None:
        left = max(0, session.window - session.unseen - session.reserve)
    whole = session.budget if session.budget is not None else session.window
    budget = session.budget if session.budget is not None else left
    return standing, ours if recorded is None else recorded, budget, whole


def changes_of(
    session: Session, side: Side, standing: dict[str, int], reason: dict[str, str], unmet: list[str]
) -> list[tuple[str, int, str]]:
    """In table order, those that left the table among them."""
    out = []
    for page_id, page in session.pages.items():
        before, now = side.standing.get(page_id, ABSENT), standing.get(page_id, ABSENT)
        if now == before:
            continue
        if page.gone:
            why = "left"
        elif side.observed:
            why = "recorded" if now == FULL else "dropped"
        elif now > before:
            why = reason[page_id]
        else:
            why = "unmet" if page_id in unmet else "displaced"
        out.append((page_id, now, why))
    return out


def prefix_tokens(session: Session, side: Side, before: dict[str, int], standing: dict[str, int]) -> int:
    """Tokens before the first page, in table order, whose presence, fidelity or text differs."""
    total = 0
    for page_id, page in session.pages.items():
        now = standing.get(page_id, ABSENT)
        if before.get(page_id, ABSENT) != now or (now and page.text != side.texts.get(page_id)):
            break
        total += page.cost(now)
    return total


def judge_prompt(session: Session, side: Side, live: list[LogPage]) -> None:
    turn = side.turn
    assert turn is not None
    for name in session.pages:
        if name in side.at_risk and name in side.journal.dirty and side.standing.get(name, ABSENT) != FULL:
            lose(side, name)
    side.at_risk = set()
    missed, side.missed = side.missed, []
    for page_id in missed:
        turn.faults.append(("flush_miss", page_id, "policy", True))
    for page in live:
        pin, low = contract(session, side, page)
        if pin == "hard" and side.standing[page.page_id] < low:
            turn.faults.append(("pinned_invariant_miss", page.page_id, side.by_required(), True))
    for page in live:
        low = contract(session, side, page)[1]
        if session.after_loss and page.must_survive() and side.standing[page.page_id] < low:
            turn.faults.append(("post_compaction_bootstrap", page.page_id, side.by_required(), True))
    for page_id, level in session.asked.items():
        page = session.pages[page_id]
        if not page.gone:
            level = max(level, contract(session, side, page)[1])
            side.demands.append(Demand(page, level, True, declared=True, cost=page.cost(level)))
    for page in live:
        if page.restore and not side.observed:
            side.demands.append(Demand(page, FULL, True, declared=True, cost=page.cost(FULL)))
