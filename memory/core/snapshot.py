"""A state as bytes and back, exactly; and an independent copy of one."""

from __future__ import annotations

import contextlib
import gc
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from memory.core import codec
from memory.core.declarations import Declarations
from memory.core.errors import CoreError, EventError
from memory.core.journal import Journal
from memory.core.metrics import Totals
from memory.core.page_columns import dump_pages, load_pages
from memory.core.page_table import PageTable
from memory.core.policies import Policy
from memory.core.state import BLOCK, Act, Move, Seat, Seats, SideState, State, Verdict, new_log
from memory.core.types import Mode, Side
from memory.core.validation import Validator

VERSION = 7

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
    "shadow_budget",
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
    "budget",
    "page_budget",
    "tokens_used",
    "required_tokens",
    "floor_tokens",
    "insufficient_by",
    "unmet",
    "prefix_tokens",
    "by_type",
    "chain",
    "changed_since_keyframe",
)
_SETS = ("ghosts", "retext", "restored", "touched")
_MAPS = ("hot", "asked", "incoming", "stale", "dirty")
_TUPLE_MAPS = ("at_risk", "declared", "outgoing")


def dump_state(state: State) -> bytes:
    """Deterministic bytes; ``load_state`` gives a state that goes on exactly as this one would."""
    return codec.canonical(
        {
            "version": VERSION,
            "mode": state.mode.value,
            "grants": sorted(state.grants),
            "head": state.head.decode("ascii"),
            "declarations": state.declarations.to_json(),
            "plain": [getattr(state, name) for name in _PLAIN],
            "arrived": sorted(state.arrived),
            "texts": sorted(state.texts.items()),
            "requests": list(state.requests.items()),
            "calls": [[call, key, turn] for call, (key, turn) in state.calls.items()],
            "history": list(state.history.items()),
            "acts": [asdict(act) for act in state.acts.values()],
            "pages": dump_pages(state.table.pages),
            "sides": [_dump_side(side) for side in state.sides()],
        }
    )


def load_state(raw: bytes, validators: Mapping[str, Validator] | None = None) -> State:
    """A state from ``dump_state``'s bytes. ``validators``: as for ``new_state``.

    Raises ``CoreError`` for bytes of another version, or of something else.
    """
    with _collector_paused():
        return _load(raw, dict(validators or {}))


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Nothing that a load makes is garbage, but looking for it takes half of a large state's time."""
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


def _load(raw: bytes, validators: dict[str, Validator]) -> State:
    try:
        data = codec.parse_json(raw)
        version = data["version"]
    except (EventError, KeyError, TypeError):
        raise CoreError("these bytes are no snapshot of a state") from None
    if version != VERSION:
        raise CoreError(f"snapshot of version {version!r}, not {VERSION}: fold the log again")
    state = State()
    state.validators = validators
    for name, value in zip(_PLAIN, data["plain"], strict=True):
        setattr(state, name, value)
    state.mode, state.grants = Mode(data["mode"]), frozenset(data["grants"])
    state.head = data["head"].encode("ascii")
    state.declarations = Declarations.from_json(data["declarations"])
    state.arrived, state.texts = set(data["arrived"]), dict(data["texts"])
    state.requests = dict(data["requests"])
    state.calls = {call: (key, turn) for call, key, turn in data["calls"]}
    state.history = dict(data["history"])
    state.acts = {act["seq"]: Act(**act) for act in data["acts"]}
    load_pages(data["pages"], state.table)
    sides = [_load_side(state, row) for row in data["sides"]]
    state.primary = sides[0] if sides else None
    state.shadow = sides[1] if len(sides) > 1 else None
    return state


