"""A program for a test on PostgreSQL: events whose rows the database refuses, though the codec takes them."""

from __future__ import annotations

import json
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawweb.settings")

import django

django.setup()

from django.db import connection  # noqa: E402

from memory import store  # noqa: E402
from memory.models import Event, Prompt, Session  # noqa: E402
from memory.store import limits  # noqa: E402
from memory.store.drain import drain  # noqa: E402
from tests.memory.cast import STARTED, note, prompt  # noqa: E402
from tests.memory.test_isolate import HUGE, full_page, new_session  # noqa: E402


def report(session: str) -> dict[str, Any]:
    row = Session.objects.get(pk=session)
    rejected = Event.objects.filter(session=row, skipped=True).order_by("seq").values_list("seq", "rejected")
    return {"pending": row.last_seq - row.applied_seq, "rejected": [list(item) for item in rejected]}


def main() -> None:
    store.ensure_project("default")
    STARTED.update(window=10**12, budget=10**12, reserve=0)
    sums = new_session("sums")
    store.append_events(sums, [full_page(f"p{n}", HUGE) for n in range(30)])
    store.append_events(
        sums, [store.NewEvent("demand_declared", {"page_id": f"p{n}", "fidelity": "full"}) for n in range(30)]
    )
    store.append_events(sums, [prompt(1)])
    drain(sums)
    narrow = new_session("narrow")
    limits._IDS = {}  # type: ignore[misc]  # as if a column were narrower than its limit
    long = store.NewEvent("prompt_requested", {"request_id": "r" * 300})
    longer = store.NewEvent("prompt_requested", {"request_id": "r" * 400})
    store.append_events(
        narrow, [note("a"), note("b"), long, *map(note, "cdef"), longer, note("g"), prompt(2)]
    )
    drain(narrow)
    found = {"vendor": connection.vendor, "sums": report(sums), "narrow": report(narrow)}
    found["sums"]["tokens"] = Prompt.objects.get(session_id=sums).tokens
    print(json.dumps(found))


if __name__ == "__main__":
    main()
