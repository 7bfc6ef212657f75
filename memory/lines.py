"""A transcript file's lines, read as a stream: however long a line is, only its head is kept in memory."""

from __future__ import annotations

import hashlib
import json
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from memory.safe import is_plain, one_line

KEEP_BYTES: Final = 8 * 1024 * 1024  # of one line
_CHUNK: Final = 1024 * 1024
_PEEK_LINES: Final = 50  # lines looked at for the session's id
_PEEK_BYTES: Final = 256 * 1024
_BOM: Final = b"\xef\xbb\xbf"


class NotATranscript(Exception):
    """The file cannot be a transcript: missing, empty,
    binary, or without a line of JSON. The message says which.
    """


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its newline. ``head``: its first
    bytes; ``length`` and ``sha256`` are the whole line's.
    """

    offset: int  # bytes from the start of the file
    head: bytes
    length: int
    sha256: str
    whole: bool  # it ended with a newline, or it is JSON as it stands

    def key(self, session: str) -> str:
        """The record's identity. A half line at the file's end is another record than what it will become."""
        return f"{session}@{self.offset}" if self.whole else f"{session}@{self.offset}+{self.length}"


class Starts:
    """Where the lines begin, to name a line by its number."""

    def __init__(self) -> None:
        self._offsets = array("Q")

    def add(self, offset: int) -> None:
        self._offsets.append(offset)

    def line(self, offset: int) -> int:
        """The number (from 1) of the line that holds this byte."""
        return bisect_right(self._offsets, offset)


class Transcript:
    """An open file; ``session_key`` is the harness's own id of the session."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path = path
        self.size = size
        self._file = file
        ids = _ids(file)
        file.seek(0)
        stem = "".join(c if is_plain(c) else "_" for c in path.stem)[:150]
        session = ids.get("sessionId") or stem
        agent = ids.get("agentId")
        # A sub-agent's file names its parent's session; it is a session of its own.
        self.session_key = f"{session}/agent-{agent}" if agent else session
        self.parent_key = session if agent else None
        self.name = one_line(path.stem, 200)

    def __enter__(self) -> Transcript:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def rewind(self) -> None:
        """Back to the file's start, to be read (again)."""
        self._file.seek(0)

    def read(self, starts: Starts | None = None, keep: int = KEEP_BYTES) -> Iterator[Line]:
        """The lines that are not blank, from the file's start."""
        offset = 0
        while True:
            head, length, digest, ended = _read_line(self._file, keep)
            if not length and not ended:
                return
            if starts is not None:
                starts.add(offset)
            if head.strip() or length > len(head):
                yield Line(offset, head, length, digest, ended or _is_json(head, length))
            offset += length + ended


def open_transcript(path: Path) -> Transcript:
    """Opens a file that looks like JSON lines; raises NotATranscript."""
    shown = one_line(str(path), 300)
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise NotATranscript(f"{shown} is a folder; name a .jsonl file")
        file = path.open("rb")
    except OSError as error:
        raise NotATranscript(f"{shown}: {error.strerror or error}") from None
    try:
        _check(file, shown)
        return Transcript(path, file, size)
    except BaseException:
        file.close()
        raise


def _check(file: BinaryIO, shown: str) -> None:
    head = file.read(_PEEK_BYTES)
    file.seek(0)
    if not head.strip():
        raise NotATranscript(f"{shown} is empty: there is no session in it yet")
    found = any(line.lstrip(_BOM + b" \t").startswith(b"{") for line in head.split(b"\n"))
    if not found:
        binary = b"\0" in head or _undecodable(head)
        what = "is a binary file" if binary else "has no line of JSON"
        raise NotATranscript(f"{shown} {what}, not a Claude Code transcript")


def _undecodable(head: bytes) -> bool:
    try:
        head[: len(head) - 4].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start < len(head) - 8
    return False


def _ids(file: BinaryIO) -> dict[str, str]:
    """The ids of the first record that names a session."""
    for _ in range(_PEEK_LINES):
        head, length, _digest, ended = _read_line(file, KEEP_BYTES)
        if not length and not ended:
            break
        if length > len(head):
            continue
        record = _object(head)
        session = record.get("sessionId")
        if isinstance(session, str) and 0 < len(session) <= 100 and is_plain(session):
            found = {"sessionId": session}
            agent = record.get("agentId") if record.get("isSidechain") is True else None
            if isinstance(agent, str) and 0 < len(agent) <= 60 and is_plain(agent):
                found["agentId"] = agent
            return found
    return {}


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw.removeprefix(_BOM))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_json(head: bytes, length: int) -> bool:
    return length == len(head) and bool(_object(head))


def _read_line(file: BinaryIO, keep: int) -> tuple[bytes, int, str, bool]:
    """Head, length and SHA-256 of the next line without its newline, and whether it had one."""
    head = file.readline(keep)
    ended = head.endswith(b"\n")
    digest = hashlib.sha256(head[:-1] if ended else head)
    length = len(head) - ended
    if ended or len(head) < keep:
        return (head[:-1] if ended else head), length, digest.hexdigest(), ended
    while part := file.readline(_CHUNK):
        ended = part.endswith(b"\n")
        digest.update(part[:-1] if ended else part)
        length += len(part) - ended
        if ended:
            break
    return head, length, digest.hexdigest(), ended
