"""Operators' acts: pin, unpin, demote, restore, undo; and the receipts that prove them.

An act takes all its pages or none. A refused one changes nothing but is kept, with the reason. ``before`` and
``after`` hold, by page, what the act set; an undo puts ``before`` back where ``after`` still stands.
"""

from __future__ import annotations

from typing import Any

from memory.core.events import (
    ModelAnswered,
    OperatorDemote,
    OperatorPin,
    OperatorRestore,
    OperatorUndo,
    OperatorUnpin,
    Receipt,
    Update,
)
from memory.core.lifecycle import journal_note
from memory.core.outcomes import Outcome
from memory.core.pages import Page
from memory.core.state import LABEL, Act, Changing, SideState, State, outcome, whole_budget
from memory.core.types import DEGRADATION_PATH, Fidelity, Mode, PageStatus, Pin, reach

ActBody = OperatorPin | OperatorUnpin | OperatorDemote | OperatorRestore
Values = dict[str, Any]


class Refused(Exception):
    """An event or act that cannot be applied, with the reason; raised before anything is changed."""


def values(page: Page) -> Values:
    """What an act can set on a page, as plain JSON."""
    return {
        "pin": page.pin.value,
        "min_fidelity": page.minimum.label,
        "inferred": page.inferred,
        "cap": None if page.cap is None else page.cap.label,
        "text_seq": page.text_seq,
        "tokens": list(page.tokens),
    }


def bound_side(state: State) -> SideState | None:
    """The side that an act moves: the primary where we select, else the shadow."""
    assert state.primary is not None
    return state.primary if state.primary.policy.selects else state.shadow


def apply_act(state: State, body: ActBody, actor: str) -> list[Outcome]:
    """Apply or refuse one act. Raises ``Refused`` for a page that is not known, and nothing is kept then."""
    for page_id in body.page_ids:
        if state.page(page_id) is None:
            raise Refused(f"no page {page_id!r}")
    act = Act(state.seq, body.KIND, actor, list(body.page_ids), body.reason)
    state.acts[state.seq] = act
    told: list[Outcome] = []
    try:
        pages = _pages(state, body.page_ids)
        _check(state, body, pages)
        act.before = {page.page_id: values(page) for page in pages}
        for page in pages:
            told += _apply(state, body, page, act)
        act.after = {page.page_id: values(page) for page in pages}
    except Refused as refusal:
        act.state, act.why = "refused", str(refusal)
    _log(state, act)
    first = _tell(state, act, newer=_newer(state, body))
    if act.state == "applied" and _wants_receipt(state, body):
        act.receipt = "due"
        state.due.append(state.seq)
        told.append(_receipt(state, act, ""))
    return [*first, *told]


def _newer(state: State, body: ActBody) -> list[int]:
    """Acts on the same pages since the state that the operator looked at."""
    looked_at = body.based_on_seq
    if looked_at is None:
        return []
    return [
        seq
        for seq, other in state.acts.items()
        if looked_at < seq < state.seq
        and other.state == "applied"
        and not set(other.page_ids).isdisjoint(body.page_ids)
    ]


def _pages(state: State, page_ids: tuple[str, ...]) -> list[Page]:
    found: dict[str, Page] = {}
    for page_id in page_ids:
        page = state.page(page_id)
        if page is None:
            raise Refused(f"no page {page_id!r}")
        if page.status is not PageStatus.LIVE:
            raise Refused(f"{page_id!r} is {page.status.value}: it left the page table")
        found[page_id] = page
    return list(found.values())


def _check(state: State, body: ActBody, pages: list[Page]) -> None:
    for page in pages:
        if isinstance(body, OperatorPin):
            _check_pin(body, page)
        elif isinstance(body, OperatorDemote):
            _check_demote(body, page)
        elif isinstance(body, OperatorRestore) and body.version is not None:
            if state.mode is not Mode.ENFORCED:
                raise Refused(
                    "only an enforced session can return to an earlier version: the harness keeps this text"
                )
            versions = {version for version, _, _ in page.versions}
            if body.version not in versions:
                raise Refused(f"{page.page_id!r} has no committed version {body.version} that is still kept")
    _check_room(state, body, pages)


