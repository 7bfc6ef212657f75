"""The engine against the obvious second implementation in tests/reference, on event logs: operators, the
journal, what was only read and its shadow. Longer: `python -m tests.reference.mass_log`.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.core.strategies import journal_streams, streams
from tests.reference.compare_log import differences
from tests.reference.mass_log import log_of, recorded_log
from tests.support.outside import TRACES

EXAMPLES = int(os.environ.get("CLAWWEB_EXAMPLES", "25"))
bounded = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@bounded
@given(stream=streams(40))
def test_any_stream_gives_the_same_turns_on_both_sides(stream: list[tuple[Any, ...]]) -> None:
    assert differences(log_of(stream)) == []


@bounded
@given(stream=journal_streams(30))
def test_a_busy_journal_gives_the_same_turns(stream: list[tuple[Any, ...]]) -> None:
    assert differences(log_of(stream)) == []


@pytest.mark.traces
@pytest.mark.skipif(not TRACES.is_dir(), reason="the recorded sessions are not here")
@pytest.mark.parametrize("policy", ["clawweb", "clawvm", "retrieval"])
@pytest.mark.parametrize("budget", [None, 10_000])
@pytest.mark.parametrize("place", [0, 3])
def test_a_recorded_session_gives_the_same_turns(place: int, policy: str, budget: int | None) -> None:
    name = sorted(path.name for path in TRACES.glob("claude-code/*.jsonl"))[place]
    assert differences(recorded_log(name, policy, budget)) == []
