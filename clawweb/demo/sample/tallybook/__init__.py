"""Tallybook: orders and a double-entry ledger."""

__version__ = "0.9.2"
