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

Event logs, which say more than a workload can (operators, a journal with verdicts, what was only read and its
shadow), have their own modules, which use the selection above:

    log.py          `run_log(events) -> Session`: one event after the other
    log_session.py  what the log says so far; log_pages.py pages, and what a write touches
    log_prompts.py  a turn begins; log_sides.py what one side's prompts hold and its turns show
    log_writes.py   boundaries and the journal's events; log_journal.py the journal; log_acts.py operators
    compare_log.py, mass_log.py  as above; what the texts leave open is marked `Reading:`

Run the bounded comparison with the other tests (`pytest tests/core/test_reference.py`), the long one with

    python -m tests.reference.mass --turns 100000 [--seed N] [--policies clawvm,lru]

It prints turns by policy, or the first difference with its workload, made as small as is cheap; exit status 1
if there is one.
"""
