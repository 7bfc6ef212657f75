"""What the list of sessions offers to an operator: the demo and its pace, and
the transcripts of the user who runs this server. Both write to the default
project, so they need its operator; nobody else learns a path of this machine.

The functions are named as text, so that no layer reaches over another.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from inspector.panels.sessions import offer
from memory import store

log = logging.getLogger(__name__)

PROJECT = "default"
PACES = (0.2, 0.6, 1.2, 3.0)  # seconds from one model call to the next
LOOK_SECONDS = 30.0  # the user's folders are looked at this often at most
HOOKS = {
    "start_demo": "clawweb.demo.replay.start_demo",
    "demo_runs": "clawweb.demo.replay.is_running",
    "set_pace": "clawweb.demo.replay.set_pace",
    "get_pace": "clawweb.demo.replay.get_pace",
    "start_agent": "clawweb.demo.agent.start.start_agent",
    "agent_runs": "clawweb.demo.agent.start.is_running",
    "discover": "memory.harness.discover.discover",
    "read_transcript": "clawweb.demo.transcripts.read_transcript",
}


def hook(name: str) -> Callable[..., Any] | None:
    """The function of that name; None where it is not there."""
    try:
        found: Callable[..., Any] = import_string(HOOKS[name])
    except ImportError:
        return None
    return found


def may(user_id: int) -> bool:
    """Whether the person is an operator of the project that demo and transcripts go to."""
    roles = store.visible_projects(user_id)
    return any(roles[pk] == "operator" for pk, slug in store.project_slugs(roles).items() if slug == PROJECT)


def demo() -> dict[str, Any] | None:
    """The state of the demo, and under ``agent`` whether the agent runs; None where there is none."""
    runs, pace = hook("demo_runs"), hook("get_pace")
    if runs is None or pace is None or hook("start_demo") is None:
        return None
    now = float(pace(settings.CLAWWEB_DATA_DIR))
    choices = [(f"{value:g}", f"{value:g} s", value == now) for value in sorted({*PACES, now})]
    agent = hook("agent_runs")
    return {
        "running": bool(runs(settings.CLAWWEB_DATA_DIR)),
        "pace": now,
        "paces": choices,
        "agent": None if agent is None else bool(agent(settings.CLAWWEB_DATA_DIR)),
    }


def start_agent() -> None:
    """Starts the scripted agent, if none runs. Raises ValueError
    where there is none, OSError where it cannot be started.
    """
    start = hook("start_agent")
    if start is None:
        raise ValueError("there is no agent here")
    start(settings.CLAWWEB_DATA_DIR)  # False: one runs already, which is what was wanted


def set_or_start(pace: str) -> None:
    """Changes the pace of the replay that runs, or starts one at this pace ('' leaves the pace as it is).

    Raises ValueError for a pace that is not offered, OSError where it cannot be started.
    """
    start, runs, set_pace = hook("start_demo"), hook("demo_runs"), hook("set_pace")
    if start is None:
        raise ValueError("there is no demo here")
    wanted = next((value for value in PACES if f"{value:g}" == pace), None)
    if pace and wanted is None:
        raise ValueError(f"pace must be one of {', '.join(f'{p:g}' for p in PACES)}")
    if wanted is not None and runs and set_pace and runs(settings.CLAWWEB_DATA_DIR):
        set_pace(settings.CLAWWEB_DATA_DIR, wanted)
    else:
        start(wanted, settings.CLAWWEB_DATA_DIR)  # False: one runs already, which is what was wanted


_lock = threading.Lock()
_found: tuple[float, list[Any]] = (-LOOK_SECONDS, [])


def transcripts() -> list[dict[str, str]]:
    """The user's own Claude Code sessions on this machine, newest first."""
    return [offer(item) for item in _discovered()]


def _discovered() -> list[Any]:
    global _found
    discover = hook("discover")
    if discover is None:
        return []
    with _lock:
        if time.monotonic() - _found[0] < LOOK_SECONDS:
            return _found[1]
        try:
            items = list(discover())
        except Exception:
            log.exception("looking for the user's own sessions failed")
            items = []
        _found = (time.monotonic(), items)
        return items


def forget() -> None:
    """Lets the next question look at the folders again."""
    global _found
    _found = (-LOOK_SECONDS, [])


def read(key: str) -> str:
    """Starts reading the transcript that was offered under ``key``; what to say about it.

    The key is compared with what is found now: no path ever comes from a browser. Raises ValueError if
    nothing of that key is there, OSError where the reading cannot be started.
    """
    reader = hook("read_transcript")
    item = next((item for item in _discovered() if offer(item)["key"] == key), None)
    if reader is None or item is None:
        raise ValueError("that transcript is not there any more")
    if not reader(item.path):
        return "Another transcript is being read; try again when it is done."
    return "Reading; the session appears above."
