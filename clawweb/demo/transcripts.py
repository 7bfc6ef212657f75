"""Reads one of the user's own transcripts in the background: `manage.py watch FILE` as a child process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from clawweb.demo.child import Child

_child = Child()


def read_transcript(path: Path, *, environ: Mapping[str, str] = os.environ) -> bool:
    """Starts reading; False if this process is reading one already. Returns at once.

    What is read twice is there once, so a child that ends early does no harm.
    """
    if _child.running():
        return False
    _child.start(["watch", "--no-wait", "--", str(path)], settings.CLAWWEB_DATA_DIR / "watch.log", environ)
    return True
