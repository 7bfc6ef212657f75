"""Writing a projection: runs inside the transaction that moved ``applied_seq``."""

from __future__ import annotations

from typing import Final

from django.db import connection

from memory import core
from memory.models import (
    Act,
    EventOutcomes,
    JournalEntry,
    LedgerEntry,
    Page,
    PageText,
    Prompt,
    Session,
    Snapshot,
    Turn,
)
from memory.store.pack import pack
from memory.store.project import VERDICTS, Projection

_BATCH: Final = 500  # rows of one statement, at most; Django makes it smaller where the database wants that
_PAGE_FIELDS: Final = [
    f.name for f in Page._meta.concrete_fields if f.name not in ("id", "session", "page_id")
]


def write(work: Projection, pages: list[Page], snapshot: bytes | None) -> None:
    """Writes everything that the batch changed, but the session's own row."""
    pk = work.pk
    if work.title:
        Session.objects.filter(pk=pk).update(title=work.title)
    elif work.first_words:
        Session.objects.filter(pk=pk, title="").update(title=work.first_words)
    if work.completed:
        with connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE memory_event SET completed = %s, rejected = %s, skipped = %s WHERE id = %s",
                work.completed,
            )
    EventOutcomes.objects.bulk_create(work.outcomes, batch_size=_BATCH)
    Turn.objects.bulk_create(list(work.turns.values()), batch_size=_BATCH)
    for (side, turn), closed in work.closed.items():
        Turn.objects.filter(session_id=pk, side=side, turn=turn).update(**closed)
    for side, turn, page_id in sorted(work.amended):
        stored = LedgerEntry.objects.filter(session_id=pk, side=side, turn=turn, page_id=page_id)
        stored.filter(kind__in=VERDICTS).delete()
    LedgerEntry.objects.bulk_create(list(work.ledger.values()), batch_size=_BATCH)
    JournalEntry.objects.bulk_create(work.journal, batch_size=_BATCH)
    Act.objects.bulk_create(list(work.acts.values()), batch_size=_BATCH)
    for seq, fields in work.act_changes.items():
        Act.objects.filter(session_id=pk, seq=seq).update(**fields)
    Prompt.objects.bulk_create(list(work.prompts.values()), batch_size=_BATCH)
    PageText.objects.bulk_create(work.texts, batch_size=_BATCH)
    Page.objects.bulk_create(
        pages,
        batch_size=_BATCH,
        update_conflicts=True,
        unique_fields=["session", "page_id"],
        update_fields=_PAGE_FIELDS,
    )
    if snapshot is not None:
        Snapshot.objects.update_or_create(
            session_id=pk,
            defaults={"seq": work.live.seq, "engine_version": core.ENGINE_VERSION, "blob": pack(snapshot)},
        )
