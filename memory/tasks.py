"""Celery tasks: they carry a session's id, never data, and every one may be repeated without harm."""

from __future__ import annotations


def enqueue_drain(session_id: str) -> None:
    """Asks for a drain of the session. Never raises; a broker that is down costs nothing but the sweeper's delay."""
