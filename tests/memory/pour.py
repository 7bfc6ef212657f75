"""A program for integration tests: pours the cast's session into an installation, and says how it stands.

``python -m tests.memory.pour append TURNS SIZE EXTRA`` appends in batches (and asks for EXTRA more drains
after each), naming each on a line of its own, and then waits for a line on standard input: a test decides
what happens in between. ``race TURNS`` drains in four threads while it appends. ``report`` waits until all is
folded and prints the outcome.
"""

from __future__ import annotations

import json
import os
import sys
import threading

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawweb.settings")

import django

django.setup()

from django.db import connections  # noqa: E402

from memory import store  # noqa: E402
from memory.models import Event, EventOutcomes, Session  # noqa: E402
from memory.store.drain import drain, pending_sessions  # noqa: E402
from memory.tasks import send_drain  # noqa: E402
from tests.memory.cast import STARTED, session_events  # noqa: E402
from tests.support.poll import poll  # noqa: E402

KEY = "poured"


def session() -> str:
    store.ensure_project("default")
    row, _ = store.find_or_create_session(
        "default", KEY, name=KEY, harness="mine", mode="enforced", started=STARTED
    )
    return row.id


def append(turns: int, size: int, extra: int = 0, *, ask: bool = True) -> None:
    pk, events = session(), session_events(turns)
    for start in range(0, len(events), size):
        batch = events[start : start + size]
        store.append_events(pk, batch)
        if start % 3 == 0:
            store.append_events(pk, batch)  # a sender that did not hear the answer
        for _ in range(extra):
            send_drain(pk)
        if ask:
            print(start, flush=True)
            sys.stdin.readline()


def wait(deadline_s: float = 60.0) -> None:
    pk = session()

    def folded() -> bool:
        row = store.session_row(pk)
        return row is not None and row.pending == 0

    poll(folded, deadline_s, what="everything folded")


def race(turns: int) -> None:
    pk, over, failures = session(), threading.Event(), []

    def work() -> None:
        try:
            while not over.is_set() or pk in pending_sessions():
                drain(pk)
                over.wait(0.002)
        except BaseException as error:
            failures.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    append(turns, 5, ask=False)
    over.set()
    for thread in threads:
        thread.join(60)
    if failures:
        raise SystemExit(f"failed: {failures}")


def report() -> None:
    """Waits until all is folded, then prints the traces and what stands in the rows."""
    wait()
    row = Session.objects.get(key=KEY)
    seqs = list(EventOutcomes.objects.filter(session=row).order_by("seq").values_list("seq", flat=True))
    found = {
        "events": Event.objects.filter(session=row).count(),
        "last_seq": row.last_seq,
        "applied_seq": row.applied_seq,
        "outcomes_twice": len(seqs) - len(set(seqs)),
    }
    for side in ("primary", "shadow"):
        found[side] = [line.decode("ascii") for line in store.trace_lines(str(row.pk), side)]
    print(json.dumps(found))


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    if command == "append":
        append(*map(int, words))
    elif command == "race":
        race(int(words[0]))
    elif command == "report":
        report()
