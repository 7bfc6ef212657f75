"""What the demo and the agent need when they run beside a server of this machine: its address, and a token
of their own.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from django.conf import settings
from django.utils import timezone

from memory import store
from memory.client import ClawWeb

PROJECT = "default"


def server_url() -> str:
    """The address of the server that `up` started, or that the settings name."""
    given = os.environ.get("CLAWWEB_URL")
    if given:
        return given.rstrip("/")
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  (compared, not bound)
    return f"http://{anywhere.get(settings.CLAWWEB_HOST, settings.CLAWWEB_HOST)}:{settings.CLAWWEB_PORT}"


def own_token(name: str) -> str:
    """A new operator's token of the default project under this name; earlier ones of the name are revoked."""
    from memory.models import ApiToken

    store.ensure_project(PROJECT, "Default")
    old = ApiToken.objects.filter(project__slug=PROJECT, name=name, revoked_at=None)
    old.update(revoked_at=timezone.now())
    return store.create_token(PROJECT, name, "operator")


def starter_gone(pid: int) -> Callable[[], bool]:
    """Whether the process ``pid`` that started this one has ended; always False for 0."""
    return lambda: pid != 0 and os.getppid() != pid


def has_sessions(claw: ClawWeb, *, but: str) -> bool:
    """Whether the server has any session whose key does not begin with ``but``."""
    window = claw.sessions(limit=50)
    if window["total"] > len(window["items"]):
        return True
    return any(not item["key"].startswith(but) for item in window["items"])
