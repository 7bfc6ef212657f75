"""A trace read back: its records, what stood in each prompt, and what moved between them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Record = dict[str, Any]


def records(trace: Sequence[bytes]) -> list[Record]:
    """The turns of a trace, without its head."""
    return [json.loads(line) for line in trace[1:]]


def residencies(turns: Sequence[Record]) -> list[dict[str, str]]:
    """What stood in each prompt: page id → fidelity's label, without absent pages."""
    found: list[dict[str, str]] = []
    held: dict[str, str] = {}
    for record in turns:
        held = dict(held)
        for page_id, label, _ in record["changes"]:
            if label == "absent":
                held.pop(page_id, None)
            else:
                held[page_id] = label
        found.append(held)
    return found
