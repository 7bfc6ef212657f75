"""What a prompt must hold: the required set, whole and by what is kept up of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from memory.core.page_table import PageTable
from memory.core.pages import AT, Page, full_mask
from memory.core.types import ChangeReason, PageStatus, PageType, Pin

_REASONS: Final[dict[str, ChangeReason]] = {reason.value: reason for reason in ChangeReason}


class Required(NamedTuple):
    """A page that must stand at ``level`` (a fidelity), and why."""

    order: int
    level: int
    reason: ChangeReason


class Need(NamedTuple):
    """What a prompt must hold. ``asked``: live pages with a demand or a restore, each at that or its minimum,
    whichever is higher; hard pins and, ``after_boundary``, rules stand in the table.
    """

    asked: list[Required]
    after_boundary: bool
    tokens: int  # of the whole required set of an auto-pinning policy
    floor: int  # of the required set and the minimum of every live page


def _rank(page: Page, own: bool) -> tuple[int, int, float, int]:
    """Place in the order of installation."""
    pin, kind = page.own_pin if own else page.pin, page.type
    return (
        0 if pin is Pin.HARD else 1 if pin is Pin.SOFT else 2,
        0 if kind is PageType.BOOTSTRAP else 1 if kind is PageType.CONSTRAINT else 2,
        -page.base_utility,
        page.order,
    )


def required_pages(
    table: PageTable,
    declared: Mapping[int, tuple[int, ChangeReason]],
    *,
    auto_pins: bool,
    after_boundary: bool,
    own: bool = False,
) -> list[Required]:
    """The required set, in the order of installation. ``own``: without operators' pins and minima."""
    pages = table.pages
    found: dict[int, tuple[int, ChangeReason]] = {}
    if auto_pins:
        for order in table.own_hard if own else table.hard:
            found[order] = (pages[order].own_minimum if own else pages[order].minimum, ChangeReason.PINNED)
        if after_boundary:
            for order in table.rules:
                page = pages[order]
                found.setdefault(order, (page.own_minimum if own else page.minimum, ChangeReason.RESTORED))
    for order, (fidelity, reason) in declared.items():
        page = pages[order]
        if page.status is PageStatus.LIVE:
            level = max(fidelity, page.own_minimum if own else page.minimum)
            if level > found.get(order, (0, reason))[0]:
                found[order] = (level, reason)
    return [Required(o, *found[o]) for o in sorted(found, key=lambda order: _rank(pages[order], own))]


def need_of(
    table: PageTable, demands: Mapping[int, Sequence[Any]], *, after_boundary: bool, own: bool = False
) -> Need:
    """The required set by what is kept up of it and the demands (order → fidelity, reason, …); ``own`` as for
    ``required_pages``.
    """
    if own:
        tokens, floor, loose = table.own_hard_minima, table.own_minima, table.own_loose_rules
        hard = table.own_hard
    else:
        tokens, floor, loose, hard = table.hard_minima, table.minima, table.loose_rules, table.hard
    if after_boundary:
        tokens += loose
    asked: list[Required] = []
    for order, demand in demands.items():
        page = table.pages[order]
        if page.status is PageStatus.LIVE:
            level = demand[0]
            minimum, served = (page.own_minimum, page.own_served) if own else (page.minimum, page.served)
            if level < minimum:
                level = int(minimum)
            row = page.tokens
            whole = row[AT[full_mask(row) if own else page.mask][level]]
            extra = whole - row[served]
            floor += extra
            counted = order in hard or (after_boundary and order in table.rules)
            tokens += extra if counted else whole
            asked.append(Required(order, level, _REASONS[demand[1]]))
    return Need(asked, after_boundary, tokens, floor)
