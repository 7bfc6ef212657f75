"""``manage.py doctor``: what is stored, how much of it, how far the workers are, and which versions run."""

from __future__ import annotations

import platform
import sqlite3
from argparse import ArgumentParser
from importlib import metadata
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection
from django.db.models import Count, F, Sum
from django.db.models.functions import Length

from memory import models

_TABLES: list[tuple[Any, list[str]]] = [
    (models.Record, ["raw"]),
    (models.Event, ["body", "completed"]),
    (models.EventOutcomes, ["blob"]),
    (models.Turn, ["record", "residency", "numbers"]),
    (models.Page, ["view", "title"]),
    (models.PageText, []),
    (models.LedgerEntry, ["data"]),
    (models.JournalEntry, ["data"]),
    (models.Prompt, ["text"]),
    (models.Act, ["page_ids"]),
    (models.Snapshot, ["blob"]),
]


class Command(BaseCommand):
    help = "Says what is stored and how far the workers are."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--sessions", type=int, default=20, help="how many sessions to list, newest first"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self._versions()
        turns = models.Turn.objects.filter(side="primary").count()
        self._tables(turns)
        self._sessions(options["sessions"])

    def _versions(self) -> None:
        say = self.stdout.write
        django, celery = metadata.version("django"), metadata.version("celery")
        say(f"Python {platform.python_version()}, Django {django}, Celery {celery}")
        if connection.vendor == "sqlite":
            say(f"SQLite {sqlite3.sqlite_version}: {connection.settings_dict['NAME']}")
        else:
            with connection.cursor() as cursor:
                cursor.execute("SELECT version()")
                say(str(cursor.fetchone()[0]))
        try:
            from memory import core

            say(f"engine {core.ENGINE_VERSION}")
        except (ImportError, AttributeError):
            say("engine: cannot be imported")

    def _tables(self, turns: int) -> None:
        say = self.stdout.write
        say(f"\n{'table':<16}{'rows':>12}{'bytes':>16}{'bytes a turn':>16}")
        total = 0
        for model, columns in _TABLES:
            sums = {c: Sum(Length(c)) for c in columns}
            found = model.objects.aggregate(rows=Count("pk"), **sums)
            size = sum(found[c] or 0 for c in columns)
            total += size
            a_turn = f"{size / turns:,.0f}" if turns and columns else "-"
            kept = f"{size:,}" if columns else "-"  # a table of references only
            say(f"{model.__name__:<16}{found['rows']:>12,}{kept:>16}{a_turn:>16}")
        a_turn = f"{total / turns:,.0f}" if turns else "-"
        say(f"{'in all':<16}{'':>12}{total:>16,}{a_turn:>16}   ({turns:,} turns, a side; no indexes)")
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
                say(f"{'database file':<16}{'':>12}{cursor.fetchone()[0]:>16,}")

    def _sessions(self, limit: int) -> None:
        say = self.stdout.write
        late = models.Session.objects.filter(applied_seq__lt=F("last_seq")).count()
        late += models.Session.objects.filter(derived_n__lt=F("record_count")).count()
        say(f"\n{late} sessions have work pending")
        say(
            f"{'session':<38}{'records':>10}{'derived':>10}{'events':>10}{'applied':>10}"
            f"{'snapshot':>10}  problems"
        )
        rows = models.Session.objects.order_by("-created_at").select_related("snapshot")[:limit]
        for row in rows:
            kept = getattr(row, "snapshot", None)
            problems = f"{row.unknown_records} unknown, {row.broken_records} broken"
            rejected = models.Event.objects.filter(session=row).exclude(rejected="").count()
            say(
                f"{row.pk!s:<38}{row.record_count:>10,}{row.derived_n:>10,}{row.last_seq:>10,}"
                f"{row.applied_seq:>10,}{kept.seq if kept else 0:>10,}  {problems}, {rejected} rejected"
            )
