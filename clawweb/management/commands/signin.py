"""Prints a one-time sign-in link."""

import contextlib
import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from memory import store


def address() -> str:
    """Where `up` serves now, as its lock says; else where the settings would have it serve."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if found := json.loads((settings.CLAWWEB_DATA_DIR / "up.lock").read_text())["address"]:
            return str(found)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.CLAWWEB_HOST, settings.CLAWWEB_HOST)  # noqa: S104
    return f"http://{host}:{settings.CLAWWEB_PORT}"


class Command(BaseCommand):
    help = "Print a one-time sign-in link for the operator of the default project."
    requires_system_checks: list[str] = []  # they would load every view for one row

    def handle(self, *args: Any, **options: Any) -> None:
        store.ensure_project("default", "Default")
        secret = store.create_sign_in_link(store.ensure_operator("operator", "default"))
        self.stdout.write(f"{address()}/signin/{secret}/")
