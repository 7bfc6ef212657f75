"""Double-entry ledger."""

from tallybook.ledger.entries import balance, open_account, post, statement
from tallybook.ledger.money import format_cents, parse_cents, percent_of

__all__ = ["balance", "format_cents", "open_account", "parse_cents", "percent_of", "post", "statement"]
