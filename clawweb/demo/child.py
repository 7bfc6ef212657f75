"""A management command beside the calling web server, as its child: at most one of a kind at a time.

It belongs to its starter's process group: whoever ends the web server with its group ends it too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

MANAGE = Path(__file__).resolve().parent.parent.parent / "manage.py"


class Child:
    """The place of one child; what it prints goes to a file."""

    def __init__(self) -> None:
        self._popen: subprocess.Popen[bytes] | None = None

    def running(self) -> bool:
        """Whether the child that this process started still runs."""
        return self._popen is not None and self._popen.poll() is None

    def start(self, words: list[str], log: Path, environ: Mapping[str, str] = os.environ) -> None:
        """Starts `manage.py WORDS` and returns at once; its output is appended to ``log``."""
        with open(log, "ab") as out:
            self._popen = subprocess.Popen(
                [sys.executable, str(MANAGE), *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=dict(environ),
                close_fds=True,
            )
