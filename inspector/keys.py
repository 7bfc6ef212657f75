"""The keyboard: what the help lists is what static/js/app.js does (a test compares the two)."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    keys: tuple[str, ...]
    what: str


KEYS: tuple[Key, ...] = (
    Key(("/",), "search"),
    Key(("j", "k"), "next, previous row"),
    Key(("Enter",), "open the row"),
    Key(("p",), "pin the open page"),
    Key(("u",), "unpin the open page"),
    Key(("d",), "demote the open page"),
    Key(("r",), "restore the open page"),
    Key(("L",), "jump to what is live: newest turn, top of the ledger"),
    Key(("g", "s"), "all sessions"),
    Key(("Escape",), "close"),
    Key(("?",), "this list"),
)
