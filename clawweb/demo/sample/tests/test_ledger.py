"""Money, bookings, balances and statements."""

import unittest
from datetime import UTC, datetime

from tallybook import ledger
from tallybook.db import open_database
from tallybook.errors import NotFound, Unbalanced
from tallybook.ledger.entries import Posting, reverse, trial_balance
from tallybook.ledger.money import split_evenly

MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


class MoneyTests(unittest.TestCase):
    def test_parse_and_format(self) -> None:
        for text, cents in (("12", 1200), ("12.5", 1250), ("-0.05", -5)):
            self.assertEqual(ledger.parse_cents(text), cents)
        self.assertEqual(ledger.format_cents(-5), "-0.05")

    def test_percent_of_small_amounts(self) -> None:
        self.assertEqual(ledger.percent_of(50, 3), 2)
        self.assertEqual(ledger.percent_of(250, 5), 13)
        self.assertEqual(ledger.percent_of(150, 3), 5)

    def test_split_evenly_loses_nothing(self) -> None:
        self.assertEqual(split_evenly(100, 3), [34, 33, 33])


class LedgerTests(unittest.TestCase):
    def setUp(self) -> None:
        self.database = open_database()
        ledger.open_account(self.database, "1000", "Bank")
        ledger.open_account(self.database, "4000", "Revenue")

    def book(self, name: str, cents: int, moment: datetime) -> None:
        ledger.post(
            self.database, name, [Posting("1000", cents, name), Posting("4000", -cents, name)], moment
        )

    def test_balance_until(self) -> None:
        self.book("a", 500, MAY)
        self.book("b", 700, JUNE)
        self.assertEqual(ledger.balance(self.database, "1000"), 1200)
        self.assertEqual(ledger.balance(self.database, "1000", JUNE), 500)

    def test_unbalanced_is_refused(self) -> None:
        with self.assertRaises(Unbalanced):
            ledger.post(self.database, "x", [Posting("1000", 5), Posting("4000", -4)])
        self.assertEqual(trial_balance(self.database), {"1000": 0, "4000": 0})

    def test_unknown_account_books_nothing(self) -> None:
        with self.assertRaises(NotFound):
            ledger.post(self.database, "x", [Posting("1000", 5), Posting("9999", -5)])
        self.assertEqual(ledger.balance(self.database, "1000"), 0)

    def test_reverse(self) -> None:
        self.book("a", 500, MAY)
        reverse(self.database, "a", "mistake")
        self.assertEqual(ledger.balance(self.database, "1000"), 0)

    def test_statement_columns_are_fixed(self) -> None:
        self.book("a", 500, MAY)
        text = ledger.statement(self.database, "1000", MAY, JUNE)
        self.assertEqual(text, "booked_at,booking,text,amount,balance\n2026-05-01T00:00:00Z,a,a,5.00,5.00\n")


if __name__ == "__main__":
    unittest.main()
