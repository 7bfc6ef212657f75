"""Prices of order lines. Discounts are whole percentages, rounded at the line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tallybook.ledger.money import percent_of

# Quantity from which a discount holds, highest first.
VOLUME_DISCOUNTS = ((100, 12), (50, 8), (10, 3))


@dataclass(frozen=True)
class Line:
    """What a customer orders: a product, how many, and the price of one."""

    sku: str
    quantity: int
    unit_cents: int

    def __post_init__(self) -> None:
        if self.quantity < 1 or self.unit_cents < 0:
            raise ValueError("quantity must be positive and price not negative")


def volume_discount(quantity: int) -> int:
    """The discount in percent for a quantity."""
    return next((percent for least, percent in VOLUME_DISCOUNTS if quantity >= least), 0)


def line_total(line: Line) -> int:
    """Cents of a line, after its discount."""
    gross = line.quantity * line.unit_cents
    return gross - percent_of(gross, volume_discount(line.quantity))


def order_total(lines: Iterable[Line]) -> int:
    """Cents of an order."""
    return sum(line_total(line) for line in lines)
