"""What the store refuses. Nothing was stored when one of these is raised."""

from __future__ import annotations

from memory.core.errors import EventError


class StoreError(Exception):
    """Base of the store's errors."""


class UnknownSession(StoreError):
    """No session has that id."""


class UnknownProject(StoreError):
    """No project has that slug; projects are made by ``ensure_project`` only."""


class NoAdapter(StoreError):
    """Records were sent to a session that has no adapter to read them: send events instead."""


class EventConflict(StoreError):
    """A ``client_event_id`` came again with another kind or body."""

    def __init__(self, client_event_id: str) -> None:
        super().__init__(f"event id {client_event_id!r} was used before for another event")
        self.client_event_id = client_event_id


class LimitExceeded(StoreError):
    """A request is larger than a limit: ``what`` was limited to ``limit`` and got ``got``."""

    def __init__(self, what: str, limit: int, got: int) -> None:
        super().__init__(f"{what}: {got:,} is more than the limit of {limit:,}")
        self.what = what
        self.limit = limit
        self.got = got


class BadEvent(EventError):
    """Event number ``index`` (from 0) of a batch is malformed; the whole batch was refused."""

    def __init__(self, index: int, where: str, why: str) -> None:
        super().__init__(where, why)
        self.index = index
