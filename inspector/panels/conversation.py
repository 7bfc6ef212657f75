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


def held_words(entry: Entry, side: str) -> tuple[str, bool]:
    """(what to say about the entry's place in the context, whether it is gone from it)."""
    now = entry.shadow_fidelity if side == "shadow" else entry.fidelity
    if now is None or now == "full":
        return "", False
    if now == "absent":
        return "no longer in the context", True
    return f"held as {now}", False


def entry_id(entry: Entry) -> str:
    return dom_id(f"{entry.seq}/{entry.kind}/{entry.call_id}/{entry.page_id}", "c")


def entry(item: Entry, look: Look) -> dict[str, Any]:
    words, gone = held_words(item, look.first_side)
    return {
        "id": entry_id(item),
        "entry": item,
        "who": KINDS.get(item.kind, item.kind),
        "folded": item.kind in FOLDED,
        "held": words,
        "gone": gone,
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
        "entries": [entry(item, look) for item in picture.talk] if look.talk else [],
        "from_turn": from_turn,
        "older_query": look.query(talk=True, turns=wider) if from_turn > 1 and wider > look.turns else "",
        "open_query": look.query(talk=True),
        "turn": picture.turn,
    }
