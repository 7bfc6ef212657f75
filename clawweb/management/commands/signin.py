"""Prints a one-time sign-in link."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from memory import store


class Command(BaseCommand):
    help = "Print a one-time sign-in link for the operator of the default project."

    def handle(self, *args: Any, **options: Any) -> None:
        store.ensure_project("default", "Default")
        secret = store.create_sign_in_link(store.ensure_operator("operator", "default"))
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.CLAWWEB_HOST, settings.CLAWWEB_HOST)  # noqa: S104
        self.stdout.write(f"http://{host}:{settings.CLAWWEB_PORT}/signin/{secret}/")
