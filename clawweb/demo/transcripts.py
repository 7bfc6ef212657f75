"""Reads one of the user's own transcripts in the background: `manage.py watch FILE` as a child process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from clawweb.demo.replay import MANAGE

_child: subprocess.Popen[bytes] | None = None


def read_transcript(path: Path, *, environ: Mapping[str, str] = os.environ) -> bool:
    """Starts reading; False if this process is reading one already. Returns at once.

    What is read twice is there once, so a child that ends early does no harm.
    """
    global _child
    if _child is not None and _child.poll() is None:
        return False
    with open(settings.CLAWWEB_DATA_DIR / "watch.log", "ab") as log:
        _child = subprocess.Popen(
            [sys.executable, str(MANAGE), "watch", "--no-wait", "--", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(environ),
            close_fds=True,
        )
    return True
