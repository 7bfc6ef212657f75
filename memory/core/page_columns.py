"""All pages of a table as columns of plain values and back: what makes a large snapshot quick to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from memory.core.page_table import PageTable
from memory.core.pages import SERVES, Page, full_mask
from memory.core.types import Fidelity, PageStatus, PageType, Pin, Scope

_TYPES, _SCOPES, _PINS, _LEVELS = tuple(PageType), tuple(Scope), tuple(Pin), tuple(Fidelity)
_NOTHING: Final = ()


def dump_pages(pages: list[Page]) -> dict[str, Any]:
    """One column a field. What most pages share is left out: ``rare`` has [order, value] of the others."""
    return {
        "page_id": [page.page_id for page in pages],
        "title": [page.title for page in pages],
        "type": _digits(_TYPES.index(page.type) for page in pages),
        "scope": _digits(_SCOPES.index(page.scope) for page in pages),
        "pin": _digits(_PINS.index(page.pin) for page in pages),
        "minimum": _digits(page.minimum for page in pages),
        "base_utility": _coded(page.base_utility for page in pages),
        "recompute_cost": _coded(page.recompute_cost for page in pages),
        "kind": _coded(page.provenance[0] for page in pages),
        "ref": [page.provenance[1] for page in pages],
        "record": _coded(page.provenance[2] for page in pages),
        "tokens": [[page.tokens[level] for page in pages] for level in range(1, 5)],
        "created_seq": [page.created_seq for page in pages],
        "rare": {
            "own_pin": [[p.order, p.own_pin.value] for p in pages if p.own_pin is not p.pin],
            "own_minimum": [[p.order, int(p.own_minimum)] for p in pages if p.own_minimum != p.minimum],
            "cap": [[p.order, int(p.cap)] for p in pages if p.cap is not None],
            "status": [[p.order, p.status.value] for p in pages if p.status is not PageStatus.LIVE],
            "inferred": [p.order for p in pages if p.inferred],
            "unresolvable": [p.order for p in pages if not p.resolvable],
            "resources": [[p.order, *p.resources] for p in pages if p.resources],
            "text_seq": [[p.order, p.text_seq] for p in pages if p.text_seq != p.created_seq],
            "left": [[p.order, p.left_seq, p.left_turn] for p in pages if p.left_seq or p.left_turn != -1],
            "versions": [
                [p.order, [[version, seq, list(tokens)] for version, seq, tokens in p.versions]]
                for p in pages
                if p.versions
            ],
        },
    }


def _digits(numbers: Iterable[int]) -> str:
    return "".join([str(int(number)) for number in numbers])


def _coded(values: Iterable[Any]) -> list[Any]:
    """The different values, and the place of each page's among them."""
    known: dict[tuple[type, Any], int] = {}
    places = [known.setdefault((type(value), value), len(known)) for value in values]
    return [[value for _, value in known], places]


def _decoded(row: list[Any]) -> list[Any]:
    known = row[0]
    return [known[place] for place in row[1]]


def load_pages(data: dict[str, Any], table: PageTable) -> None:
    """Fill an empty table."""
    pages = table.pages
    columns = zip(
        data["page_id"],
        data["title"],
        [_TYPES[int(digit)] for digit in data["type"]],
        [_SCOPES[int(digit)] for digit in data["scope"]],
        [_PINS[int(digit)] for digit in data["pin"]],
        [_LEVELS[int(digit)] for digit in data["minimum"]],
        _decoded(data["base_utility"]),
        _decoded(data["recompute_cost"]),
        zip(_decoded(data["kind"]), data["ref"], _decoded(data["record"]), strict=True),
        zip([0] * len(data["page_id"]), *data["tokens"], strict=True),
        data["created_seq"],
        strict=True,
    )
    for order, row in enumerate(columns):
        page = Page.__new__(Page)
        page.order = order
        (
            page.page_id,
            page.title,
            page.type,
            page.scope,
            page.pin,
            page.minimum,
            page.base_utility,
            page.recompute_cost,
            page.provenance,
            page.tokens,
            page.created_seq,
        ) = row
        page.own_pin, page.own_minimum, page.text_seq = page.pin, page.minimum, page.created_seq
        page.cap, page.status, page.inferred, page.resolvable = None, PageStatus.LIVE, False, True
        page.resources = page.versions = _NOTHING
        page.left_seq, page.left_turn = 0, -1
        page.mask = full_mask(page.tokens)
        page.served = SERVES[page.mask][page.minimum]
        pages.append(page)
    _load_rare(data["rare"], pages)
    table.fill()


def _load_rare(rare: dict[str, Any], pages: list[Page]) -> None:
    for order, value in rare["own_pin"]:
        pages[order].own_pin = Pin(value)
    for order, value in rare["own_minimum"]:
        pages[order].own_minimum = Fidelity(value)
    for order, value in rare["status"]:
        pages[order].status = PageStatus(value)
    for order in rare["inferred"]:
        pages[order].inferred = True
    for order in rare["unresolvable"]:
        pages[order].resolvable = False
    for order, *resources in rare["resources"]:
        pages[order].resources = tuple(resources)
    for order, value in rare["text_seq"]:
        pages[order].text_seq = value
    for order, seq, turn in rare["left"]:
        pages[order].left_seq, pages[order].left_turn = seq, turn
    for order, versions in rare["versions"]:
        pages[order].versions = tuple(
            (version, seq, (row[0], row[1], row[2], row[3], row[4])) for version, seq, row in versions
        )
    for order, value in rare["cap"]:
        pages[order].cap = Fidelity(value)
        pages[order].refit()
