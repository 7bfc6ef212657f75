"""Acts: how far each reaches (said before it is pressed), what it would cost, and what became of it."""

from __future__ import annotations

from typing import Any

from inspector.panels.held import on_side
from inspector.queries import Picture
from memory.core.outcomes import PageView
from memory.core.types import DEFAULT_MIN, DEFAULT_PIN, Fidelity, Pin, reach
from memory.safe import one_line
from memory.store import ActRow

ACTS = ("pin", "unpin", "demote", "restore", "undo")
REACH_WORDS = {"enforced": "enforced", "injected": "injected", "shadow": "shadow only"}
REACH_TITLES = {
    "enforced": "the next prompt is ours: it will hold this",
    "injected": "text is added at the harness's next opening",
    "shadow": "the harness cannot be reached: this shows what the act would have done",
}
ENDED = "the session has ended: no next prompt"
PAST = {
    "pin": "pinned",
    "unpin": "unpinned",
    "demote": "demoted",
    "restore": "restored",
    "undo": "taken back",
}


def buttons(picture: Picture) -> list[dict[str, Any]]:
    """The acts that make sense now; none for a viewer, none once the session has ended."""
    page = picture.page.view if picture.page else None
    if page is None or picture.role != "operator" or picture.session.ended:
        return []
    found = []
    for act in offered(page):
        how = reach(picture.session.mode, act)
        found.append(
            {
                "act": act,
                "key": act[0],
                "label": act.capitalize(),
                "reach": REACH_WORDS[how],
                "title": REACH_TITLES[how],
            }
        )
    return found


def instead(picture: Picture) -> str:
    """What stands where the buttons would, '' where there are buttons or a viewer looks."""
    return ENDED if picture.page and picture.role == "operator" and picture.session.ended else ""


def no_pin(picture: Picture) -> str:
    """Why the open page cannot be pinned; '' where it can."""
    page = picture.page.view if picture.page else None
    if page is None or picture.session.ended or "pin" in offered(page):
        return ""
    return "This page is pinned hard already, and its floor is the most that there is of it."


def offered(page: PageView) -> list[str]:
    """Pin where it can still be raised, unpin where that changes something, and the other two."""
    raised = page.pin == Pin.HARD and DEFAULT_PIN[page.type] != Pin.HARD
    raised = raised or page.min_fidelity > DEFAULT_MIN[page.type]
    can_pin = page.pin != Pin.HARD or bool(_above_floor(page))
    return [*(["pin"] if can_pin else []), *(["unpin"] if raised else []), "restore", "demote"]


def _above_floor(page: PageView) -> list[Fidelity]:
    """The fidelities that the page has above what its minimum gives it now."""
    floor = min((f for f in page.tokens if f >= page.min_fidelity), default=Fidelity.FULL)
    return [f for f in sorted(page.tokens) if f > floor]


def told(act: ActRow, picture: Picture) -> dict[str, Any]:
    """One act's state in a sentence: pending → applied at turn N → receipt seen in prompt N, or an alarm."""
    kind = act.kind.removeprefix("operator_")
    who = act.actor.removeprefix("operator:")
    tone, mark = "", "…"
    if act.state == "refused":
        text, tone, mark = f"{kind} refused: {act.why or 'no reason given'}", "bad", "✕"
    elif act.state == "pending":
        text = f"{kind} by {who}: pending"
    elif act.state == "undone":
        text, mark = f"{PAST.get(kind, kind)} by {who}, taken back", "↩"
    else:
        at = f" at turn {act.turn:,}" if act.turn else ""
        text, tone, mark = f"{PAST.get(kind, kind)}{at} by {who}", "good", "✓"
    receipt = ""
    if act.state == "applied" and (act.reach or reach(picture.session.mode, act.kind)) != "shadow":
        receipt, tone, mark = _receipt(act, picture.seen_at.get(act.receipt_turn or 0), tone, mark)
    elif act.state == "applied":
        receipt = "shadow only: no prompt was changed"
    undo = act.state in ("pending", "applied") and kind != "undo" and picture.role == "operator"
    undo = undo and not picture.session.ended
    return {
        "seq": act.seq,
        "text": text,
        "receipt": receipt,
        "tone": tone,
        "mark": mark,
        "reason": act.reason,
        "how": act.receipt_how,
        "undo": undo,
    }


