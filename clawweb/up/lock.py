"""One `up` per data folder: a lock that the kernel drops with the process, so it is never stale."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path
from types import TracebackType

from clawweb.up.failure import Failure


class DataLock:
    """Holds `up.lock` in the data folder; its text (pid, address) tells a second `up` where the first is."""

    def __init__(self, data: Path) -> None:
        self.path = data / "up.lock"
        self._fd = -1

    def __enter__(self) -> DataLock:
        """Raises Failure when another `up` holds the lock."""
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note = self._read()
            os.close(self._fd)
            where = f" at {note['address']}" if note.get("address") else ""
            raise Failure(
                f"ClawWeb already runs on the data folder {self.path.parent}{where} "
                f"(process {note.get('pid', '?')}). "
                "`.venv/bin/python manage.py signin` prints a link to get in."
            ) from None
        self.write("")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The file stays: removing it would let a waiting process lock a file without a name.
        os.ftruncate(self._fd, 0)
        os.close(self._fd)

    def write(self, address: str) -> None:
        """Notes this process and the address that it serves."""
        text = json.dumps({"pid": os.getpid(), "address": address}).encode()
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text, 0)

    def _read(self) -> dict[str, object]:
        with contextlib.suppress(ValueError, OSError):
            note = json.loads(os.pread(self._fd, 4096, 0))
            if isinstance(note, dict):
                return note
        return {}
