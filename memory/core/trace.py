"""The decision trace: one line a closed turn, chained by SHA-256."""

from __future__ import annotations

import hashlib
from typing import Any

from memory.core import codec
from memory.core.events import SessionStarted
from memory.core.faults import verdict_fault
from memory.core.outcomes import Outcome
from memory.core.policies import RECENCY_DECAY, RECENCY_FLOOR
from memory.core.state import LABEL, SideState, State, new_log, outcome
from memory.core.types import PageStatus

#: Changed with whatever changes what the engine decides or writes: older snapshots are then not read.
ENGINE_VERSION = "2"
_WORD = 1 << 256


def sha256(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def make_head(body: SessionStarted, sides: list[SideState]) -> bytes:
    """The head: settings, policy data and versions; both sides' traces begin with it."""
    return codec.canonical(
        {
            "trace": "clawweb",
            "engine": ENGINE_VERSION,
            "session": codec.plain(body),
            "policies": {side.side.value: side.policy.to_json() for side in sides},
            "recency": {"decay": RECENCY_DECAY, "floor": RECENCY_FLOOR},
            "hash": "sha256; prev is that of the line before; residency is the sum of the digests mod 2^256",
        }
    )


def _digest(page_id: str, fidelity: int) -> int:
    if not fidelity:
        return 0
    text = f"{LABEL[fidelity]}\0{page_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest(), "big")


def _changes(state: State, side: SideState) -> list[list[str]]:
    """This turn's changes in table order; the residency hash follows them."""
    pages, found = state.table.pages, []
    for order, fidelity, reason, before in sorted(side.log["changes"]):
        page_id = pages[order].page_id
        side.residency = (side.residency - _digest(page_id, before) + _digest(page_id, fidelity)) % _WORD
        found.append([page_id, LABEL[fidelity], reason])
    side.changed_since_keyframe += len(found)
    return found


def _record(state: State, side: SideState) -> dict[str, Any]:
    pages, log = state.table.pages, side.log
    judged = [*side.verdicts.items(), *side.guesses.items()]
    verdicts = [(pages[order], verdict) for order, verdict in judged]
    faults = [
        {"page_id": page.page_id, **verdict_fault(v, LABEL[side.fidelity[page.order]], amends=False)}
        for page, v in verdicts
        if v.kind == "fault"
    ]
    record: dict[str, Any] = {
        "turn": state.turn,
        "side": side.side.value,
        "policy": side.policy.name,
        "budget": side.budget,
        "page_budget": side.page_budget,
        "tokens_used": side.tokens_used,
        "resident_tokens": side.resident_tokens,
        "required_tokens": side.required_tokens,
        "floor_tokens": side.floor_tokens,
        "insufficient_by": side.insufficient_by,
        "unmet": [pages[order].page_id for order in side.unmet],
        "changes": _changes(state, side),
        "hits": [
            [page.page_id, LABEL[v.level], v.exact] for page, v in verdicts if v.kind == "hit" and v.credited
        ],
        "page_ins": [
            [page.page_id, LABEL[side.fidelity[page.order]], LABEL[v.level], v.tokens, v.exact]
            for page, v in verdicts
            if v.kind == "page_in"
        ],
        "faults": [*log["faults"], *faults, *log["tools"]],
        "alerts": log["alerts"],
        "refreshes": log["refreshes"],
        "journal": log["journal"],
        "boundaries": log["boundaries"],
        "acts": log["acts"],
        "prev": side.chain,
    }
    caused = [[page.page_id, v.exact] for page, v in verdicts if not v.credited]
    if caused:
        record["caused_by_drop"] = caused  # met, but no hits
    resident = len(side.fidelity) - side.fidelity.count(0)
    if side.changed_since_keyframe > resident and state.turn > 1:
        side.changed_since_keyframe = 0
        record["keyframe"] = {
            page.page_id: LABEL[side.fidelity[page.order]] for page in pages if side.fidelity[page.order]
        }
    record["residency"] = f"{side.residency:064x}"
    return record


def close_turn(state: State, *, final: bool) -> list[Outcome]:
    """Recency moves and each side's record is written. ``final``: no prompt follows for now."""
    if not state.turn_open:
        return []
    state.turn_open = False
    found = []
    for side in state.sides():
        demanded = _move_recency(state, side)
        if final:
            for key, entries in side.next_log.items():
                side.log[key].extend(entries)
            side.next_log = new_log()
        line = codec.canonical(_record(state, side))
        side.chain = sha256(line)
        side.log = new_log()
        side.verdicts, side.guesses = {}, {}
        data = {"record": line.decode("ascii"), "sha256": side.chain, "demanded": demanded}
        found.append(outcome(state, side, "turn", None, **data))
    return found


def _move_recency(state: State, side: SideState) -> list[str]:
    """Decay, then 1 for each page demanded; gives the ids of those."""
    pages, hot, index = state.table.pages, side.hot, side.index
    cold = []
    for order, recency in hot.items():
        recency *= RECENCY_DECAY
        if recency < RECENCY_FLOOR:
            cold.append(order)
        else:
            hot[order] = recency
    for order in cold:
        del hot[order]
        if index is not None and pages[order].status is PageStatus.LIVE:
            index.chill(pages[order])
    for order in side.demanded:
        if order not in hot and index is not None and pages[order].status is PageStatus.LIVE:
            index.chill(pages[order], away=True)
        hot[order] = hot.get(order, 0.0) + 1.0
        side.seats[order].peak = hot[order]
    demanded = [pages[order].page_id for order in side.demanded]
    side.demanded = {}
    return demanded
