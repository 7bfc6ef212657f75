"""Output files that appear whole or not at all, all of a command together."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path


class Outputs:
    """Files are written beside their places and moved there by ``commit``, one after another; whatever fails
    before leaves none. A link leads to the file that it names, and a file that was there keeps its mode. What
    is no regular file (a pipe, a device) is written to by ``commit``, after the files.

    Used as a context manager: leaving it without ``commit`` removes what was written.
    """

    def __init__(self) -> None:
        self._files: list[tuple[Path, Path]] = []  # written, place
        self._streams: list[tuple[Path, bytes]] = []

    def __enter__(self) -> Outputs:
        return self

    def __exit__(self, *_: object) -> None:
        for written, _place in self._files:
            written.unlink(missing_ok=True)

    def write(self, place: Path, content: bytes) -> None:
        """Write what is to stand at ``place``, whose folder must exist. Raises ``OSError`` that names it."""
        try:
            self._write(place, content)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(place)) from None

    def _write(self, place: Path, content: bytes) -> None:
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        if place.exists() and not place.is_file():
            self._streams.append((place, content))
            return
        place = place.resolve()
        mode = 0o666 & ~_umask()
        if place.exists():
            mode = stat.S_IMODE(place.stat().st_mode)
            if not mode & 0o222 or not os.access(place, os.W_OK):
                raise PermissionError(errno.EACCES, "is there and may not be written")
        handle, name = tempfile.mkstemp(prefix=f".{place.name[:80]}.", suffix=".part", dir=place.parent)
        self._files.append((Path(name), place))
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(content)
            file.flush()
            os.fsync(handle)

    def commit(self) -> None:
        """Move every file to its place. Raises ``OSError`` that names what could not be written."""
        for written, place in self._files:
            os.replace(written, place)
        self._files = []
        for place, content in self._streams:
            try:
                with place.open("wb") as stream:
                    stream.write(content)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(place)) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
