"""The decision trace: one line a closed turn, chained by SHA-256."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from memory.core import codec
from memory.core.events import SessionStarted
from memory.core.faults import verdict_fault
from memory.core.outcomes import Outcome
from memory.core.policies import RECENCY_DECAY, RECENCY_FLOOR
from memory.core.state import LABEL, SideState, State, new_log
from memory.core.types import Fidelity, PageStatus

#: Changed with whatever changes what the engine decides or writes: older snapshots are then not read.
ENGINE_VERSION = "3"
_WORD = 1 << 256


def sha256(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def seal(body: str) -> bytes:
    """A line of its canonical JSON less the last brace: its last key, ``verify``, is the SHA-256 of all
    before that key. So a changed line is found by itself, the last one too; ``prev`` finds what is missing
    or moved.
    """
    raw = body.encode("ascii")
    return b'%b,"verify":"%b"}' % (raw, sha256(raw).encode("ascii"))


def sealed(value: dict[str, Any]) -> bytes:
    """An object's line; no key of it may come after ``verify``."""
    return seal(codec.canonical(value)[:-1].decode("ascii"))


def make_head(body: SessionStarted, sides: list[SideState], plugins: list[str]) -> bytes:
    """The head: settings, policy data and versions; both sides' traces begin with it."""
    return sealed(
        {
            "trace": "clawweb",
            "engine": ENGINE_VERSION,
            "session": codec.plain(body),
            # versions of what others made; an adapter or a workload can say them for the whole log
            "signatures": body.settings.get("signatures", "as each begins"),
            "representations": body.settings.get("representations", "as each page's event says"),
            "json": "ASCII, sorted keys, no spaces",
            "policies": {side.side.value: side.policy.to_json() for side in sides},
            **({"plugins": plugins} if plugins else {}),
            "recency": {"decay": RECENCY_DECAY, "floor": RECENCY_FLOOR},
            "hash": "sha256; prev is that of the line before; verify is that of the line up to its comma; "
            "residency is the sum of the digests mod 2^256",
        }
    )


@lru_cache(maxsize=2048)  # a pure function; pages that move, move to and fro
def digest(page_id: str, fidelity: int) -> int:
    if not fidelity:
        return 0
    text = f"{LABEL[fidelity]}\0{page_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest(), "big")


def _changes(state: State, side: SideState) -> str:
    """This turn's changes in table order, as JSON; the residency hash follows them."""
    changes = side.log.get("changes")
    if not changes:
        return ""
    pages, found, residency = state.table.pages, [], side.residency
    for order, fidelity, reason, before in sorted(changes):
        page_id = pages[order].page_id
        residency += digest(page_id, fidelity) - digest(page_id, before)
        found.append(f'[{_quoted(page_id)},"{LABEL[fidelity]}","{reason}"]')
    side.residency = residency % _WORD
    side.changed_since_keyframe += len(found)
    return ",".join(found)


class _Judged:
    """The turn's verdicts as JSON."""

    __slots__ = ("caused", "faults", "hits", "page_ins")

    def __init__(self, state: State, side: SideState) -> None:
        self.hits: list[str] = []
        self.page_ins: list[str] = []
        self.faults: list[dict[str, Any]] = []
        self.caused: list[str] = []  # met, but no hits: the drop caused the demand
        for verdicts in (side.verdicts, side.guesses):
            for order, verdict in verdicts.items():
                page_id, exact = state.table.pages[order].page_id, "true" if verdict.exact else "false"
                at, level = LABEL[side.fidelity[order]], LABEL[verdict.level]
                if verdict.kind == "fault":
                    data = verdict_fault(verdict, at, amends=False)
                    self.faults.append({"page_id": page_id, **data})
                elif verdict.kind == "page_in":
                    self.page_ins.append(f'[{_quoted(page_id)},"{at}","{level}",{verdict.tokens},{exact}]')
                elif verdict.credited:
                    self.hits.append(f'[{_quoted(page_id)},"{level}",{exact}]')
                if not verdict.credited:
                    self.caused.append(f"[{_quoted(page_id)},{exact}]")


