"""Settings of the service, read from the environment once, at the start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Settings:
    """What an operator can set."""

    database: str = "tallybook.db"
    token_secret: bytes = b""
    token_lifetime: timedelta = timedelta(hours=12)
    remembered_lifetime: timedelta = timedelta(days=30)
    max_failed_logins: int = 5
    lock_time: timedelta = timedelta(minutes=15)
    currency: str = "EUR"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Settings from variables that start with TALLYBOOK_."""
        return cls(
            database=environment.get("TALLYBOOK_DATABASE", "tallybook.db"),
            token_secret=environment.get("TALLYBOOK_TOKEN_SECRET", "").encode(),
            token_lifetime=timedelta(hours=int(environment.get("TALLYBOOK_TOKEN_HOURS", "12"))),
            max_failed_logins=int(environment.get("TALLYBOOK_MAX_FAILED_LOGINS", "5")),
            currency=environment.get("TALLYBOOK_CURRENCY", "EUR"),
        )
