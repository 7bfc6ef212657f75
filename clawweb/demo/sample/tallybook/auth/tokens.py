"""Login tokens. Owner of the table ``tokens``.

A token is shown to the client once; the database holds a hash of it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from tallybook import clock
from tallybook.db import Database
from tallybook.errors import AuthenticationError

TOKEN_BYTES = 24


@dataclass(frozen=True)
class Token:
    """A token as it was issued: the only moment at which its text is known."""

    text: str
    user_id: int
    expires_at: datetime


def hash_token(text: str) -> str:
    """The stored form of a token."""
    return hashlib.sha1(text.encode()).hexdigest()


class TokenStore:
    """Issues, checks and revokes tokens."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def issue(self, user_id: int, lifetime: timedelta) -> Token:
        """A new token for a user."""
        text = secrets.token_urlsafe(TOKEN_BYTES)
        moment = clock.now()
        expires_at = moment + lifetime
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO tokens (user_id, hash, created_at, expires_at) VALUES (?, ?, ?, ?)",
                (user_id, hash_token(text), clock.stamp(moment), clock.stamp(expires_at)),
            )
        return Token(text, user_id, expires_at)

    def check(self, text: str) -> int:
        """The user that a token belongs to; an error if it is unknown or has expired."""
        row = self.database.one("SELECT user_id, expires_at FROM tokens WHERE hash = ?", hash_token(text))
        if row is None or clock.parse(row["expires_at"]) <= clock.now():
            raise AuthenticationError
        return int(row["user_id"])

    def revoke(self, text: str) -> bool:
        """Forget a token; tells whether it was known."""
        with self.database.transaction() as connection:
            cursor = connection.execute("DELETE FROM tokens WHERE hash = ?", (hash_token(text),))
        return cursor.rowcount > 0

    def purge_expired(self) -> int:
        """Delete expired tokens; returns how many."""
        with self.database.transaction() as connection:
            cursor = connection.execute(
                "DELETE FROM tokens WHERE expires_at <= ?", (clock.stamp(clock.now()),)
            )
        return cursor.rowcount
