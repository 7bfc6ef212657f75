"""The memory app: rows, the store, the drain. Wires the store to the queue and the stream to its address."""

from __future__ import annotations

from django.apps import AppConfig


class MemoryConfig(AppConfig):
    name = "memory"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings

        from memory import stream
        from memory.store import wake

        wake.set_waker(_enqueue)
        url = getattr(settings, "CLAWWEB_REDIS_URL", "")
        if url:
            stream.configure(url, key=getattr(settings, "CLAWWEB_STREAM_KEY", stream.DEFAULT_KEY))
        stream.configure_applied(_applied)


def _enqueue(session_id: str) -> None:
    # Imported late: Celery is not needed by a process that never appends.
    from memory import tasks

    tasks.enqueue_drain(session_id)


async def _applied(session_ids: list[str]) -> dict[str, int]:
    from asgiref.sync import sync_to_async

    from memory import store

    return await sync_to_async(store.applied_seqs)(session_ids)