def _check_pin(body: OperatorPin, page: Page) -> None:
    if body.pin is Pin.NONE:
        raise Refused("a pin is hard or soft; use unpin to take it away")
    low = body.min_fidelity
    if low is None:
        return
    if low not in DEGRADATION_PATH[page.type]:
        raise Refused(f"{low.label} is not on the path of {page.type.value} ({page.page_id!r})")
    if low < page.own_minimum:
        raise Refused(f"{page.page_id!r} may not stand below {page.own_minimum.label}, its own minimum")
    if page.cap is not None and low > page.cap:
        raise Refused(f"{page.page_id!r} is demoted to {page.cap.label}: restore it first")


def _check_demote(body: OperatorDemote, page: Page) -> None:
    cap = body.cap
    if cap is Fidelity.FULL:
        raise Refused("full is no demotion; use restore to lift one")
    if cap < page.minimum:
        raise Refused(f"{page.page_id!r} may not stand below {page.minimum.label}, its minimum")
    if cap < page.served or not any(page.tokens[f] for f in range(page.minimum, cap + 1)):
        raise Refused(f"{page.page_id!r} has no smaller form at or below {cap.label}")


def _check_room(state: State, body: ActBody, pages: list[Page]) -> None:
    """Refuse what would not leave room for the minima of the pages pinned hard (a floor never broken)."""
    side = bound_side(state)
    if side is None:
        return
    levels = {order: int(state.table.pages[order].minimum) for order in state.table.hard}
    before = _tokens(state, levels)
    for page in pages:
        if isinstance(body, OperatorPin) and body.pin is Pin.HARD:
            levels[page.order] = max(page.minimum, body.min_fidelity or 0)
        elif isinstance(body, OperatorRestore) and body.version is None:
            levels[page.order] = Fidelity.FULL
    after, budget = _tokens(state, levels), whole_budget(state, side)
    if budget is not None and after > budget and after > before:
        raise Refused(
            f"it would break the floor: pins would take {after} of {budget} tokens, {after - budget} too many"
        )


def _tokens(state: State, levels: dict[int, int]) -> int:
    return sum(state.table.pages[order].demanded_tokens(level) for order, level in levels.items())


def _apply(state: State, body: ActBody, page: Page, act: Act) -> list[Outcome]:
    if isinstance(body, OperatorPin):
        with Changing(state, page):
            page.pin = body.pin
            if body.min_fidelity is not None:
                page.minimum = body.min_fidelity
            if body.pin is Pin.HARD:
                page.inferred = False  # whoever pins a guess hard has confirmed it
        return [_page_told(state, page, "pinned", body.pin.value)]
    if isinstance(body, OperatorUnpin):
        with Changing(state, page):
            page.pin, page.minimum = page.own_pin, page.own_minimum
        return [_page_told(state, page, "unpinned", page.pin.value)]
    if isinstance(body, OperatorDemote):
        with Changing(state, page):
            page.cap = body.cap
        for side in state.sides():
            side.restored.discard(page.order)
        return [_page_told(state, page, "capped", body.cap.label)]
    told = []
    if page.cap is not None:
        with Changing(state, page):
            page.cap = None
        told.append(_page_told(state, page, "uncapped", ""))
    if body.version is not None:
        told += _return_to(state, page, body.version, act)
    else:
        for side in state.sides():
            if side.policy.selects:
                side.restored.add(page.order)
        told.append(_page_told(state, page, "demanded", "restore"))
    return told


def _return_to(state: State, page: Page, version: int, act: Act) -> list[Outcome]:
    """Back to an earlier committed version, as a staged update that the next boundary commits."""
    _, text_seq, tokens = next(v for v in page.versions if v[0] == version)
    with Changing(state, page):
        page.text_seq, page.tokens = text_seq, tokens
    told = []
    for side in state.sides():
        side.retext.add(page.order)
        if page.order not in side.dirty:
            act.made_dirty.setdefault(side.side.value, []).append(page.page_id)
        side.dirty[page.order] = state.seq
        update = Update(
            update_id=_update_id(state.seq, page),
            page_id=page.page_id,
            field="text",
            op="set_with_version",
            value={"version": version},
            scope=page.scope.value,
            evidence_ref=page.page_id,
            base_version=side.seats.version(page.order),
        )
        side.journal.stage(update, page.order, state.seq, ours=True)
        told.append(journal_note(state, side, page, update, update.update_id, "staged", "restore"))
    return [*told, _page_told(state, page, "dirty", f"restored to version {version}")]


def _update_id(act_seq: int, page: Page) -> str:
    return f"restore:{act_seq}:{page.order}"


def _page_told(state: State, page: Page, change: str, reason: str) -> Outcome:
    assert state.primary is not None
    return outcome(state, state.primary, "page", page, change=change, reason=reason)


