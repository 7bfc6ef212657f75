"""What must hold of whatever the core reads. Each check takes an input, and says whether it was accepted."""

from __future__ import annotations

import json
import re
import time
import tracemalloc
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from memory.core import (
    POLICIES,
    CoreError,
    Event,
    EventError,
    LogError,
    Outcome,
    Policy,
    PolicyError,
    State,
    WorkloadError,
    canonical,
    clone,
    decode_body,
    dump_state,
    encode_body,
    load_state,
    page_ids,
    page_view,
    prompt_pages,
    read_log,
    read_policy,
    read_workload,
    replay,
    replay_workload,
    session_view,
    step,
    verify_trace,
    workload_events,
    write_log,
)
from memory.core.replay import Replay
from tests.reference.compare import differences

from . import sessions

#: An error's message: long enough for a name of 80 characters of which each is escaped.
MAX_MESSAGE = 1_200
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
#: CPU seconds for input of so many bytes, and memory at the peak; generous: machines are shared.
TIME = (0.05, 4e-6)
MEMORY = (4_000_000, 250)
COMPARED = 30_000  # bytes of a workload that the reference, which is slow on purpose, runs too


class Finding(Exception):
    """Something that must not be. ``what``: the same for the same fault, whatever input showed it."""

    def __init__(self, what: str, detail: str = "") -> None:
        super().__init__(f"{what}\n{detail}" if detail else what)
        self.what, self.detail = what, detail


def must(holds: bool, what: str, detail: Any = "") -> None:
    if not holds:
        raise Finding(what, str(detail)[:2000])


def refused(error: CoreError, parts: Iterable[str]) -> None:
    """The message of a refusal: where, why, and short enough to read; safe to print or store anywhere."""
    message = str(error)
    must(all(parts), "a refusal that does not say where or why", repr(message))
    must(len(message) <= MAX_MESSAGE, "a refusal's message is too long", f"{len(message)}: {message[:300]!r}")
    must(not _UNPRINTABLE.search(message), "a refusal's message holds what cannot be printed", ascii(message))


def measured(reading: Callable[[], Any], size: int, *, memory: bool) -> Any:
    """What the reading gives, in time and memory that follow the input's size."""
    most = TIME[0] + TIME[1] * size
    started = time.thread_time()
    try:
        if not memory:
            return reading()
        tracemalloc.start()
        try:
            return reading()
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            must(peak <= MEMORY[0] + MEMORY[1] * size, "takes too much memory", f"{peak} for {size} bytes")
    finally:
        took = time.thread_time() - started
        if took > most and not memory:
            must(_again(reading) <= most, "takes too long", f"{took:.3f} s for {size} bytes")


def _again(reading: Callable[[], Any]) -> float:
    """The best of three more."""
    best = 1e9
    for _ in range(3):
        started = time.thread_time()
        with suppress(CoreError):
            reading()
        best = min(best, time.thread_time() - started)
    return best


# --- bodies of events ---


def body(kind: str, raw: bytes, *, memory: bool = False, state: State | None = None) -> bool:
    """One body: decoded or refused; then applied to a running session."""
    try:
        found = measured(lambda: decode_body(kind, raw), len(raw), memory=memory)
    except EventError as error:
        refused(error, (error.where, error.why))
        return False
    encoded = encode_body(found)
    again = decode_body(kind, encoded)
    must(again == found, "decode(encode(body)) is another body", (found, again))
    must(encode_body(again) == encoded, "encoding is not stable", encoded)
    must(
        encoded.isascii() and canonical(json.loads(encoded)) == encoded, "encoding is not canonical", encoded
    )
    tree = json.loads(raw)
    must(decode_body(kind, tree) == found, "the object gives another body than its bytes")
    must(canonical(tree) == canonical(json.loads(raw)), "decoding changed what it was given")
    if state is not None:
        applied(state, found)
    return True


def applied(state: State, given: Any) -> None:
    """On a session that runs: no exception; rejected, it changes nothing; a reload goes on the same way."""
    trial = clone(state)
    before = clone(state)
    told = one_step(trial, Event(trial.seq + 1, given, "operator:me"))
    if [o for o in told if o.kind == "rejected"]:
        before.seq, before.rejected = trial.seq, trial.rejected
        must(dump_state(before) == dump_state(trial), "a rejected event changed the state")
    reloaded = load_state(dump_state(trial))
    for late in sessions.afterwards(trial):
        must(
            told_bytes(one_step(trial, late)) == told_bytes(one_step(reloaded, late)),
            "a reloaded state goes on otherwise",
            late,
        )
    must(dump_state(trial) == dump_state(reloaded), "a reloaded state ends otherwise")
    looked_at(trial)


