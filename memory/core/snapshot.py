"""A state as bytes and back, exactly; and an independent copy of one."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from memory.core import codec
from memory.core.errors import CoreError
from memory.core.journal import Journal
from memory.core.metrics import Totals
from memory.core.pages import Page
from memory.core.policies import POLICIES
from memory.core.selector import SelectionIndex
from memory.core.state import Act, Seat, SideState, State, Verdict
from memory.core.types import Mode, Side

VERSION = 3

_PLAIN = (
    "seq",
    "rejected",
    "started",
    "ended",
    "turn",
    "turn_open",
    "prompt_seq",
    "request_id",
    "harness",
    "model",
    "window",
    "window_source",
    "reserve",
    "budget",
    "multi_session",
    "due",
    "boundaries",
    "recorded_tokens",
    "unseen_tokens",
    "stale_tokens",
    "fixed_tokens",
    "unseen_items",
    "first_unseen",
)
_SIDE_PLAIN = (
    "log",
    "next_log",
    "budget",
    "page_budget",
    "tokens_used",
    "required_tokens",
    "floor_tokens",
    "insufficient_by",
    "unmet",
    "resident_tokens",
    "by_type",
    "chain",
    "changed_since_keyframe",
)
_SETS = ("ghosts", "retext", "restored")
_MAPS = ("hot", "incoming", "stale", "dirty")
_TUPLE_MAPS = ("at_risk", "declared", "outgoing")


def dump_state(state: State) -> bytes:
    """Deterministic bytes; ``load_state`` gives a state that goes on exactly as this one would."""
    return codec.canonical(
        {
            "version": VERSION,
            "mode": state.mode.value,
            "grants": sorted(state.grants),
            "head": state.head.decode("ascii"),
            "plain": [getattr(state, name) for name in _PLAIN],
            "requests": list(state.requests.items()),
            "calls": [[call, key, turn] for call, (key, turn) in state.calls.items()],
            "history": list(state.history.items()),
            "acts": [asdict(act) for act in state.acts.values()],
            "pages": [page.to_json() for page in state.table.pages],
            "sides": [_dump_side(side) for side in state.sides()],
        }
    )


def load_state(raw: bytes) -> State:
    """A state from ``dump_state``'s bytes. Raises ``CoreError`` for bytes of another version."""
    data = codec.parse_json(raw)
    if data.get("version") != VERSION:
        raise CoreError(f"snapshot of version {data.get('version')!r}, not {VERSION}")
    state = State()
    for name, value in zip(_PLAIN, data["plain"], strict=True):
        setattr(state, name, value)
    state.mode, state.grants = Mode(data["mode"]), frozenset(data["grants"])
    state.head = data["head"].encode("ascii")
    state.requests = dict(data["requests"])
    state.calls = {call: (key, turn) for call, key, turn in data["calls"]}
    state.history = dict(data["history"])
    state.acts = {act["seq"]: Act(**act) for act in data["acts"]}
    for row in data["pages"]:
        state.table.add(Page.from_json(row))
    sides = [_load_side(state, row) for row in data["sides"]]
    state.primary = sides[0] if sides else None
    state.shadow = sides[1] if len(sides) > 1 else None
    return state


def _dump_side(side: SideState) -> dict[str, Any]:
    return {
        "side": side.side.value,
        "policy": side.policy.name,
        "plain": [getattr(side, name) for name in _SIDE_PLAIN],
        "sets": [sorted(getattr(side, name)) for name in _SETS],
        "maps": [list(getattr(side, name).items()) for name in _MAPS],
        "tuples": [[[order, *row] for order, row in getattr(side, name).items()] for name in _TUPLE_MAPS],
        "seats": [seat.to_json() for seat in side.seats],
        "fidelity": side.fidelity.hex(),
        "after_boundary": side.after_boundary,
        "future": None if side.future is None else list(side.future.items()),
        "demanded": list(side.demanded),
        "verdicts": [[order, verdict.to_json()] for order, verdict in side.verdicts.items()],
        "guesses": [[order, verdict.to_json()] for order, verdict in side.guesses.items()],
        "totals": side.totals.to_json(),
        "journal": side.journal.to_json(),
        "residency": f"{side.residency:x}",
    }


def _load_side(state: State, row: dict[str, Any]) -> SideState:
    side = SideState(Side(row["side"]), POLICIES[row["policy"]])
    for name, value in zip(_SIDE_PLAIN, row["plain"], strict=True):
        setattr(side, name, value)
    for name, value in zip(_SETS, row["sets"], strict=True):
        setattr(side, name, set(value))
    for name, value in zip(_MAPS, row["maps"], strict=True):
        setattr(side, name, dict(value))
    for name, value in zip(_TUPLE_MAPS, row["tuples"], strict=True):
        setattr(side, name, {order: tuple(rest) for order, *rest in value})
    side.seats = [Seat.from_json(seat) for seat in row["seats"]]
    side.fidelity = bytearray.fromhex(row["fidelity"])
    boundary = row["after_boundary"]
    side.after_boundary = None if boundary is None else (boundary[0], boundary[1], boundary[2])
    side.future = None if row["future"] is None else dict(row["future"])
    side.demanded = dict.fromkeys(row["demanded"])
    side.verdicts = {order: Verdict.from_json(verdict) for order, verdict in row["verdicts"]}
    side.guesses = {order: Verdict.from_json(verdict) for order, verdict in row["guesses"]}
    side.totals = Totals(**row["totals"])
    side.journal = Journal.from_json(row["journal"])
    side.residency = int(row["residency"], 16)
    side.own = not side.policy.selects and state.mode is Mode.OBSERVED
    side.set_policy(side.policy, state.table)
    return side


def clone(state: State) -> State:
    """An independent copy, for a dry run."""
    other = State()
    for name, value in vars(state).items():
        setattr(other, name, _copied(value))
    other.table = state.table.copy()
    other.acts = {seq: replace(act) for seq, act in state.acts.items()}
    other.primary = None if state.primary is None else _clone_side(state.primary)
    other.shadow = None if state.shadow is None else _clone_side(state.shadow)
    return other


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, (dict, list, set, bytearray)) else value


def _clone_side(side: SideState) -> SideState:
    other = SideState(side.side, side.policy)
    for name, value in vars(side).items():
        setattr(other, name, _copied(value))
    other.seats = [seat.copy() for seat in side.seats]
    other.log = {key: list(entries) for key, entries in side.log.items()}
    other.next_log = {key: list(entries) for key, entries in side.next_log.items()}
    other.verdicts = {order: verdict.copy() for order, verdict in side.verdicts.items()}
    other.guesses = {order: verdict.copy() for order, verdict in side.guesses.items()}
    other.totals = Totals(**side.totals.to_json())
    other.journal = side.journal.copy()
    if side.index is not None:
        other.index = SelectionIndex.__new__(SelectionIndex)
        other.index.policy, other.index.hot = side.index.policy, other.hot
        other.index.prefetch, other.index.cold = list(side.index.prefetch), list(side.index.cold)
    return other
