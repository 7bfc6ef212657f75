"""The transcript turn by turn; what has left the context is shaded, what is held lower is marked."""

from __future__ import annotations

from typing import Any

from inspector.queries import MAX_TALK_TURNS, TALK_TURNS, Look, Picture
from inspector.templatetags.claw import dom_id
from memory.store import Entry

TEXT_LIMIT = 4_000  # characters of one entry
KINDS = {
    "prompt": "user",
    "answer": "agent",
    "tool_call": "call",
    "tool_result": "result",
    "summary": "summary",
    "boundary": "boundary",
    "note": "note",
}
FOLDED = ("tool_call", "tool_result")
CALL_MARK = "→ "  # an answer's span that is a tool call begins with this


def held_words(entry: Entry, side: str) -> tuple[str, bool]:
    """(what to say about the entry's place in the context, whether it is gone from it)."""
    shadow = side == "shadow"
    now = entry.shadow_fidelity if shadow else entry.fidelity
    if entry.shadow_pending if shadow else entry.pending:
        return "not yet in a prompt", False
    if entry.stale and not shadow:
        return "superseded; the old text still stands in the prompt", False
    if entry.older:
        return "no longer in the context: its page holds a newer text", True
    if now is None or now == "full":
        return "", False
    if now == "absent":
        return "no longer in the context", True
    return f"held as {now}", False


def is_call(item: Entry) -> bool:
    return item.kind in ("prompt", "answer") and item.text.startswith(CALL_MARK)


def told_once(entries: list[Entry]) -> list[Entry]:
    """Without calls that the answer's own span already shows."""
    spans = {(e.turn, e.text[len(CALL_MARK) :].split("\n", 1)[0].strip()) for e in entries if is_call(e)}
    return [e for e in entries if e.kind != "tool_call" or (e.turn, e.tool) not in spans]


def summary(item: Entry) -> str:
    """The line that stands for a folded entry: a call's arguments without the signature's prefix."""
    title = item.title
    if item.kind == "tool_call" and title.startswith("sig"):
        title = title.split(":", 2)[-1]
    return title or KINDS.get(item.kind, item.kind)


def entry_id(entry: Entry) -> str:
    return dom_id(f"{entry.seq}/{entry.kind}/{entry.call_id}/{entry.page_id}", "c")


def entry(item: Entry, look: Look) -> dict[str, Any]:
    words, gone = held_words(item, look.first_side)
    return {
        "id": entry_id(item),
        "entry": item,
        "who": "agent" if is_call(item) else KINDS.get(item.kind, item.kind),
        "folded": item.kind in FOLDED or is_call(item),
        "summary": summary(item),
        "held": words,
        "gone": gone,
        "waits": item.shadow_pending if look.first_side == "shadow" else item.pending,
        "text": item.text[:TEXT_LIMIT],
        "cut": len(item.text) > TEXT_LIMIT,
        "length": len(item.text),
        "query": Look(side=look.side, page=item.page_id, rep="full").query() if item.page_id else "",
    }


def context(picture: Picture) -> dict[str, Any]:
    look = picture.look
    from_turn = max(1, picture.session.turn - look.turns + 1)
    wider = min(look.turns + TALK_TURNS, MAX_TALK_TURNS)
    return {
        "look": look,
        "shown": look.talk,
        "entries": [entry(item, look) for item in told_once(picture.talk)] if look.talk else [],
        "from_turn": from_turn,
        "older_query": look.query(talk=True, turns=wider) if from_turn > 1 and wider > look.turns else "",
        "open_query": look.query(talk=True),
        "turn": picture.turn,
    }
