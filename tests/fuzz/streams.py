"""Streams of events that are each valid, whether or not they can be applied where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from memory.core import Event, decode_body, event_version

from .bodies import Names, body, maybe, page, started

_COMMON = {
    "demand_observed": 8, "tool_called": 6, "tool_returned": 6, "boundary": 5, "demand_declared": 5,
    "page_updated": 5, "dirty_marked": 3, "write_staged": 5, "write_resolved": 4, "write_judged": 3,
    "model_answered": 3, "operator_pin": 4, "operator_demote": 4, "operator_undo": 5, "operator_restore": 4,
    "operator_unpin": 2, "page_created": 4, "page_superseded": 2, "page_retired": 2, "project_commit": 3,
    "recall": 2, "settings_changed": 4, "receipt": 2, "page_linked": 1, "noted": 1, "session_ended": 1,
    "session_started": 1,
}  # fmt: skip
OPERATOR = "operator:me"


@dataclass(frozen=True, slots=True)
class Given:
    """One event of a stream before it is numbered. An act may be referred to by its seq, so nothing is left
    out of a stream when it is made smaller: it becomes a note instead.
    """

    kind: str
    body: dict[str, Any]
    actor: str = "harness"


NOTHING = Given("noted", {"what": "-"})


def stream(rng: Random) -> list[Given]:
    """A session in one of the modes, its pages, then anything in no order."""
    mode = rng.choice(("enforced", "enforced", "enforced", "observed", "injected"))
    names = Names(rng, rng.choice((1, 3, 5, 8, 12, 30)))
    found = [Given("session_started", started(rng, names, mode))]
    first = names.pages[: rng.randint(1, len(names.pages))]
    found += [Given("page_created", {"page": page(rng, names, page_id)}) for page_id in first]
    prompt = "prompt_requested" if mode == "enforced" else "prompt_observed"
    kinds, weights = _mixture(rng, prompt)
    for kind in rng.choices(kinds, weights, k=rng.choice((5, 20, 40, 80, 150))):
        if kind.startswith("prompt") and maybe(rng, 2):
            kind = "prompt_observed" if kind == "prompt_requested" else "prompt_requested"
        if kind.startswith("operator"):
            names.acts.append(len(found) + 1)
        operators = kind.startswith(("operator", "write_resolved")) and maybe(rng, 85)
        found.append(Given(kind, body(rng, names, kind), OPERATOR if operators else "harness"))
    if maybe(rng, 30):
        found.append(Given("session_ended", {}))
    return found


def _mixture(rng: Random, prompt: str) -> tuple[list[str], list[int]]:
    """Every stream leans to other kinds, so that some do much of one thing."""
    weights = {kind: weight * rng.choice((0, 1, 1, 1, 3)) for kind, weight in _COMMON.items()}
    weights[prompt] = rng.choice((8, 20, 60))
    return list(weights), list(weights.values())


def events(given: list[Given]) -> list[Event]:
    return [Event(seq, decode_body(one.kind, one.body), one.actor) for seq, one in enumerate(given, 1)]


def lines(given: list[Given]) -> list[dict[str, Any]]:
    """The same as trees of the lines of a log."""
    return [
        {"seq": seq, "kind": one.kind, "v": event_version(one.kind), "actor": one.actor, "body": one.body}
        for seq, one in enumerate(given, 1)
    ]
