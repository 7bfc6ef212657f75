"""When the newest event of a session happened: by its sender's clock where that is clearly earlier than its
arrival (an import of what is long over), else its arrival.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from django.db.models import DateTimeField, F, Value
from django.db.models.functions import Coalesce, Greatest

IMPORTED: Final = dt.timedelta(minutes=10)  # so much older than its arrival: no news of now


def happened_at(times: Iterable[str], arrived: dt.datetime, *, replayed: bool) -> dt.datetime:
    """The newest of the senders' ``times`` (ISO 8601, '' or nonsense where they say none) if it is over
    ``IMPORTED`` before ``arrived``, else ``arrived``. A recording that is ``replayed`` happens as it arrives.
    """
    told = [] if replayed else [at for text in times if (at := _read(text)) is not None]
    return newest if told and (newest := max(told)) < arrived - IMPORTED else arrived


def later(at: dt.datetime) -> Greatest:
    """For an update of ``last_event_at``: it never goes back."""
    value = Value(at, output_field=DateTimeField())
    return Greatest(Coalesce(F("last_event_at"), value), value)


def _read(text: str) -> dt.datetime | None:
    try:
        at = dt.datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
