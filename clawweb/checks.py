"""System checks: settings that cannot work or are not safe, each with an id and a hint."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104  (names to compare with)


@register
def check_hosts(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """W001: listening everywhere, reachable by no name. W002: any name is accepted."""
    found: list[CheckMessage] = []
    names = set(settings.ALLOWED_HOSTS) - {"127.0.0.1", "localhost", "[::1]", "testserver"}
    if settings.CLAWWEB_HOST in EVERYWHERE and not names:
        found.append(
            Warning(
                "ClawWeb listens on every address, but answers only to the names of this machine itself.",
                hint="Set CLAWWEB_ALLOWED_HOSTS to the name that browsers will use.",
                id="clawweb.W001",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        found.append(
            Warning(
                "CLAWWEB_ALLOWED_HOSTS accepts any name: other sites' pages can then reach the websockets.",
                hint="Name the hosts.",
                id="clawweb.W002",
            )
        )
    return found


@register
def check_limits(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E001: a single event could be larger than the request that carries it."""
    largest = max(settings.CLAWWEB_MAX_EVENT_BYTES, settings.CLAWWEB_MAX_RECORD_BYTES)
    if largest <= settings.CLAWWEB_MAX_BODY_BYTES:
        return []
    return [
        Error(
            "CLAWWEB_MAX_BODY_BYTES is smaller than the largest event or record that it must carry.",
            hint=f"Set it to at least {largest}.",
            id="clawweb.E001",
        )
    ]


@register
def check_driver(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E002: PostgreSQL without its driver (an interpreter without a binary wheel)."""
    engine = settings.DATABASES["default"]["ENGINE"]
    if not engine.endswith("postgresql") or importlib.util.find_spec("psycopg"):
        return []
    return [
        Error(
            "DATABASE_URL names a PostgreSQL database, but psycopg is not installed.",
            hint="Run `make setup` again, or install psycopg.",
            id="clawweb.E002",
        )
    ]
