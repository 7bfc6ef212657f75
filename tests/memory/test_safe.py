"""Text made safe for display."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import safe


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\x00b", "a␀b"),
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("half \ud800 pair", "half � pair"),
        ("user\u202egpj.exe", "user⟨gpj.exe"),
        ("\u2066x\u2069", "⟨x⟩"),
        ("zero\u200bwidth", "zero·width"),
        ("one\r\ntwo\rthree", "one\ntwo␍three"),
        ("\x7f\x85", "␡�"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("naïve 😀 日本", "naïve 😀 日本"),
    ],
)
def test_hostile_text_becomes_visible(hostile: str, shown: str) -> None:
    assert safe.display(hostile) == shown


@given(st.text(st.characters(codec=None), max_size=200), st.integers(0, 50))
def test_what_comes_out_can_be_stored_and_cannot_reorder(text: str, limit: int) -> None:
    shown = safe.display(text, limit)
    shown.encode("utf-8")
    assert len(shown) <= limit
    for char in shown:
        assert char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cs")
        assert unicodedata.bidirectional(char) not in (
            "RLO",
            "LRO",
            "RLE",
            "LRE",
            "PDF",
            "RLI",
            "LRI",
            "FSI",
            "PDI",
        )
    assert safe.display(shown) == shown


def test_limit_ends_with_an_ellipsis() -> None:
    assert safe.display("abcdef", 4) == "abc…"
    assert safe.display("abcd", 4) == "abcd"
    assert safe.one_line("a\n\n b\tc", 10) == "a b c"


def test_five_megabytes_on_one_line() -> None:
    assert len(safe.display("x\x00" * 2_500_000, 1000)) == 1000
