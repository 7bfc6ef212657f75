"""The engine against the obvious second implementation in tests/reference, turn by turn."""

from __future__ import annotations

import os
from dataclasses import asdict
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.core import POLICIES
from tests.reference import generate
from tests.reference.compare import differences
from tests.reference.model import run
from tests.reference.policies import TABLE

EXAMPLES = int(os.environ.get("CLAWWEB_EXAMPLES", "15"))
MARKS = ("high_water_percent", "low_water_percent", "refill_percent", "raise_above")
bounded = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("policy", TABLE)
def test_a_policy_is_the_same_data(policy: str) -> None:
    ours, theirs = asdict(TABLE[policy]), asdict(POLICIES[policy])
    if not ours["steady"]:  # the marks are the steady policy's alone
        ours = {name: value for name, value in ours.items() if name not in MARKS}
    assert {name: theirs[name] for name in ours} == ours


@pytest.mark.parametrize("policy", TABLE)
@bounded
@given(case=generate.cases())
def test_a_published_policy_gives_the_same_turns(policy: str, case: tuple[dict, int]) -> None:
    workload, budget = case
    assert differences(workload, policy, budget) == []


@bounded
@given(case=generate.cases(), seed=st.integers(0, 2**32))
def test_a_declared_policy_gives_the_same_turns(case: tuple[dict, int], seed: int) -> None:
    workload, budget = case
    assert differences(workload, generate.declared_policy(Random(seed)), budget) == []


@pytest.mark.parametrize("policy", TABLE)
def test_larger_workloads_give_the_same_turns(policy: str) -> None:
    for seed in range(3):
        rng = Random(f"larger-{seed}")
        workload = generate.workload(rng, 26, 40)
        for budget in (generate.budget(rng, workload), generate.budget(rng, workload)):
            assert differences(workload, policy, budget) == []


def test_refills_give_the_same_turns() -> None:
    for seed in range(60):
        workload, budget = generate.giants(Random(f"giants-{seed}"))
        assert differences(workload, "clawweb", budget) == []


EVERYTHING = {
    *((kind, judged) for kind in ("refetch", "duplicate_tool") for judged in ("policy", "insufficient")),
    ("pinned_invariant_miss", "policy"),
    ("pinned_invariant_miss", "insufficient"),
    ("post_compaction_bootstrap", "policy"),
    ("post_compaction_bootstrap", "insufficient"),
    ("silent_recall", "policy"),
    ("flush_miss", "policy"),
    *("staged", "validated", "committed", "lost", "alerts", "refreshes", "page_ins"),
    *("SCHEMA_INVALID", "PROVENANCE_UNRESOLVED", "SCOPE_DENIED", "DESTRUCTIVE_OP", "POLICY_DENIED"),
    *("pinned", "restored", "demanded", "prefetched", "upgraded", "unmet", "displaced"),
}


def test_the_random_workloads_show_everything_that_is_compared() -> None:
    missing = set(EVERYTHING)
    for seed in range(200):
        rng = Random(f"everything-{seed}")
        workload = generate.workload(rng)
        budget = generate.budget(rng, workload)
        for policy in TABLE:
            for record in run(workload, policy, budget).records:
                missing -= {(kind, judged) for kind, _page, judged in record.faults}
                missing -= {move[3] or move[2] for move in record.journal}
                missing -= {reason for _page, _fidelity, reason in record.changes}
                missing -= {name for name in ("alerts", "refreshes", "page_ins") if getattr(record, name)}
        if not missing:
            break
    assert missing == set()
