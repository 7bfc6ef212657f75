"""Filters that turn the model's values into what a person reads."""

from __future__ import annotations

import hashlib
from typing import Any

from django import template

from memory.core.outcomes import PageView
from memory.safe import one_line

register = template.Library()

LETTERS = {
    "bootstrap": "B",
    "constraint": "K",
    "plan": "P",
    "preference": "R",
    "evidence": "E",
    "conversation": "C",
}


def dom_id(name: str, prefix: str = "r") -> str:
    """An element id for any text: page ids may hold anything."""
    return f"{prefix}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def provenance_of(page: PageView) -> str:
    """Where the page came from."""
    return f"{page.provenance_kind.replace('_', ' ')} {page.provenance_ref}"


@register.filter
def num(value: Any) -> str:
    """A whole number with thousands separators; nothing for None."""
    return "" if value is None else f"{int(value):,}"


@register.filter
def letter(page_type: str) -> str:
    return LETTERS.get(str(page_type), "?")


@register.filter
def words(name: str) -> str:
    """``duplicate_tool`` → ``duplicate tool``."""
    return str(name).replace("_", " ")


@register.filter
def safeline(text: str) -> str:
    """Text for one line, control and direction marks made visible."""
    return one_line(str(text), 1_000)


@register.filter
def plural(count: int, noun: str) -> str:
    """``3 pages``, ``1 page``."""
    return f"{int(count):,} {noun}{'' if int(count) == 1 else 's'}"


register.filter("domid", dom_id)
