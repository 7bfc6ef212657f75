"""Placing and cancelling orders. Owner of ``orders`` and ``order_lines``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tallybook import clock, ledger
from tallybook.db import Database
from tallybook.errors import NotFound, PermissionDenied, TallybookError
from tallybook.ledger.entries import Posting, reverse
from tallybook.orders.pricing import Line, order_total, volume_discount

RECEIVABLES = "1400"
REVENUE = "4000"

__all__ = ["Line", "Order", "cancel_order", "place_order"]


@dataclass(frozen=True)
class Order:
    """An order as it was placed."""

    id: int
    user_id: int
    total_cents: int


def place_order(database: Database, user_id: int, lines: Sequence[Line]) -> Order:
    """Store an order and book it, both or neither."""
    if not lines:
        raise TallybookError("an order needs lines")
    total = order_total(lines)
    ledger.open_account(database, RECEIVABLES, "Receivables")
    ledger.open_account(database, REVENUE, "Revenue")
    with database.transaction() as connection:
        cursor = connection.execute(
            "INSERT INTO orders (user_id, state, total_cents, placed_at) VALUES (?, 'placed', ?, ?)",
            (user_id, total, clock.stamp(clock.now())),
        )
        order_id = int(cursor.lastrowid or 0)
        for position, line in enumerate(lines, start=1):
            connection.execute(
                "INSERT INTO order_lines VALUES (?, ?, ?, ?, ?, ?)",
                (
                    order_id,
                    position,
                    line.sku,
                    line.quantity,
                    line.unit_cents,
                    volume_discount(line.quantity),
                ),
            )
        ledger.post(
            database,
            f"order-{order_id}",
            [Posting(RECEIVABLES, total, "order placed"), Posting(REVENUE, -total, "order placed")],
        )
    return Order(order_id, user_id, total)


def cancel_order(database: Database, user_id: int, order_id: int) -> None:
    """Cancel an order of that user and reverse its booking."""
    row = database.one("SELECT user_id, state FROM orders WHERE id = ?", order_id)
    if row is None:
        raise NotFound(f"no order {order_id}")
    if row["user_id"] != user_id:
        raise PermissionDenied
    if row["state"] == "cancelled":
        return
    with database.transaction() as connection:
        connection.execute("UPDATE orders SET state = 'cancelled' WHERE id = ?", (order_id,))
        reverse(database, f"order-{order_id}", "order cancelled")
