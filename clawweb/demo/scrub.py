"""What is taken out of the transcripts before they are stored.

Two things: where the recording was made (paths, the machine's name), and long texts that are the program's
own and not the session's, such as listings of its agents. The records keep their structure, and a marker says
how much was left out. What the user, the model and the tools said stays whole.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Attachments that hold the program's descriptions of itself. Files, reminders of tasks and hook output are
# the session's.
_PROGRAM_ATTACHMENTS = {
    "agent_listing_delta",
    "deferred_tools_delta",
    "mcp_instructions_delta",
    "skill_listing",
}

# Shorter texts of the program stay: they are what a reader recognises the records by.
_LONG = 60

_REMINDER = re.compile(r"(<system-reminder>)(.*?)(</system-reminder>)", re.DOTALL)
_CAVEAT = re.compile(r"(<local-command-caveat>)(.*?)(</local-command-caveat>)", re.DOTALL)
# The program frames a compaction's summary with a sentence before it and instructions after it.
_SUMMARY_TAIL = re.compile(r"(\n\n)(If you need specific details from before compaction.*)()\Z", re.DOTALL)


@dataclass(frozen=True)
class Places:
    """Paths of the machine that recorded: the scratch folder, the Python program and its installation."""

    scratch: str
    python: str
    base: str

    def replacements(self) -> list[tuple[str, str]]:
        """What to replace, longest first where one holds another."""
        slug = re.sub(r"[^A-Za-z0-9]", "-", self.scratch)
        return [
            (self.scratch, ""),
            (slug, ""),
            (self.python, "/usr/bin/python"),
            (self.base, "/usr"),
        ]

    def leaks(self) -> list[str]:
        """Texts that must not stand in what is stored."""
        names = [
            self.scratch,
            Path(self.scratch).name,
            self.python,
            self.base,
            str(Path.home()),
            str(Path.cwd()),
        ]
        host = socket.gethostname()
        # A very short host name is a part of ordinary words; it shows in no record that the program writes.
        return [*names, "registry.", *([host] if len(host) > 5 else [])]


def elided(text: str) -> str:
    """The marker that stands for a text of the program."""
    return f"[{len(text)} characters of the program's own text left out]"


def _shorten(value: Any) -> Any:
    """Replace every long text inside a value; a list's entry keeps its name in front of the colon."""
    if isinstance(value, str) and len(value) > _LONG:
        name, colon, rest = value.partition(": ")
        return f"{name}: {elided(rest)}" if colon and len(name) < _LONG else elided(value)
    if isinstance(value, list):
        return [_shorten(item) for item in value]
    if isinstance(value, dict):
        return {key: _shorten(item) for key, item in value.items()}
    return value


def _cut(text: str) -> str:
    """Leave the program's text out of a text that also holds other things."""
    for pattern in (_REMINDER, _CAVEAT, _SUMMARY_TAIL):
        text = pattern.sub(lambda match: match[1] + elided(match[2]) + match[3], text)
    return text


def _cut_all(value: Any) -> Any:
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, list):
        return [_cut_all(item) for item in value]
    if isinstance(value, dict):
        return {key: _cut_all(item) for key, item in value.items()}
    return value


def scrub_record(record: dict[str, Any]) -> dict[str, Any]:
    """A record without the program's long texts."""
    attachment = record.get("attachment")
    if isinstance(attachment, dict) and attachment.get("type") in _PROGRAM_ATTACHMENTS:
        return {**record, "attachment": _shorten(attachment)}
    # Only where the program speaks: an answer or a tool's input that quotes such a text is the session's.
    if record.get("type") == "user" and "message" in record:
        return {**record, "message": _cut_all(record["message"])}
    return record


def scrub(lines: Sequence[bytes], places: Places) -> list[bytes]:
    """The lines of a transcript as they are stored. Fails rather than let a path of the machine through."""
    scrubbed: list[bytes] = []
    for line in lines:
        text = line.decode()
        for old, new in places.replacements():
            text = text.replace(old, new)
        record = scrub_record(json.loads(text))
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        for leak in places.leaks():
            if leak in text:
                raise SystemExit(f"{leak!r} stands in a record: {text[:300]}")
        scrubbed.append(text.encode())
    return scrubbed