def one_step(state: State, event: Event) -> list[Outcome]:
    """``step``, with what must hold of every one."""
    rejected = state.rejected
    told = step(state, event)
    refusals = [o for o in told if o.kind == "rejected"]
    must(state.rejected == rejected + len(refusals), "a rejected event is not counted", event)
    if refusals:
        must(len(told) == 1, "a rejected event has other outcomes", told)
        why = refusals[0].data["why"]
        must(0 < len(why) <= MAX_MESSAGE * 3, "a rejected event's reason is empty or too long", why)
    must(state.seq == event.seq, "seq does not move", event)
    return told


def told_bytes(told: list[Outcome]) -> bytes:
    return canonical([[o.seq, o.side.value, o.turn, o.kind, o.page_id, o.data] for o in told])


def looked_at(state: State) -> None:
    """Everything that a reader can ask for exists."""
    if not state.started:
        return
    session_view(state)
    for page_id in page_ids(state):
        must(page_view(state, page_id) is not None, "a page without a view", page_id)
    prompt_pages(state)


# --- files ---


def workload(
    raw: bytes, policies: list[tuple[Policy, int]], *, memory: bool = False, compare: bool = False
) -> bool:
    """One workload: read or refused; then run under the policies at their budgets."""
    try:
        found = measured(lambda: read_workload(raw, "w.json"), len(raw), memory=memory)
    except WorkloadError as error:
        refused(error, (error.source, error.field, error.why))
        must(str(error).startswith("w.json: "), "a refusal that does not name its source", str(error))
        return False
    must(read_workload(json.loads(raw)) == found, "the object gives another workload than its bytes")
    for policy, budget in policies:
        events = workload_events(found, policy, budget)
        must(read_log(list(write_log(events))) == events, "the workload's log does not read back as it was")
        one = replay_workload(found, policy, budget)
        runs(one, len(found.turns))
        other = replay(read_log(list(write_log(events))))
        must(one.trace == other.trace, "the workload's log gives another trace")
        if compare and len(raw) < COMPARED and policy.name in POLICIES:
            differing = differences(json.loads(raw), policy.name, budget)
            must(not differing, "differs from the reference", differing[:3])
    return True


def runs(found: Replay, turns: int | None = None) -> None:
    """A trace that holds together, of so many turns."""
    try:
        counted = verify_trace(list(found.trace))
    except CoreError as error:
        raise Finding("a trace does not verify", str(error)) from error
    must(turns in (None, counted), "a trace of too few or too many turns", (turns, counted))
    canonical(found.metrics)


def policy(raw: bytes, workloads: list[tuple[bytes, int]], *, memory: bool = False) -> bool:
    """One declared policy: read or refused; then the workloads run under it."""
    try:
        found = measured(lambda: read_policy(raw, "p.json"), len(raw), memory=memory)
    except PolicyError as error:
        refused(error, (error.source, error.field, error.why))
        must(str(error).startswith("p.json: "), "a refusal that does not name its source", str(error))
        return False
    must(read_policy(json.loads(raw)) == found, "the object gives another policy than its bytes")
    must(read_policy(found.to_json()) == found, "a policy's own JSON reads as another policy")
    must(
        canonical(read_policy(canonical(found.to_json())).to_json()) == canonical(found.to_json()),
        "a policy's bytes read as another one",
    )
    if not found.selects:  # nothing can run under it
        return True
    for text, budget in workloads:
        workload(text, [(found, budget)])
    return True


def log(lines: list[bytes], asked: list[tuple[Policy, int | None]], *, memory: bool = False) -> bool:
    """The lines of a log: read or refused; then replayed as it is, and under what is asked for."""
    size = sum(map(len, lines))
    try:
        found = measured(lambda: read_log(lines, "l.jsonl"), size, memory=memory)
    except LogError as error:
        refused(error, (error.source, error.field, error.why))
        must(
            str(error).startswith(f"l.jsonl: line {error.line}: "),
            "a refusal that does not name its line",
            str(error),
        )
        must(1 <= error.line <= len(lines), "a refusal of a line that is not there", str(error))
        return False
    written = list(write_log(found))
    must(read_log(written) == found, "a log that was written does not read back")
    must(list(write_log(read_log(written))) == written, "writing a log is not stable")
    for way in [(None, None), *asked]:
        one, other = ran(found, *way), ran(read_log(written), *way)
        must(one == other, "a log gives two traces", (one, other))
    return True


def ran(events: list[Event], policy: Policy | None, budget: int | None) -> tuple[bytes, ...] | str:
    """The trace, or why there is none."""
    try:
        found = replay(events, policy, budget)
    except CoreError as error:
        return str(error)
    runs(found)
    return found.trace
