"""Replays the demo recording through the public API, as if it were happening now.

The unit is a *call*: the records up to the next answer of the model, posted in one request. The first
`QUICK_CALLS` calls come quickly, so that the screen is not empty; from then on a call comes every `pace_s`
seconds. The records are posted as they are, with the times of the recording; each run is a session of its
own, `demo-<n>`, and a sub-agent's records form a child session. A server that is away is waited for; every
request may be repeated, so nothing is there twice.

The pace can be changed while it runs: `set_pace` writes it to a file in the data folder, which is read
before each call. `start_demo` starts `manage.py demo` as a child of the calling process. One replay runs at
a time: the running one holds a lock in the data folder that the kernel drops with it. The child belongs to
its starter's process group, so that whoever ends the web server with its group ends it too, and it also ends
by itself when its starter is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clawweb.demo import DEMO_WINDOW, load_session, load_subagents
from clawweb.demo.child import Child
from memory.client import ClawWeb, Session, event

ADAPTER = HARNESS = "claude-code"
PACE_S = 1.2  # seconds from one model call to the next
#: How the main session opens: as the transcript's adapter would, but with the window it was recorded under.
STARTED = {
    "policy": "observed",
    "shadow_policy": "clawweb",
    "window": DEMO_WINDOW,
    "window_source": "configured",
    "settings": {"replayed": True},  # the times are the recording's, the session is of now
}
QUICK_CALLS = 12
QUICK_PACE_S = 0.05
SLOWEST_S, FASTEST_S = 60.0, 0.0
WAIT_FOR_SERVER_S = 600.0  # how long a server may be away
FOLD_S = 120.0  # how long the workers may take for the rest, at the end
STOPPED_FOLD_S = 5.0  # the same when the replay was stopped


class AlreadyRunning(Exception):
    """A replay, or an agent, runs on this data folder already."""


@dataclass(frozen=True, slots=True)
class Line:
    """A record and its place in its file, in bytes."""

    raw: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Step:
    """Records that are posted together. ``agent``: the sub-agent's id, or '' for the main session."""

    agent: str
    at: str
    lines: tuple[Line, ...]


def steps_of(lines: Sequence[bytes], agent: str = "") -> list[Step]:
    """The records cut before each new answer of the model; a step's time is the latest seen up to its end."""
    steps: list[Step] = []
    group: list[Line] = []
    answer, at, offset = "", "", 0
    for raw in lines:
        message, stamp = _answer_and_time(raw)
        if message and message != answer:
            if answer:
                steps.append(Step(agent, at, tuple(group)))
                group = []
            answer = message
        group.append(Line(raw, offset))
        offset += len(raw) + 1
        at = max(at, stamp)
    if group:
        steps.append(Step(agent, at, tuple(group)))
    return steps


def _answer_and_time(raw: bytes) -> tuple[str, str]:
    """The id of the model's answer that a record belongs to ('' if none), and its time ('' if none)."""
    try:
        record = json.loads(raw)
    except ValueError:
        return "", ""
    if not isinstance(record, dict):
        return "", ""
    stamp = record.get("timestamp")
    message = record.get("message")
    found = message.get("id") if record.get("type") == "assistant" and isinstance(message, dict) else ""
    return str(found or ""), stamp if isinstance(stamp, str) else ""


def recorded_steps() -> list[Step]:
    """The whole recording in the order in which it happened, sub-agents between the main session's calls."""
    steps = steps_of(load_session())
    for agent, lines in load_subagents().items():
        steps += steps_of(lines, agent)
    return sorted(steps, key=lambda step: step.at)  # stable: a file's own order stays


# -- one at a time, and the pace ---------------------------------------------------------------------------


