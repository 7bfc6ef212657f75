"""Monthly figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from tallybook import clock
from tallybook.db import Database


@dataclass(frozen=True)
class Month:
    """Orders of one month."""

    year: int
    month: int
    orders: int
    total_cents: int


def month_bounds(year: int, month: int) -> tuple[datetime, datetime]:
    """The first moment of a month and of the next."""
    start = datetime(year, month, 1, tzinfo=UTC)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return start, end


def monthly(database: Database, year: int, month: int) -> Month:
    """Number and sum of the orders placed in a month and not cancelled."""
    start, end = month_bounds(year, month)
    row = database.one(
        "SELECT COUNT(*) AS orders, COALESCE(SUM(total_cents), 0) AS cents FROM orders "
        "WHERE state = 'placed' AND placed_at >= ? AND placed_at < ?",
        clock.stamp(start),
        clock.stamp(end),
    )
    return Month(year, month, row["orders"] if row else 0, row["cents"] if row else 0)
