"""Starts the agent beside a web server, as the list of sessions offers it: one at a time, by the same kind of
lock as the demo's replay.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from clawweb.demo import replay
from clawweb.demo.child import Child

LOCK = "agent"

_child = Child()


def is_running(data_dir: Path) -> bool:
    """Whether an agent runs on this data folder."""
    return replay.is_running(data_dir, LOCK)


def start_agent(data_dir: Path, *, environ: Mapping[str, str] = os.environ) -> bool:
    """Starts `manage.py agent` beside the calling web server; False if one runs already. Returns at once; the
    agent ends when its starter has ended.
    """
    if _child.running() or is_running(data_dir):
        return False
    _child.start(["agent", "--with-parent", str(os.getpid())], data_dir / "agent.log", environ)
    return True
