"""Orders: prices, discounts, placing and cancelling."""

from tallybook.orders.service import Line, Order, cancel_order, place_order

__all__ = ["Line", "Order", "cancel_order", "place_order"]
