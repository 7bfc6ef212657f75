"""What a drain costs an event, beside the bare cost of writing the same rows, and the bytes a turn leaves.

One process, SQLite as `up` uses it. The bare figure writes the very rows that the drain wrote, in as many
transactions, with nothing decided: what remains is the price of deciding.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

from tests.bench.place import place
from tests.bench.table import Figure, median, show
from tests.support.processes import ROOT

TURNS = 200
EVENTS_A_TURN = 8
ONE_BY_ONE = 200


def _turn(number: int) -> list[dict[str, Any]]:
    """The events of one turn of an agent: a prompt, a call, its result, an answer."""
    text = f"result {number}\n" + "a line of a tool's result, as long as such lines are\n" * 20
    page = {
        "page_id": f"e{number}",
        "type": "evidence",
        "title": f"read file {number}",
        "provenance": {"kind": "tool_call", "ref": f"c{number}"},
        "text": text,
    }
    answer = {
        "page_id": f"a{number}",
        "type": "conversation",
        "provenance": {"kind": "span", "ref": f"t{number}"},
        "text": f"I have read file {number} and go on with the next.",
    }
    demanded = f"e{max(number - 3, 0)}"
    return [
        {"kind": "prompt_requested", "body": {"request_id": f"t{number}", "fixed_tokens": 100}},
        {"kind": "page_created", "body": {"page": answer}},
        {"kind": "model_answered", "body": {"request_id": f"t{number}", "page_id": f"a{number}"}},
        {
            "kind": "tool_called",
            "body": {"call_id": f"c{number}", "tool": "Read", "args": {"file_path": f"/f{number}"}},
        },
        {"kind": "page_created", "body": {"page": page}},
        {"kind": "tool_returned", "body": {"call_id": f"c{number}", "page_id": f"e{number}"}},
        {
            "kind": "demand_observed",
            "body": {"page_id": demanded, "fidelity": "full", "rule": "bench"},
        },
        {"kind": "noted", "body": {"what": "bench", "data": {"turn": number}}},
    ]


def main() -> None:
    """Runs `measure` in an installation of its own."""
    with place() as here:
        argv = [sys.executable, "-m", "tests.bench.drain"]
        subprocess.run(argv, env={**os.environ, **here.env}, cwd=ROOT, check=True)


def measure() -> None:
    """Prints the table."""
    import django

    django.setup()
    from memory import store, tokens
    from memory.models import Session
    from memory.store.drain import drain

    tokens.count("loads the vocabulary")
    store.ensure_project("default", "default")
    started = {"harness": "bench", "mode": "enforced", "policy": "clawvm", "budget": 20_000}

    def new_session(key: str) -> str:
        row, _ = store.find_or_create_session(
            "default", key, name=key, harness="bench", mode="enforced", started=started
        )
        return row.id

    events = [store.NewEvent(e["kind"], e["body"]) for n in range(TURNS) for e in _turn(n)]
    session_id = new_session("backlog")
    begin = time.perf_counter()
    for start in range(0, len(events), 400):
        store.append_events(session_id, events[start : start + 400])
    append_us = (time.perf_counter() - begin) / len(events) * 1e6
    begin = time.perf_counter()
    drain(session_id)
    drain_us = (time.perf_counter() - begin) / len(events) * 1e6
    bare_us, stored = _bare(session_id)
    bare_us /= len(events)

    live_id = new_session("one by one")
    times_ms = []
    for event in events[:ONE_BY_ONE]:
        store.append_events(live_id, [event])
        begin = time.perf_counter()
        drain(live_id)
        times_ms.append((time.perf_counter() - begin) * 1e3)
    assert Session.objects.get(pk=session_id).turn == TURNS
    show(
        f"Drain: {TURNS} turns of {EVENTS_A_TURN} events, SQLite",
        [
            Figure("append, an event of a batch", append_us, "µs"),
            Figure("drain, an event of a backlog", drain_us, "µs", bare_us, "the same rows, bare"),
            Figure(
                "drain, one event alone, p50", median(times_ms), "ms", 0.32, "one bare transaction (findings)"
            ),
            Figure("rows' bytes a turn, without keys and indexes", stored / TURNS, "bytes"),
        ],
    )


def _bare(session_id: str) -> tuple[float, int]:
    """Microseconds to write the drain's rows again with nothing decided, and their bytes."""
    from django.db import transaction

    from memory.models import EventOutcomes, JournalEntry, LedgerEntry, Page, PageText, Prompt, Turn

    kinds: tuple[Any, ...] = (EventOutcomes, Turn, LedgerEntry, JournalEntry, Prompt, PageText, Page)
    rows = {kind: list(kind.objects.filter(session_id=session_id)) for kind in kinds}
    size = 0
    for kind, found in rows.items():
        kind.objects.filter(session_id=session_id).delete()
        for row in found:
            row.pk = None
            size += sum(
                len(value)
                for field in kind._meta.concrete_fields
                if isinstance(value := getattr(row, field.attname), (str, bytes, memoryview))
            )
    batches = TURNS * EVENTS_A_TURN // 500 + 1  # a drain takes up to 500 events at once
    begin = time.perf_counter()
    for part in range(batches):
        with transaction.atomic():
            for kind, found in rows.items():
                kind.objects.bulk_create(found[part::batches], batch_size=500)
    return (time.perf_counter() - begin) * 1e6, size


if __name__ == "__main__":
    measure()
