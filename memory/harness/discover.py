"""The user's own Claude Code transcripts on this machine, so that the first screen can offer them. Read
only, and bounded.

Looked at are the files ``<root>/<project>/<uuid>.jsonl``, where root is ``projects`` under
``$CLAUDE_CONFIG_DIR`` or ``~/.claude``. A link that leads out of the root is not followed, and of a file
only the beginning is read.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MAX_FOLDERS: Final = 500
MAX_FILES: Final = 5_000  # looked at in all
MAX_FOUND: Final = 50
HEAD_BYTES: Final = 64 * 1024  # read of each file that is offered
MAX_TITLE: Final = 200  # characters


@dataclass(frozen=True, slots=True)
class Found:
    """A transcript. ``modified``: seconds since 1970.
    ``title``: the first prompt, or '' where none was found.
    """

    path: Path
    size: int  # bytes
    modified: float
    cwd: str
    title: str


def projects_root(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that holds the transcripts' folders; it need not exist."""
    given = environ.get("CLAUDE_CONFIG_DIR")
    base = Path(given).expanduser() if given else Path(environ.get("HOME") or Path.home()) / ".claude"
    return base / "projects"


def discover(root: Path | None = None, limit: int = MAX_FOUND) -> list[Found]:
    """The newest transcripts, newest first; [] where there are none or the folder cannot be read."""
    top = root or projects_root()
    files = sorted(_files(top), key=lambda item: (-item[1].st_mtime, str(item[0])))
    found = []
    for path, info in files[: max(0, min(limit, MAX_FOUND))]:
        cwd, title = _beginning(path)
        found.append(Found(path, info.st_size, info.st_mtime, cwd, title))
    return found


def _files(top: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Regular, non-empty transcripts below ``top``; no symbolic link on the way, neither folder nor file."""
    looked = 0
    for folder in _entries(top, MAX_FOLDERS):
        if not folder.is_dir(follow_symlinks=False):
            continue
        for entry in _entries(Path(folder.path), MAX_FILES):
            looked += 1
            if looked > MAX_FILES:
                return
            if not entry.name.endswith(".jsonl"):
                continue
            try:
                info = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISREG(info.st_mode) and info.st_size:
                yield Path(entry.path), info


def _entries(folder: Path, limit: int) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for _, entry in zip(range(limit), entries, strict=False)]
    except OSError:
        return []


def _beginning(path: Path) -> tuple[str, str]:
    """Working folder and first prompt, as far as the file's head tells them."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return "", ""
    cwd = title = ""
    for line in head.split(b"\n"):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(record, dict):
            continue
        cwd = cwd or (record["cwd"] if isinstance(record.get("cwd"), str) else "")
        title = title or _prompt(record)
        if cwd and title:
            break
    return cwd[:1000], title


def _prompt(record: dict[str, Any]) -> str:
    """The user's own words of a record: not a summary, not a command's output, not a tool's result."""
    message = record.get("message")
    if record.get("type") != "user" or record.get("isMeta") or not isinstance(message, dict):
        return ""
    content = message.get("content")
    if isinstance(content, list):
        texts = [p.get("text") for p in content if isinstance(p, dict) and p.get("type") == "text"]
        content = next((text for text in texts if isinstance(text, str)), "")
    if not isinstance(content, str) or content.lstrip().startswith(
        ("<command-", "<local-command", "Caveat:")
    ):
        return ""
    return " ".join(content[: MAX_TITLE * 4].split())[:MAX_TITLE]
