"""The demo: a recorded session of a real coding agent, and the means to record it again.

`load_session` gives the main session's transcript, `load_subagents` those of its sub-agents, as the program
wrote them (see ``README.md`` for what was shortened). The recorder and its scripted model live in the other
modules of this package and are not imported here: reading the demo needs the standard library only.
"""

from __future__ import annotations

import lzma
from importlib import resources

__all__ = ["DEMO_SESSION_ID", "DEMO_WINDOW", "SUBAGENT_PATTERN", "load_session", "load_subagents"]

# Fixed, so that the demo is the same session however often it is recorded.
DEMO_SESSION_ID = "5e55107a-11b0-4c1a-8e0b-7a11b00c0de0"

# Tokens. The program compacted by itself at about 48,000: its threshold was lowered for the recording (see
# ``record.py``), so the model's published window says nothing about this session.
DEMO_WINDOW = 50_000

SUBAGENT_PATTERN = "subagent-*.jsonl.xz"


def _lines(packed: bytes) -> list[bytes]:
    """Raw records: split on newlines only, as a JSON string may hold other line separators."""
    return [line for line in lzma.decompress(packed).split(b"\n") if line]


def load_session() -> list[bytes]:
    """The main session's records, one JSON object each, in the order of the file and without newlines."""
    return _lines((resources.files(__name__) / "session.jsonl.xz").read_bytes())


def load_subagents() -> dict[str, list[bytes]]:
    """The records of each sub-agent, by its agent id."""
    head, tail = SUBAGENT_PATTERN.split("*")
    found: dict[str, list[bytes]] = {}
    for entry in sorted(resources.files(__name__).iterdir(), key=lambda item: item.name):
        if entry.name.startswith(head) and entry.name.endswith(tail):
            found[entry.name.removeprefix(head).removesuffix(tail)] = _lines(entry.read_bytes())
    return found
