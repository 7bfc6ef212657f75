"""Login, logout and who is logged in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tallybook import clock
from tallybook.auth.passwords import check_password, find_user, hash_password
from tallybook.auth.tokens import Token, TokenStore
from tallybook.config import Settings
from tallybook.db import Database
from tallybook.errors import AuthenticationError

# Checked where the name is unknown, so that the answer takes as long as for a known one.
_NOBODY = hash_password("nobody has this password")


@dataclass
class Sessions:
    """What login needs: the database, the settings, and the failed attempts of each name."""

    database: Database
    settings: Settings
    failures: dict[str, list[datetime]] = field(default_factory=dict)

    @property
    def tokens(self) -> TokenStore:
        """The tokens of this database."""
        return TokenStore(self.database)

    def locked(self, name: str) -> bool:
        """Whether a name has too many failures in the lock time."""
        since = clock.now() - self.settings.lock_time
        recent = [moment for moment in self.failures.get(name, []) if moment > since]
        self.failures[name] = recent
        return len(recent) >= self.settings.max_failed_logins


def login(sessions: Sessions, name: str, password: str, remember: bool = False) -> Token:
    """Check a password and issue a token. All failures look alike."""
    found = find_user(sessions.database, name)
    stored = found[1] if found else _NOBODY
    fits = check_password(password, stored)
    if sessions.locked(name) or found is None or not fits:
        sessions.failures.setdefault(name, []).append(clock.now())
        raise AuthenticationError
    sessions.failures.pop(name, None)
    settings = sessions.settings
    return sessions.tokens.issue(
        found[0], settings.remembered_lifetime if remember else settings.token_lifetime
    )


def logout(sessions: Sessions, text: str) -> None:
    """Revoke a token. An unknown one is no error."""
    sessions.tokens.revoke(text)


def current_user(sessions: Sessions, text: str) -> int:
    """The id of the user that a token belongs to."""
    return sessions.tokens.check(text)
