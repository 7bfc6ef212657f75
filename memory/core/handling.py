"""What the handlers of events share: finding things, refusing, telling."""

from __future__ import annotations

from typing import Any

from memory.core.acts import Refused
from memory.core.outcomes import Outcome
from memory.core.pages import Page
from memory.core.policies import Policy, find_policy
from memory.core.state import SideState, State, outcome
from memory.core.types import PageStatus


def known_page(state: State, page_id: str, *, live: bool = False) -> Page:
    page = state.table.by_id.get(page_id)
    if page is None:
        raise Refused(f"no page {page_id!r}")
    if live and page.status is not PageStatus.LIVE:
        raise Refused(f"page {page_id!r} is {page.status.value}")
    return page


def known_policy(name: str) -> Policy:
    policy = find_policy(name)
    if policy is None:
        raise Refused(f"unknown policy {name!r}")
    if policy.name == "oracle":
        raise Refused("the policy 'oracle' exists in replay only")
    return policy


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
