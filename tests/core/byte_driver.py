"""Every golden input under every policy and some budgets: one line each with the SHA-256 of what comes out.

Standard library and ``memory.core`` only, so that any Python can run it: ``python byte_driver.py ROOT``. The
lines of two Pythons are the same exactly if their traces, metrics and event logs are.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

BUDGETS = (40, 180, 400)


def lines(root: Path) -> Iterator[str]:
    from memory.core import (
        POLICIES,
        read_log,
        read_workload,
        replay,
        replay_workload,
        workload_events,
        write_log,
    )
    from memory.core.replay import metrics_bytes

    inputs = root / "tests" / "golden" / "replay"
    policies = [policy for policy in POLICIES.values() if policy.selects]
    for path in sorted(inputs.glob("*.json")):
        workload = read_workload(path.read_bytes(), path.name)
        for policy in policies:
            for budget in BUDGETS:
                found = replay_workload(workload, policy, budget)
                log = b"".join(write_log(workload_events(workload, policy, budget)))
                parts = (found.trace_bytes(), metrics_bytes(found.metrics), log)
                yield " ".join((path.stem, policy.name, str(budget), *map(_hash, parts)))
    for path in sorted(inputs.glob("*.log.jsonl")):
        events = read_log(path.read_bytes().splitlines(), path.name)
        for policy in policies:
            for budget in BUDGETS:
                found = replay(events, policy, budget)
                parts = (found.trace_bytes(), metrics_bytes(found.metrics))
                yield " ".join((path.stem, policy.name, str(budget), *map(_hash, parts)))


def _hash(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


if __name__ == "__main__":
    root = Path(sys.argv[1])
    sys.path.insert(0, str(root))
    for line in lines(root):
        print(line)
