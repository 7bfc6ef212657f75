"""What the handlers of events share: finding things, refusing, telling."""

from __future__ import annotations

from typing import Any

from memory.core.acts import Refused
from memory.core.codec import check_path
from memory.core.declarations import Declarations
from memory.core.errors import EventError
from memory.core.events import Representation
from memory.core.outcomes import Outcome
from memory.core.pages import Page, Tokens
from memory.core.policies import Policy
from memory.core.state import Changing, SideState, State, outcome
from memory.core.types import Fidelity, PageStatus


def known_page(state: State, page_id: str, *, live: bool = False) -> Page:
    page = state.table.by_id.get(page_id)
    if page is None:
        raise Refused(f"no page {page_id!r}")
    if live and page.status is not PageStatus.LIVE:
        raise Refused(f"page {page_id!r} is {page.status.value}")
    return page


def known_policy(declarations: Declarations, name: str, *, replaying: bool = False) -> Policy:
    """The policy of that name, built in or declared by the session's start; only in a replay one that knows
    what comes.
    """
    policy = declarations.policy(name)
    if policy is None:
        raise Refused(f"unknown policy {name!r}")
    if policy.future_weight and not replaying:
        raise Refused(f"the policy {name!r} exists in replay only")
    return policy


def check_reps(page: Page, reps: dict[Fidelity, Representation]) -> None:
    """Refuses representations that the page's type does not have."""
    try:
        check_path(page.type, reps, "representations")
    except EventError as error:
        raise Refused(str(error)) from None


def take_text(state: State, page: Page, text_seq: int, tokens: Tokens) -> None:
    """The text that event ``text_seq`` brought is the page's."""
    with Changing(state, page):
        page.tokens, page.text_seq = tokens, text_seq
    for side in state.sides():
        if side.index is not None:
            side.retext.add(page.order)


def primary_side(state: State) -> SideState:
    assert state.primary is not None
    return state.primary


def tell(state: State, page: Page | None, kind: str, /, **data: Any) -> Outcome:
    return outcome(state, primary_side(state), kind, page, **data)


def need_turn(state: State) -> None:
    if not state.turn:
        raise Refused("no prompt yet")
    if not state.turn_open:
        raise Refused("the session has ended: no prompt is open")
