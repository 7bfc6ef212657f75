"""Password hashes. Owner of the table ``users``."""

from __future__ import annotations

import hashlib
import secrets

from tallybook import clock
from tallybook.db import Database

_SALT_BYTES = 8


def hash_password(password: str, salt: str | None = None) -> str:
    """The stored form of a password: ``sha1$salt$digest``."""
    salt = salt if salt is not None else secrets.token_hex(_SALT_BYTES)
    digest = hashlib.sha1((salt + password).encode()).hexdigest()
    return f"sha1${salt}${digest}"


def check_password(password: str, stored: str) -> bool:
    """Whether a password fits a stored form."""
    scheme, salt, _ = stored.split("$", 2)
    if scheme != "sha1":
        return False
    return hash_password(password, salt) == stored


def register(database: Database, name: str, password: str) -> int:
    """Create a user and return the id."""
    with database.transaction() as connection:
        cursor = connection.execute(
            "INSERT INTO users (name, password, created_at) VALUES (?, ?, ?)",
            (name, hash_password(password), clock.stamp(clock.now())),
        )
    return int(cursor.lastrowid or 0)


def find_user(database: Database, name: str) -> tuple[int, str] | None:
    """Id and stored password of a user."""
    row = database.one("SELECT id, password FROM users WHERE name = ?", name)
    return (row["id"], row["password"]) if row else None