@contextlib.contextmanager
def only_one(data_dir: Path, patience_s: float = 0.5, name: str = "demo") -> Iterator[None]:
    """Holds the lock of that name. Raises AlreadyRunning if it is held for longer than ``patience_s``: who
    only asks (``is_running``) holds it for a moment too.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(data_dir / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + patience_s
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise AlreadyRunning(f"a run of `{name}` goes on already") from None
                time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def is_running(data_dir: Path, name: str = "demo") -> bool:
    """Whether a replay (or what else holds the lock of that name) runs on this data folder."""
    try:
        with only_one(data_dir, 0.0, name):
            return False
    except AlreadyRunning:
        return True


def clamp_pace(pace_s: float) -> float:
    """Seconds within what makes sense; not a number counts as the default."""
    return min(max(pace_s, FASTEST_S), SLOWEST_S) if pace_s == pace_s else PACE_S


def set_pace(data_dir: Path, pace_s: float) -> None:
    """Changes the pace of the running replay (and of the next one that is given none)."""
    target = data_dir / "demo.pace"
    aside = target.with_name(f"demo.pace.{os.getpid()}")
    aside.write_text(f"{clamp_pace(pace_s):g}\n", "ascii")
    aside.replace(target)


def get_pace(data_dir: Path, default: float = PACE_S) -> float:
    """The pace that was set last, or the default."""
    try:
        return clamp_pace(float((data_dir / "demo.pace").read_text("ascii")))
    except (OSError, ValueError):
        return default


_child = Child()


def start_demo(pace_s: float | None, data_dir: Path, *, environ: Mapping[str, str] = os.environ) -> bool:
    """Starts `manage.py demo` beside the calling web
    server; False if a replay runs already. Returns at once.
    """
    if _child.running() or is_running(data_dir):
        return False
    if pace_s is not None:
        set_pace(data_dir, pace_s)
    _child.start(["demo", "--with-parent", str(os.getpid())], data_dir / "demo.log", environ)
    return True


# -- the replay --------------------------------------------------------------------------------------------


@dataclass
class Replay:
    """Posts steps to ``claw``. ``pace`` is asked before
    each call, ``sleep`` waits, ``stop`` may end it early.
    """

    claw: ClawWeb
    key: str
    pace: Callable[[], float]
    sleep: Callable[[float], None] = time.sleep
    stop: Callable[[], bool] = lambda: False
    say: Callable[[str], None] = lambda _text: None

    def run(self, steps: Sequence[Step]) -> Session:
        """Plays every step, then closes the sessions. The main session."""
        main = self._session("")
        sessions = {"": main}
        for number, step in enumerate(steps):
            if self.stop():
                break
            if step.agent not in sessions:
                sessions[step.agent] = self._session(step.agent)
            self._post(sessions[step.agent], step)
            self.sleep(QUICK_PACE_S if number < QUICK_CALLS else self.pace())
        for session in reversed(list(sessions.values())):
            self._close(session)
        return main

    def _session(self, agent: str) -> Session:
        name = f"Sub-agent {agent[:8]} of {self.key}" if agent else f"Demo: a coding session ({self.key})"
        return self.claw.session(
            f"{self.key}/{agent}" if agent else self.key,
            harness=HARNESS,
            mode="observed",
            adapter=ADAPTER,
            name=name,
            parent_key=self.key if agent else None,
            started=None if agent else STARTED,
        )

    def _post(self, session: Session, step: Step) -> None:
        source = f"demo/subagent-{step.agent}.jsonl" if step.agent else "demo/session.jsonl"
        session.records(
            [
                {
                    "record_key": f"{session.info['key']}@{line.offset}",
                    "raw": line.raw.decode("utf-8", "surrogatepass"),
                    "source": source,
                    "offset": line.offset,
                }
                for line in step.lines
            ]
        )

    def _close(self, session: Session) -> None:
        """Ends the session once its records are folded: an event of ours must not come before theirs."""
        deadline = time.monotonic() + (STOPPED_FOLD_S if self.stop() else FOLD_S)
        while session.refresh()["pending"] and time.monotonic() < deadline:
            self.sleep(0.5)
        if session.info["pending"]:
            self.say(
                f"{session.info['key']}: {session.info['pending']} records still wait for a worker; left open"
            )
            return
        reason = "the recording ends" if not self.stop() else "the replay was stopped"
        session.append([event("session_ended", client_event_id="demo-end", reason=reason)])
