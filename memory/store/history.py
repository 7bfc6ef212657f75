"""What was resident at a turn, from stored deltas with a keyframe now and then."""

from __future__ import annotations

import json

from memory.core.types import Fidelity
from memory.models import Turn
from memory.store.append import session_pk
from memory.store.pack import unpack


def residency(session_id: str, turn: int, side: str = "primary") -> dict[str, Fidelity]:
    """Page id → fidelity in the prompt of ``turn`` (of the
    newest turn before it, if there is no such turn).
    """
    return {page_id: Fidelity(f) for page_id, f in residency_numbers(session_id, turn, side)[0].items()}


def residency_numbers(session_id: str, turn: int, side: str) -> tuple[dict[str, int], int]:
    """The same as numbers, and how many changes were stored since the last keyframe."""
    rows = Turn.objects.filter(session_id=session_pk(session_id), side=side, turn__lte=turn)
    key = rows.filter(keyframe=True).order_by("-turn").values_list("turn", flat=True).first() or 0
    found: dict[str, int] = {}
    changes = 0
    for blob, keyframe in rows.filter(turn__gte=key).order_by("turn").values_list("residency", "keyframe"):
        if not blob:
            continue
        part = json.loads(unpack(blob))
        changes = 0 if keyframe else changes + len(part)
        found |= part
    return {page_id: f for page_id, f in found.items() if f}, changes
