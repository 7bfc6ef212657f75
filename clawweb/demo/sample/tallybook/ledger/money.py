"""Money: integer cents, read, written and divided."""

from __future__ import annotations

import re

_AMOUNT = re.compile(r"(-?)(\d+)(?:\.(\d{1,2}))?")


def parse_cents(text: str) -> int:
    """Cents of a decimal amount such as ``12``, ``12.5`` or ``-0.05``."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not an amount: {text!r}")
    sign, whole, fraction = match.groups()
    cents = int(whole) * 100 + int((fraction or "0").ljust(2, "0"))
    return -cents if sign else cents


def format_cents(cents: int) -> str:
    """A decimal amount with two places."""
    whole, fraction = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{fraction:02}"


def percent_of(cents: int, percent: int) -> int:
    """A percentage of an amount, rounded to the cent."""
    return round(cents * percent / 100)


def split_evenly(cents: int, parts: int) -> list[int]:
    """An amount in equal parts; the first ones take the cents that are left over."""
    if parts < 1:
        raise ValueError("parts must be positive")
    share, rest = divmod(cents, parts)
    return [share + 1 if index < rest else share for index in range(parts)]
