"""Run once by `up` in a process of its own: checks the settings, the database and the broker, and migrates.

Prints one JSON object: {"error": sentence}, or
{"secret": sign-in secret, "empty": no session yet, "warnings": [sentence, …]}.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from clawweb.up.failure import Failure


def main() -> int:
    try:
        answer = prepare()
    except Failure as failure:
        answer = {"error": str(failure)}
    print(json.dumps(answer))
    return 1 if "error" in answer else 0


def prepare() -> dict[str, Any]:
    import django
    from django.core.exceptions import ImproperlyConfigured

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawweb.settings")
    try:
        django.setup()
    except ImproperlyConfigured as error:
        raise Failure(str(error)) from None
    warnings = check_settings()
    if os.environ.get("REDIS_URL"):
        check_broker(os.environ["REDIS_URL"])
    check_database()
    migrate()
    return {**first_sign_in(), "warnings": warnings}


def check_settings() -> list[str]:
    """The warnings of Django's system checks, a sentence each. Raises Failure with the first error."""
    from django.core import checks

    warnings = []
    for problem in checks.run_checks():
        sentence = f"{problem.msg} {problem.hint or ''} ({problem.id})"
        if problem.level >= checks.ERROR:
            raise Failure(sentence)
        if problem.level >= checks.WARNING:
            warnings.append(sentence)
    return warnings


def check_broker(url: str) -> None:
    """Raises Failure when no server answers at `REDIS_URL`, or refuses us."""
    import redis

    client = redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3)
    try:
        client.ping()
    except redis.exceptions.AuthenticationError as error:
        raise Failure(
            f"The broker at {_public(url)} refused the name or password of REDIS_URL ({error})."
        ) from None
    except (redis.exceptions.RedisError, OSError, ValueError) as error:
        raise Failure(f"The broker at {_public(url)} (REDIS_URL) cannot be used: {_line(error)}.") from None
    finally:
        client.close()


def check_database() -> None:
    """Raises Failure when the database cannot be opened, or was made by a newer ClawWeb."""
    from django.db import DatabaseError, connection
    from django.db.migrations.loader import MigrationLoader

    what = _database_name()
    try:
        connection.ensure_connection()
        loader = MigrationLoader(connection)
    except (DatabaseError, ValueError) as error:
        raise Failure(f"The database {what} cannot be used: {_line(error)}.") from None
    unknown = [
        name
        for app, name in loader.applied_migrations
        if app == "memory" and (app, name) not in loader.disk_migrations
    ]
    if unknown:
        raise Failure(
            f"The database {what} was made by a newer ClawWeb (it holds {max(unknown)}): update ClawWeb."
        )


def migrate() -> None:
    """Brings the tables up to date. Raises Failure when they are not what the record of migrations says."""
    from django.core.management import call_command
    from django.db import DatabaseError

    try:
        call_command("migrate", verbosity=0, interactive=False)
    except DatabaseError as error:
        raise Failure(
            f"The database {_database_name()} cannot be brought up to date ({_line(error)}): a migration was "
            "cut short or its tables were changed by hand; restore a copy, or choose another database."
        ) from None


def first_sign_in() -> dict[str, Any]:
    """Makes sure that an operator exists and gives a one-time secret for that person."""
    from memory.store import create_sign_in_link, ensure_operator, ensure_project, list_sessions

    ensure_project("default", "Default")
    user = ensure_operator("operator", "default")
    _, total = list_sessions(None, limit=1)
    return {"secret": create_sign_in_link(user, minutes=60), "empty": total == 0}


def _database_name() -> str:
    """The database as the user knows it, without a password."""
    from django.db import connection

    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return str(values["NAME"])
    return f"{values['NAME']} on {values['HOST'] or 'this machine'}"


def _public(url: str) -> str:
    """The address without what stands before the @."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _line(error: BaseException) -> str:
    """An error's text on one line."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
