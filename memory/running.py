"""Where this machine's ClawWeb answers now, if one runs."""

from __future__ import annotations

import json
import os

from django.conf import settings


def running_address() -> str | None:
    """What `CLAWWEB_URL` says, else the lock file of a living `up` on this data folder; None: none runs."""
    if given := os.environ.get("CLAWWEB_URL"):
        return given.rstrip("/")
    try:
        note = json.loads((settings.CLAWWEB_DATA_DIR / "up.lock").read_bytes())
        os.kill(int(note["pid"]), 0)  # signal 0 only asks whether it lives
        return str(note["address"]).rstrip("/") or None
    except (OSError, OverflowError, ValueError, KeyError, TypeError):
        return None
