"""Starts the agent beside a web server, as the list of sessions offers it: one at a time, by the same kind of
lock as the demo's replay.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from clawweb.demo import replay

LOCK = "agent"

_child: subprocess.Popen[bytes] | None = None


def is_running(data_dir: Path) -> bool:
    """Whether an agent runs on this data folder."""
    return replay.is_running(data_dir, LOCK)


def start_agent(data_dir: Path, *, environ: Mapping[str, str] = os.environ) -> bool:
    """Starts `manage.py agent` beside the calling web server; False if one runs already. Returns at once; the
    agent ends when its starter has ended.
    """
    global _child
    if (_child is not None and _child.poll() is None) or is_running(data_dir):
        return False
    with open(data_dir / "agent.log", "ab") as log:
        _child = subprocess.Popen(
            [sys.executable, str(replay.MANAGE), "agent", "--with-parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(environ),
            close_fds=True,
        )
    return True