def _receipt(act: ActRow, seen: Fidelity | None, tone: str, mark: str) -> tuple[str, str, str]:
    if act.receipt == "seen":
        where = f" in prompt {act.receipt_turn:,}" if act.receipt_turn else ""
        return f"receipt: seen{where}" + (f", {seen.label}" if seen else ""), "good", "✓"
    if act.receipt == "missing":
        where = f"prompt {act.receipt_turn:,}" if act.receipt_turn else "the prompt"
        return f"ALARM: {where} should hold it and does not", "bad", "!"
    if act.receipt == "due":
        return "receipt due at the next prompt", tone, mark
    return "", tone, mark


def body(act: str, page: PageView, choice: str, reason: str, seq: int | None) -> dict[str, Any]:
    """The event's body for an act on one page. Raises ValueError for a choice that the act does not have."""
    found: dict[str, Any] = {"page_ids": [page.page_id], "reason": reason}
    if seq is not None:
        found["based_on_seq"] = seq
    if act == "pin":
        pin, _, least = (choice or Pin.HARD.value).partition(":")
        found["pin"] = Pin(pin).value
        if least:
            found["min_fidelity"] = Fidelity[least.upper()].label
    elif act == "demote":
        # what was chosen is sent as it was, also where it cannot be any more: the answer says why
        found["cap"] = Fidelity[choice.upper()].label if choice else _lowest(page)
    return found


def _levels(page: PageView) -> list[str]:
    return [f.label for f in sorted(page.tokens) if f >= page.min_fidelity]


def _lowest(page: PageView) -> str:
    levels = _levels(page)
    return levels[0] if levels else page.min_fidelity.label


def keeps(floor: Fidelity) -> str:
    """What a hard pin with this floor promises."""
    return "hold in full" if floor == Fidelity.FULL else f"never below {floor.label}"


def choices(act: str, page: PageView) -> list[tuple[str, str]]:
    """(value, words) of what the person may choose before confirming."""
    if act == "pin":
        floor = min((f for f in page.tokens if f >= page.min_fidelity), default=Fidelity.FULL)
        hard = [("hard", floor)] if page.pin != Pin.HARD else []
        hard += [(f"hard:{f.label}", f) for f in _above_floor(page)]
        soft = [("soft", "soft: worth more when there is room")] if page.pin == Pin.NONE else []
        return [(value, f"{keeps(f)} ({page.tokens.get(f, 0):,} tokens)") for value, f in hard] + soft
    if act == "demote":
        return [(label, f"at most {label}") for label in _levels(page)]
    return []


def first_choice(act: str, page: PageView, side: str) -> str:
    """What is chosen before the person chooses: of a pin, to keep the page as it stands on the screen now."""
    values = [value for value, _ in choices(act, page)]
    now = f"hard:{on_side(page, side).fidelity.label}"
    if act == "pin" and now in values:
        return now
    return values[0] if values else ""


def verb(act: str, page: PageView, choice: str) -> str:
    """What the button says: of a pin, what is kept."""
    words = dict(choices(act, page)).get(choice, "") if act == "pin" and choice != "soft" else ""
    return words.partition(" (")[0].capitalize() or f"{act.capitalize()} now"


def cost_words(dry: Any, titles: dict[str, str]) -> dict[str, Any]:
    """A dry run (``memory.core.DryRun``) as a sentence: what it takes, and which pages move."""
    if not dry.allowed:
        return {"allowed": False, "sentence": f"Refused: {dry.why}", "moves": []}
    up = [c for c in dry.changes if c[2] > c[1]]
    down = [c for c in dry.changes if c[2] < c[1]]
    of = f" of {dry.budget:,}" if dry.budget else ""
    delta = dry.tokens_after - dry.tokens_before
    parts = [f"The next prompt holds {dry.tokens_after:,}{of} tokens ({delta:+,})"]
    for group, word in ((up, "rise"), (down, "fall")):
        by_level: dict[Fidelity, int] = {}
        for _page, _old, new in group:
            by_level[Fidelity(new)] = by_level.get(Fidelity(new), 0) + 1
        for level, count in sorted(by_level.items(), reverse=True):
            verb = word if count > 1 else word + "s"
            parts.append(f"{count:,} page{'s' if count > 1 else ''} {verb} to {level.label}")
    if not dry.changes:
        parts.append("no page moves")
    if dry.insufficient_by:
        parts.append(f"what is required would exceed the budget by {dry.insufficient_by:,} tokens")
    moves = [
        f"{one_line(titles.get(page_id, page_id), 80)}: {Fidelity(old).label} → {Fidelity(new).label}"
        for page_id, old, new in dry.changes[:8]
    ]
    return {"allowed": True, "sentence": "; ".join(parts) + ".", "moves": moves, "more": len(dry.changes) - 8}