def _tell(state: State, act: Act, **extra: Any) -> list[Outcome]:
    assert state.primary is not None
    data = {
        "act_seq": act.seq,
        "act": act.act,
        "state": act.state,
        "reason": act.why or act.reason,
        "before": act.before,
        "after": act.after,
        "reach": reach(state.mode, act.act),
        "actor": act.actor,
        "page_ids": act.page_ids,
    }
    page = state.page(act.page_ids[0]) if act.page_ids else None
    return [outcome(state, state.primary, "act", page, **data, **extra)]


def _log(state: State, act: Act) -> None:
    names = ("seq", "act", "actor", "page_ids", "reason", "state", "why", "before", "after")
    entry = {name: getattr(act, name) for name in names}
    for side in state.sides():
        side.next_log["acts"].append(entry)


# --- undo ---


def apply_undo(state: State, body: OperatorUndo, actor: str) -> list[Outcome]:
    """Take an act back: what it set returns to what stood before, unless another act has set it since."""
    undo = Act(state.seq, body.KIND, actor, [], body.reason)
    told: list[Outcome] = []
    try:
        act = _undoable(state, body.act_seq)
        undo.page_ids = act.page_ids
        pages = _pages(state, tuple(act.page_ids))
        for page in pages:
            if any(values(page)[key] != value for key, value in _set_by(act, page.page_id).items()):
                raise Refused(f"{page.page_id!r} was changed again since")
        undo.before = {page.page_id: values(page) for page in pages}
        act.state = "undone"
        for page in pages:
            told += _put_back(state, act, page)
        undo.after = {page.page_id: values(page) for page in pages}
        if act.receipt == "due":
            act.receipt = ""
            state.due.remove(act.seq)
        told = [*_tell(state, act, undone_by=state.seq), *told]
    except Refused as refusal:
        undo.state, undo.why = "refused", str(refusal)
    state.acts[state.seq] = undo
    _log(state, undo)
    return [*_tell(state, undo, undoes=body.act_seq), *told]


def _undoable(state: State, act_seq: int) -> Act:
    act = state.acts.get(act_seq)
    if act is None:
        raise Refused(f"event {act_seq} is no act")
    if act.act == OperatorUndo.KIND:
        raise Refused("an undo is not undone; act again")
    if act.state != "applied":
        raise Refused(f"act {act_seq} is {act.state}")
    return act


def _set_by(act: Act, page_id: str) -> Values:
    before, after = act.before[page_id], act.after[page_id]
    return {key: after[key] for key in after if after[key] != before[key]}


def _put_back(state: State, act: Act, page: Page) -> list[Outcome]:
    """What the act changed, and nothing that another one did."""
    before, changed = act.before[page.page_id], _set_by(act, page.page_id)
    with Changing(state, page):
        if "pin" in changed:
            page.pin = Pin(before["pin"])
        if "min_fidelity" in changed:
            page.minimum = Fidelity[before["min_fidelity"].upper()]
        if "inferred" in changed:
            page.inferred = before["inferred"]
        if "cap" in changed:
            page.cap = None if before["cap"] is None else Fidelity[before["cap"].upper()]
        if "text_seq" in changed:
            row = before["tokens"]
            page.text_seq, page.tokens = before["text_seq"], (row[0], row[1], row[2], row[3], row[4])
    told = []
    for side in state.sides():
        if "text_seq" in changed:
            told += _put_text_back(state, side, act, page)
        if side.policy.selects and _asked_back(state, page):
            side.restored.add(page.order)
        else:
            side.restored.discard(page.order)
    if "cap" in changed:
        told.append(_page_told(state, page, "uncapped" if page.cap is None else "capped", "undo"))
    elif "text_seq" in changed:
        told.append(_page_told(state, page, "updated", "undo"))
    elif changed:
        told.append(_page_told(state, page, "unpinned" if page.pin is page.own_pin else "pinned", "undo"))
    return told


def _asked_back(state: State, page: Page) -> bool:
    """Does an act since the last prompt, that stands, still ask for the page at full?"""
    asked = False
    for act in state.acts.values():
        if act.seq > state.prompt_seq and act.state == "applied" and page.page_id in act.page_ids:
            if act.act == OperatorDemote.KIND:
                asked = False
            elif act.act == OperatorRestore.KIND and "text_seq" not in _set_by(act, page.page_id):
                asked = True
    return asked


