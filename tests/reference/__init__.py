"""A second implementation of the ClawVM model: slow, obvious, and written from the specification alone.

What it is for: `memory.core` is fast because it remembers much from one turn to the next. Nothing here
remembers anything that could be computed again from the workload, so where both give the same answer, turn by
turn, the memory of the fast one is right. The model imports nothing from `memory` (only compare.py does, to
run the other side), and its author had not read `memory/core/`.

    workloads.py  pages, fidelities and turns as plain dataclasses, read from a *valid* workload
    policies.py   the table of policies, as data
    selection.py  section 4 of the model: required set, floor, upgrades
    steady.py     the path-dependent policy `clawweb`, from docs/model.md
    writeback.py  section 5: journal and the five checks
    judging.py    section 6: faults, alerts, refreshes, page-ins
    model.py      `run(workload, policy, budget) -> Result`: one turn after the other, and the metrics
    generate.py   random workloads, valid and adversarial (seeded, and as a Hypothesis strategy)
    compare.py    runs `memory.core` on the same workload and lists every difference
    mass.py       the same, for as many turns as asked for

Run the bounded comparison with the other tests (`pytest tests/core/test_reference.py`), the long one with

    python -m tests.reference.mass --turns 100000 [--seed N] [--policies clawvm,lru]

It prints turns by policy, or the first difference with its workload, made as small as is cheap; exit status 1
if there is one.
"""