def _dump_side(side: SideState) -> dict[str, Any]:
    blank, rows = Seat().to_json(), [(order, seat.to_json()) for order, seat in sorted(side.seats.items())]
    return {
        "side": side.side.value,
        "policy": side.policy.to_json(),
        "next_policy": None if side.next_policy is None else side.next_policy.to_json(),
        "plain": [getattr(side, name) for name in _SIDE_PLAIN],
        "sets": [sorted(getattr(side, name)) for name in _SETS],
        "maps": [list(getattr(side, name).items()) for name in _MAPS],
        "tuples": [[[order, *row] for order, row in getattr(side, name).items()] for name in _TUPLE_MAPS],
        "logs": [{key: rows for key, rows in log.items() if rows} for log in (side.log, side.next_log)],
        "moved": _dump_moves(side.moved),
        "seats": [[order, *row] for order, row in rows if row != blank],
        "fidelity": side.fidelity.hex(),
        "in_prompt": list(side.in_prompt),
        "after_boundary": side.after_boundary,
        "future": None if side.future is None else list(side.future.items()),
        "demanded": list(side.demanded),
        "verdicts": [[order, verdict.to_json()] for order, verdict in side.verdicts.items()],
        "guesses": [[order, verdict.to_json()] for order, verdict in side.guesses.items()],
        "totals": side.totals.to_json(),
        "journal": side.journal.to_json(),
        "residency": f"{side.residency:x}",
    }


def _dump_moves(moves: list[Move]) -> list[Any]:
    """The different ones, and which of them each page has."""
    known: dict[Move, int] = {}
    places = [known.setdefault(move, len(known)) for move in moves]
    return [list(known), places]


def _load_moves(row: list[Any]) -> list[Move]:
    known: list[Move] = [
        (reason, turn, None if cause is None else (cause[0], cause[1], cause[2]))
        for reason, turn, cause in row[0]
    ]
    return [known[place] for place in row[1]]


def _load_side(state: State, row: dict[str, Any]) -> SideState:
    side = SideState(Side(row["side"]), Policy(**row["policy"]))
    for name, value in zip(_SIDE_PLAIN, row["plain"], strict=True):
        setattr(side, name, value)
    for name, value in zip(_SETS, row["sets"], strict=True):
        setattr(side, name, set(value))
    for name, value in zip(_MAPS, row["maps"], strict=True):
        setattr(side, name, dict(value))
    for name, value in zip(_TUPLE_MAPS, row["tuples"], strict=True):
        setattr(side, name, {order: tuple(rest) for order, *rest in value})
    side.log, side.next_log = new_log(row["logs"][0]), new_log(row["logs"][1])
    side.moved = _load_moves(row["moved"])
    side.seats = Seats({order: Seat.from_json(seat) for order, *seat in row["seats"]})
    side.fidelity = bytearray.fromhex(row["fidelity"])
    side.in_prompt = array("i", row["in_prompt"])
    side.block_tokens = [sum(side.in_prompt[at : at + BLOCK]) for at in range(0, len(side.in_prompt), BLOCK)]
    side.resident_tokens = sum(side.block_tokens)
    side.resident_pages = len(side.fidelity) - side.fidelity.count(0)
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
    side.next_policy = None if row["next_policy"] is None else Policy(**row["next_policy"])
    if side.index is not None:
        live = (
            page for page in state.table.pages if side.fidelity[page.order] and page.order in state.table.live
        )
        side.standing = sum(side.stands_at(page) for page in live)
    return side


def clone(state: State) -> State:
    """An independent copy, for a dry run."""
    other = State()
    for name, value in vars(state).items():
        setattr(other, name, _copied(value))
    other.table = state.table.copy()
    other.declarations = state.declarations.copy()
    other.acts = {seq: replace(act) for seq, act in state.acts.items()}
    other.primary = None if state.primary is None else _clone_side(state.primary, other.table)
    other.shadow = None if state.shadow is None else _clone_side(state.shadow, other.table)
    return other


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, (dict, list, set, bytearray)) else value


def _clone_side(side: SideState, table: PageTable) -> SideState:
    other = SideState(side.side, side.policy)
    for name, value in vars(side).items():
        setattr(other, name, _copied(value))
    other.in_prompt = side.in_prompt[:]
    other.seats = Seats({order: seat.copy() for order, seat in side.seats.items()})
    other.log = new_log({key: list(entries) for key, entries in side.log.items()})
    other.next_log = new_log({key: list(entries) for key, entries in side.next_log.items()})
    other.verdicts = {order: verdict.copy() for order, verdict in side.verdicts.items()}
    other.guesses = {order: verdict.copy() for order, verdict in side.guesses.items()}
    other.totals = Totals(**side.totals.to_json())
    other.journal = side.journal.copy()
    other.index = None if side.index is None else side.index.copy(table, other)
    return other
