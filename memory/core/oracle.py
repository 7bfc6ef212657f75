"""Look-ahead for policies that weigh the future: what a whole log's next turns will demand.

Known before the log runs, so it exists in replay only. A turn demands a page by a declared demand before its
prompt or an observed one after it. For prompt N, turn N counts by its observed demands alone (its declared
ones are required anyway), turns N+1 to N+3 by either; each turn counts once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from memory.core import events as ev
from memory.core.state import State
from memory.core.types import Mode

TURNS_AHEAD: Final = 3


class LookAhead:
    """What the turns of one log demand, by the prompt that begins each."""

    def __init__(self, events: Iterable[ev.Event]) -> None:
        self._turn: dict[int, int] = {}  # the prompt event's seq → place in the lists
        self._observed: list[set[str]] = []
        self._demanded: list[set[str]] = []  # declared or observed
        declared: set[str] = set()
        requests: set[str] = set()
        prompt: type[ev.PromptObserved | ev.PromptRequested] = ev.PromptObserved
        for event in events:
            body = event.body
            if isinstance(body, ev.DemandDeclared):
                declared.add(body.page_id)
            elif isinstance(body, ev.DemandObserved) and self._turn:
                self._observed[-1].add(body.page_id)
                self._demanded[-1].add(body.page_id)
            elif isinstance(body, ev.SessionStarted) and not self._turn:
                prompt = ev.PromptRequested if body.mode is Mode.ENFORCED else ev.PromptObserved
            elif isinstance(body, prompt) and body.request_id not in requests:  # another begins no turn
                requests.add(body.request_id)
                self._turn[event.seq] = len(self._turn)
                self._observed.append(set())
                self._demanded.append(declared)
                declared = set()

    def at(self, seq: int) -> dict[str, int]:
        """Page id → turns that demand it, for the prompt of event ``seq``; pages of no turn are not there."""
        turn = self._turn.get(seq)
        if turn is None:
            return {}
        found = Counter(self._observed[turn])
        for demanded in self._demanded[turn + 1 : turn + 1 + TURNS_AHEAD]:
            found.update(demanded)
        return {page_id: found[page_id] for page_id in sorted(found)}


def tell_future(state: State, ahead: LookAhead, seq: int) -> None:
    """Before event ``seq``, a prompt, is applied: every side whose policy weighs the future then gets it, by
    table order.
    """
    for side in state.sides():
        if (side.next_policy or side.policy).future_weight:
            side.future = _by_order(state, ahead.at(seq))


def _by_order(state: State, turns: dict[str, int]) -> dict[int, float]:
    pages = ((state.page(page_id), count) for page_id, count in turns.items())
    known = [(page.order, float(count)) for page, count in pages if page is not None]
    return dict(sorted(known))
