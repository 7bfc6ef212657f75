"""The ledger: accounts, postings, balances and statements. Owner of ``accounts`` and ``postings``."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tallybook import clock
from tallybook.db import Database
from tallybook.errors import NotFound, Unbalanced
from tallybook.ledger.money import format_cents

# The accountants' import reads these columns by position.
STATEMENT_COLUMNS = ("booked_at", "booking", "text", "amount", "balance")


@dataclass(frozen=True)
class Posting:
    """One side of a booking: positive cents are debit, negative are credit."""

    account: str
    cents: int
    text: str = ""


# --- accounts ---


def open_account(database: Database, code: str, title: str) -> int:
    """Create an account, or return the one with that code."""
    row = database.one("SELECT id FROM accounts WHERE code = ?", code)
    if row is not None:
        return int(row["id"])
    with database.transaction() as connection:
        cursor = connection.execute("INSERT INTO accounts (code, title) VALUES (?, ?)", (code, title))
    return int(cursor.lastrowid or 0)


def account_id(database: Database, code: str) -> int:
    """The id of an account, which must exist."""
    row = database.one("SELECT id FROM accounts WHERE code = ?", code)
    if row is None:
        raise NotFound(f"no account {code}")
    return int(row["id"])


# --- postings ---


def post(
    database: Database, booking: str, postings: Sequence[Posting], booked_at: datetime | None = None
) -> None:
    """Book postings that add up to zero, all or none."""
    if not postings:
        raise Unbalanced("a booking needs postings")
    total = sum(posting.cents for posting in postings)
    if total != 0:
        raise Unbalanced(f"booking {booking} is off by {format_cents(total)}")
    moment = clock.stamp(booked_at or clock.now())
    with database.transaction() as connection:
        for posting in postings:
            connection.execute(
                "INSERT INTO postings (booking, account_id, cents, text, booked_at) VALUES (?, ?, ?, ?, ?)",
                (booking, account_id(database, posting.account), posting.cents, posting.text, moment),
            )


def reverse(database: Database, booking: str, reason: str) -> None:
    """Book the opposite of a booking under its name with a suffix."""
    rows = database.all(
        "SELECT accounts.code, postings.cents FROM postings "
        "JOIN accounts ON accounts.id = account_id WHERE booking = ?",
        booking,
    )
    if not rows:
        raise NotFound(f"no booking {booking}")
    post(database, f"{booking}/reversed", [Posting(row["code"], -row["cents"], reason) for row in rows])


# --- balances ---


def balance(database: Database, code: str, until: datetime | None = None) -> int:
    """The balance of an account in cents, up to but not including a time."""
    limit = clock.stamp(until) if until else "9999"
    row = database.one(
        "SELECT COALESCE(SUM(cents), 0) AS cents FROM postings WHERE account_id = ? AND booked_at < ?",
        account_id(database, code),
        limit,
    )
    return int(row["cents"]) if row else 0


def trial_balance(database: Database) -> dict[str, int]:
    """The balance of every account. Adds up to zero, or something is very wrong."""
    rows = database.all(
        "SELECT code, COALESCE(SUM(cents), 0) AS cents FROM accounts "
        "LEFT JOIN postings ON account_id = accounts.id GROUP BY code ORDER BY code"
    )
    return {row["code"]: int(row["cents"]) for row in rows}


# --- statements ---


def statement(database: Database, code: str, start: datetime, end: datetime) -> str:
    """The postings of an account in a period as CSV, with a running balance."""
    running = balance(database, code, start)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(STATEMENT_COLUMNS)
    rows = database.all(
        "SELECT booking, cents, text, booked_at FROM postings "
        "WHERE account_id = ? AND booked_at >= ? AND booked_at < ? ORDER BY booked_at, id",
        account_id(database, code),
        clock.stamp(start),
        clock.stamp(end),
    )
    for row in rows:
        running += row["cents"]
        writer.writerow(
            [row["booked_at"], row["booking"], row["text"], format_cents(row["cents"]), format_cents(running)]
        )
    return out.getvalue()