def _json(value: Any) -> str:
    """Canonical JSON; nothing is the empty list."""
    return codec.canonical(value).decode("ascii") if value else "[]"


def _count(value: int | None) -> str:
    return "null" if value is None else str(value)


def _record(state: State, side: SideState) -> str:
    """The record as canonical JSON, written key by key in their order, without its last brace."""
    log, judged, changes = side.log.get, _Judged(state, side), _changes(state, side)
    faults = [*log("faults", ()), *judged.faults, *log("tools", ())]
    caused = f'"caused_by_drop":[{",".join(judged.caused)}],' if judged.caused else ""
    policies = f'"policies":{_json(log("policies"))},' if log("policies") else ""  # as they were changed to
    return (
        f'{{"acts":{_json(log("acts"))},"alerts":{_json(log("alerts"))},'
        f'"boundaries":{_json(log("boundaries"))},"budget":{_count(side.budget)},{caused}'
        f'"changes":[{changes}],"faults":{_json(faults)},"floor_tokens":{side.floor_tokens},'
        f'"hits":[{",".join(judged.hits)}],"insufficient_by":{side.insufficient_by},'
        f'"journal":{_json(log("journal"))},{_keyframe(state, side)}"page_budget":{_count(side.page_budget)},'
        f'"page_ins":[{",".join(judged.page_ins)}],{policies}"policy":{_quoted(side.policy.name)},'
        f'"prefix_tokens":{side.prefix_tokens},"prev":"{side.chain}","refreshes":{_json(log("refreshes"))},'
        f'"required_tokens":{side.required_tokens},"residency":"{side.residency:064x}",'
        f'"resident_tokens":{side.resident_tokens},"side":"{side.side.value}",'
        f'"tokens_used":{side.tokens_used},"turn":{state.turn},'
        f'"unmet":{_json([state.table.pages[order].page_id for order in side.unmet])}'
    )


def _written(state: State, side: SideState) -> bytes:
    """The turn's line, chained to the one before."""
    line = seal(_record(state, side))
    side.chain = sha256(line)
    return line


def _keyframe(state: State, side: SideState) -> str:
    """All that is resident, now and then: when more has changed since the last one than is resident."""
    if side.changed_since_keyframe <= side.resident_pages or state.turn <= 1:
        return ""
    side.changed_since_keyframe = 0
    held = zip(state.table.pages, side.fidelity, strict=True)
    return f'"keyframe":{codec.canonical({p.page_id: LABEL[f] for p, f in held if f}).decode("ascii")},'


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
        line = _written(state, side)
        side.log = new_log()
        side.verdicts, side.guesses = {}, {}
        data = {"record": line.decode("ascii"), "sha256": side.chain, "demanded": demanded}
        found.append(Outcome(state.seq, side.side, state.turn, "turn", None, data))
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
    asked = dict.fromkeys(side.demanded, int(Fidelity.FULL))  # of a repeated call: its whole result
    if side.guesses:
        for order, verdict in side.guesses.items():
            if verdict.credited and order in asked:
                asked[order] = verdict.level
    for order, verdict in side.verdicts.items():
        if verdict.credited and order in asked:
            guess = side.guesses.get(order)
            other = guess.level if guess is not None and guess.credited else 0
            asked[order] = max(verdict.level, other)
    demanded = []
    for order in side.demanded:
        page = pages[order]
        demanded.append(page.page_id)
        if order in hot:
            hot[order] += 1.0
        else:
            if index is not None and page.status is PageStatus.LIVE:
                index.warm(page)
            hot[order] = 1.0
        side.seats[order].peak = hot[order]
    if index is not None:
        index.decayed()
    side.asked, side.demanded = asked, {}
    return demanded
