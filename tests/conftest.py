"""Shared fixtures. The environment is set before Django reads it."""

from __future__ import annotations

import os
import tempfile

_HOME = tempfile.TemporaryDirectory(prefix="clawtest-")  # short: unix sockets stand below it
for _name in ("DATABASE_URL", "REDIS_URL"):
    os.environ.pop(_name, None)
os.environ.update(
    DJANGO_SETTINGS_MODULE="clawweb.settings",
    CLAWWEB_DATA_DIR=_HOME.name,
    CLAWWEB_SECRET_KEY="tests-only",
)
