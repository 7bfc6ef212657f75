"""The recorded sessions beside the project: counts as its index has them, nothing rejected by the core."""

from __future__ import annotations

from collections import Counter

import pytest

import memory.core as core
from memory.complete import check, complete
from memory.core.events import Event
from memory.harness import EventTuple, RawRecord, get_adapter
from memory.harness.accuracy import measure
from tests.support import outside

TRACES = outside.TRACES / "claude-code"
pytestmark = [
    pytest.mark.traces,
    pytest.mark.skipif(not TRACES.is_dir(), reason="the recorded sessions (../shared/traces) are not here"),
]

#: file: turns without synthetic answers, calls, calls without result, compactions, micro-compactions, resets
INDEX = {
    "entireio-cli__cd_95adddad32_0.jsonl": (225, 206, 0, 3, 0, 0),
    "entireio-cli__43_2b48f6b6e6_0.jsonl": (258, 248, 0, 2, 0, 0),
    "entireio-cli__b0_dc55b3a1dc_1.jsonl": (131, 128, 0, 1, 2, 0),
    "entireio-cli__c5_e2f1146dfe_0.jsonl": (48, 53, 0, 0, 0, 0),
    "entireio-cli__9f_d2fc39aa5f_0.jsonl": (66, 66, 0, 0, 0, 0),
    "entireio-cli__60_fd31fcf44f_0.jsonl": (14, 16, 1, 0, 0, 1),
    "entireio-cli__20_02395c1048_0.jsonl": (13, 15, 0, 0, 0, 0),
}
#: Context sizes at compactions, measured beside the index: last call before, first call after.
MEASURED = {
    "entireio-cli__cd_95adddad32_0.jsonl": [(154_445, 66_549), (155_023, 60_458), (154_666, 59_943)],
    "entireio-cli__b0_dc55b3a1dc_1.jsonl": [(154_505, 34_866)],
}


def derive(name: str) -> tuple[list[EventTuple], int, list[str]]:
    adapter = get_adapter("claude-code")
    out: list[EventTuple] = []
    unknown, problems = 0, []
    for n, line in enumerate((TRACES / name).read_bytes().split(b"\n"), 1):
        derived = adapter.feed(RawRecord(n, line))
        out += derived.events
        unknown += derived.unknown
        problems += [derived.problem] if derived.problem else []
    return out, unknown, problems


@pytest.mark.parametrize("name", INDEX)
def test_counts_are_those_of_the_index(name: str) -> None:
    events, unknown, problems = derive(name)
    assert (unknown, problems) == (0, [])
    kinds = Counter(kind for kind, _, _ in events)
    called = [b["call_id"] for k, b, _ in events if k == "tool_called"]
    returned = {b["call_id"] for k, b, _ in events if k == "tool_returned"}
    bounds = Counter(b["kind"] for k, b, _ in events if k == "boundary" and b.get("trigger") != "rewind")
    got = (
        kinds["prompt_observed"], len(called), len(set(called) - returned),
        bounds["compaction"], bounds["prune"], bounds["reset"],
    )  # fmt: skip
    assert got == INDEX[name] and returned <= set(called)


@pytest.mark.parametrize("name", INDEX)
def test_the_core_takes_every_event(name: str) -> None:
    state, rejected = core.new_state(), []
    for seq, (kind, body, _) in enumerate(derive(name)[0], 1):
        check(kind, body)
        for told in core.step(state, Event(seq, core.decode_body(kind, complete(kind, body)))):
            if told.kind == "rejected":
                rejected.append((seq, kind, told.data))
    assert rejected == []
    assert core.session_view(state).turn == INDEX[name][0]


@pytest.mark.parametrize("name", INDEX)
def test_our_sizes_follow_the_recorded_ones(name: str) -> None:
    found = measure((TRACES / name).read_bytes().split(b"\n"))
    sizes = [
        (b.before.recorded, b.after.recorded)
        for b in found.boundaries
        if b.kind == "compaction" and b.before and b.after
    ]
    assert name not in MEASURED or sizes == MEASURED[name]
    if not sizes:  # nothing was dropped, so everything is in the record: within two per cent
        assert all(abs(r) <= 0.02 * p.recorded for r, p in zip(found.residuals(), found.prompts, strict=True))
