"""A program for a test on real databases: sessions of one project commit to the same pages at the same time.

It prints how it ended: what each session says of each page, and what the project agreed on.
"""

from __future__ import annotations

import json
import os
import threading

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawweb.settings")

import django

django.setup()

from django.db import connection, connections  # noqa: E402

from memory import store  # noqa: E402
from memory.models import Event, Page, ProjectPage  # noqa: E402
from memory.store.drain import drain, pending_sessions  # noqa: E402
from memory.store.views import load_page_view  # noqa: E402
from tests.memory.cast import page  # noqa: E402

SESSIONS, PAGES, ROUNDS = 3, 3, 3
STARTED = {"harness": "mine", "mode": "enforced", "window": 4000, "budget": 600}


def new_session(key: str) -> str:
    row, _ = store.find_or_create_session(
        "default", key, name=key, harness="mine", mode="enforced", started=STARTED
    )
    events = [page(f"shared-{n}", f"{n} as it was", "preference", scope="project") for n in range(PAGES)]
    store.append_events(row.id, events)
    return row.id


def work(session: str, turn: int, errors: list[str]) -> None:
    """Writes each page, in an order of its own, and lets a flush commit it."""
    try:
        for n in range(PAGES):
            page_id = f"shared-{(n + turn) % PAGES}"
            text = f"{page_id} as {session} has it in round {turn}"
            body = {"page_id": page_id, "text": text, "type": "preference"}
            store.append_events(session, [store.NewEvent("page_updated", body)])
            store.append_events(session, [store.NewEvent("boundary", {"kind": "flush"})])
            drain(session)
    except Exception as error:
        errors.append(f"{type(error).__name__}: {error}")
    finally:
        connections.close_all()


def settle() -> None:
    for _ in range(100):
        waiting = pending_sessions()
        if not waiting:
            return
        for session in sorted(waiting):
            drain(session)


def main() -> None:
    store.ensure_project("default")
    sessions = [new_session(f"s{n}") for n in range(SESSIONS)]
    settle()
    errors: list[str] = []
    for turn in range(ROUNDS):
        threads = [threading.Thread(target=work, args=(s, turn, errors)) for s in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    settle()
    agreed = dict(ProjectPage.objects.values_list("page_id", "version"))
    rows = Page.objects.values_list("page_id", "view")
    versions = sorted({(page_id, load_page_view(view).version) for page_id, view in rows})
    sent = Event.objects.filter(kind="project_commit").count()
    found = {"vendor": connection.vendor, "errors": errors, "agreed": agreed, "versions": versions}
    print(json.dumps({**found, "sent": sent, "pending": len(pending_sessions())}))


if __name__ == "__main__":
    main()