def _put_text_back(state: State, side: SideState, act: Act, page: Page) -> list[Outcome]:
    """Undo of a return to an earlier version: as before where it was not written yet, else dirty with the
    text that stood there, so that the next boundary writes that one.
    """
    side.retext.add(page.order)
    entry = side.journal.find(_update_id(act.seq, page))
    if entry is None:
        side.dirty[page.order] = state.seq
        return [outcome(state, side, "page", page, change="dirty", reason="undo of what was committed")]
    side.journal.close(entry)
    told = [journal_note(state, side, page, entry.update, entry.update.update_id, "lost", "undone")]
    clean_before = page.page_id in act.made_dirty.get(side.side.value, ())
    if clean_before and side.dirty.get(page.order) == act.seq:
        del side.dirty[page.order]
        side.at_risk.pop(page.order, None)
        told.append(outcome(state, side, "page", page, change="clean", reason="undone"))
    return told


# --- receipts ---


def _wants_receipt(state: State, body: ActBody) -> bool:
    """Only what a prompt can show, and only where our word reaches the prompt."""
    if reach(state.mode, body.KIND) == "shadow" or isinstance(body, OperatorUnpin):
        return False
    return not (isinstance(body, OperatorPin) and body.pin is not Pin.HARD)


def _receipt(state: State, act: Act, how: str) -> Outcome:
    assert state.primary is not None
    page = state.page(act.page_ids[0])
    data = {"act_seq": act.seq, "state": act.receipt, "prompt_turn": act.prompt_turn, "how": how}
    return outcome(state, state.primary, "receipt", page, **data)


def _settled(state: State, act: Act, *, seen: bool, how: str) -> Outcome:
    act.receipt = "seen" if seen else "missing"
    state.due.remove(act.seq)
    return _receipt(state, act, how)


def look_for_acts(state: State) -> list[Outcome]:
    """After our prompt is made: does it hold what each act that is due demands? A restore asked for the first
    prompt after it only: where nobody proved that one, its receipt is missing.
    """
    primary, found = state.primary, []
    assert primary is not None
    for seq in list(state.due):
        act = state.acts[seq]
        if act.act == OperatorRestore.KIND and act.prompt_turn is not None:
            found.append(_settled(state, act, seen=False, how="no answer told what its prompt was"))
            continue
        act.prompt_turn = state.turn
        lacks = (_lacks(state, primary, act, page_id) for page_id in act.page_ids)
        act.lacks = next((why for why in lacks if why), "")
    return found


def _lacks(state: State, side: SideState, act: Act, page_id: str) -> str:
    """What the prompt lacks of what the act asked for this page, '' if it holds it."""
    page = state.table.by_id[page_id]
    at = side.fidelity[page.order]
    absent = "not in the prompt"
    if page.status is not PageStatus.LIVE:
        return absent
    if act.act == OperatorDemote.KIND:
        if page.cap is None:
            return "the demotion was lifted"
        return "" if at <= page.cap else f"no form at or below {page.cap.label}: it stands at {LABEL[at]}"
    if act.act == OperatorRestore.KIND:
        held = bool(at) if "text_seq" in _set_by(act, page_id) else at == Fidelity.FULL
        return "" if held else absent
    return "" if at >= page.minimum else absent


def settle_receipts(state: State, body: ModelAnswered) -> list[Outcome]:
    """The answer to our prompt came: the agent's hash of the bytes it sent proves or belies each act."""
    if state.mode is not Mode.ENFORCED or body.prompt_matches is None or body.request_id != state.request_id:
        return []
    found = []
    for seq in list(state.due):
        act = state.acts[seq]
        if act.prompt_turn == state.turn:
            why = act.lacks if body.prompt_matches else "the prompt sent was not ours"
            found.append(_settled(state, act, seen=not why, how=why or "hash"))
    return found


def apply_receipt(state: State, body: Receipt) -> list[Outcome]:
    """A receipt told by someone who looked (hook, gateway). Raises ``Refused``."""
    act = state.acts.get(body.act_seq)
    if act is None:
        raise Refused(f"event {body.act_seq} is no act")
    if not act.receipt:
        raise Refused(f"act {body.act_seq} has no receipt to settle ({act.state})")
    act.receipt = "seen" if body.seen else "missing"
    act.prompt_turn = body.turn if body.turn is not None else state.turn
    if body.act_seq in state.due:
        state.due.remove(body.act_seq)
    return [_receipt(state, act, body.how)]
