"""Pictures → HTML fragments, and what of them a browser does not have yet.

A fragment is rendered once per process for all who look at the same thing (small caches, bounded). A client's
connection remembers only hashes of what it sent, so each message holds the difference to the newest state: a
slow client skips what lies between, and a client that comes back simply has nothing yet.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from inspector.panels import conversation, drawer, head, held, ledger, sessions, table, window_map
from inspector.queries import Look, Picture, picture
from memory.store import SessionRow

T = TypeVar("T")
PANELS = "inspector/panels/"
MAX_ROWS_KEPT = 4_000  # rendered table rows per process, about 2 kB each
MAX_FRAGMENTS_KEPT = 48  # whole looks per process
#: How a list grows: the whole window is kept; new lines come at its head; new lines come at its end.
LIST_MODES = {"rows": "window", "session-rows": "window", "lines": "head", "entries": "tail"}


class Kept(Generic[T]):
    """A small LRU; two threads that ask for the same thing make it once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._items: OrderedDict[Hashable, T] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._items:
                    return self._items[key]
            try:
                made = make()
            finally:
                with self._lock:
                    self._making.pop(key, None)
            with self._lock:
                self._items[key] = made
                while len(self._items) > self._size:
                    self._items.popitem(last=False)
            return made

    def clear(self) -> None:
        with self._lock:
            self._items.clear()


@dataclass(slots=True)
class Fragments:
    """What one look shows: panels by element id, list items in order by their list's element id."""

    seq: int = 0
    turn: int = 0
    panels: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


_rows: Kept[str] = Kept(MAX_ROWS_KEPT)
_fragments: Kept[Fragments] = Kept(MAX_FRAGMENTS_KEPT)


def html(name: str, context: Mapping[str, Any]) -> str:
    return render_to_string(f"{PANELS}{name}.html", dict(context)).strip()


def compact(name: str, context: Mapping[str, Any]) -> str:
    """``html`` without the templates' indentation; for items that hold no text of several lines."""
    return re.sub(r"\n\s+", "\n", html(name, context))


def safe(items: list[tuple[str, str]]) -> list[SafeString]:
    """Rendered items for a template: they come out of our own templates, already escaped."""
    return [mark_safe(item) for _, item in items]  # noqa: S308


def row_items(found: Picture) -> list[tuple[str, str]]:
    items = []
    for row in found.rows:
        waiting = table.waiting(row, found.look, found.prompt_seq)
        key = (found.session.id, row.view.page_id, row.changed_seq, found.look.side, waiting)
        context = table.row(row, found.look, waiting)
        items.append((context["id"], _rows.get(key, lambda c=context: compact("row", {"row": c}))))  # type: ignore[misc]
    return items


def line_items(found: Picture) -> list[tuple[str, str]]:
    lines = [ledger.line(run, found.look) for run in found.ledger]
    return [(line["id"], compact("line", {"line": line})) for line in lines]


def entry_items(found: Picture) -> list[tuple[str, str]]:
    entries = [conversation.entry(item, found.look) for item in conversation.told_once(found.talk)]
    return [(entry["id"], html("entry", {"entry": entry})) for entry in entries]


def page_context(found: Picture, parts: Collection[str]) -> dict[str, Any]:
    """The context of the whole page's template, or of those of its parts."""
    context: dict[str, Any] = {"session": found.session, "look": found.look}
    if "head" in parts:
        context |= {"head": head.context(found), **held.context(found)}
    if "map" in parts:
        context["map"] = window_map.context(found)
    if "table" in parts:
        context |= {"table": table.context(found), "rows_html": safe(row_items(found))}
    if "drawer" in parts:
        context["drawer"] = drawer.context(found)
    if "ledger" in parts:
        context |= {"ledger": ledger.context(found), "lines_html": safe(line_items(found))}
    if "talk" in parts:
        context |= {"talk": conversation.context(found), "entries_html": safe(entry_items(found))}
    return context


def fragments(session: SessionRow, look: Look, parts: Collection[str], role: str) -> Fragments:
    """What is live of these parts, rendered at most once per process and state."""
    state = (session.applied_seq, session.last_seq, session.pending, session.live, session.ended)
    key = (session.id, state, look, tuple(sorted(parts)), role)
    return _fragments.get(key, lambda: _make(picture(session, look, parts, role), parts))


def _make(found: Picture, parts: Collection[str]) -> Fragments:
    made = Fragments(found.session.applied_seq, found.turn)
    if "head" in parts:
        made.panels["head"] = html("head", {"head": head.context(found), **held.context(found)})
    if "map" in parts:
        made.panels["map"] = html("map", {"map": window_map.context(found)})
    if "table" in parts:
        context = {"table": table.context(found)}
        made.panels["table-bar"] = html("table_bar", context)
        made.panels["table-more"] = html("table_more", context)
        made.lists["rows"] = row_items(found)
    if "drawer" in parts and found.page is not None:
        context = {"drawer": drawer.context(found)}
        for name in ("page-now", "page-text", "page-more"):
            made.panels[name] = html(name.replace("page-", "drawer_"), context)
        made.panels["act-buttons"] = html("drawer_buttons", context)
        made.panels["act-log"] = html("drawer_log", context)
    if "ledger" in parts:
        made.lists["lines"] = line_items(found)
    if "talk" in parts and found.look.talk:
        made.lists["entries"] = entry_items(found)
    return made


def session_fragments(
    rows: list[SessionRow], context: Mapping[str, Any], demo: Mapping[str, Any] | None = None
) -> Fragments:
    """The live parts of the list of sessions. ``demo``: its state, for those who may start it."""
    made = Fragments()
    made.panels["sessions-bar"] = html("sessions_bar", {"list": context})
    if demo is not None and context["everything"]:
        made.panels["demo"] = html("demo", {"demo": demo})
    items = [sessions.row(row) for row in rows]
    made.lists["session-rows"] = [(item["id"], compact("session_row", {"row": item})) for item in items]
    return made


def sessions_whole(made: Fragments, context: Mapping[str, Any], **offered: Any) -> str:
    """The message that puts the table where the first steps were."""
    inside = {"list": context, "rows_html": safe(made.lists["session-rows"]), "base": "/", **offered}
    return partial("sessions", "outerMorph", html("sessions", inside))


# The difference to what a browser has


def partial(target: str, swap: str, content: str = "") -> str:
    """One swap of an htmx message; each partial is parsed by itself, so a table row may stand in one."""
    return f'<hx-partial hx-target="#{target}" hx-swap="{swap}">{content}</hx-partial>'


@dataclass(slots=True)
class Known:
    """What a browser has, as hashes: enough to say what is missing."""

    panels: dict[str, int] = field(default_factory=dict)
    lists: dict[str, dict[str, int]] = field(default_factory=dict)

    def take(self, made: Fragments) -> None:
        """The browser got all of this with its page."""
        for name, content in made.panels.items():
            self.panels[name] = hash(content)
        for name, items in made.lists.items():
            self.lists[name] = {item_id: hash(content) for item_id, content in items}

    def forget(self, made: Fragments) -> None:
        """Whatever the browser has of these panels and lists, it gets them anew."""
        for name in made.panels:
            self.panels.pop(name, None)
        for name in made.lists:
            self.lists.pop(name, None)

    def update(self, made: Fragments) -> str:
        """The message that brings the browser to ``made``, '' if it has it; and remembers it."""
        found = []
        for name, content in made.panels.items():
            if self.panels.get(name) != hash(content):
                self.panels[name] = hash(content)
                found.append(partial(name, "outerMorph", content))
        for name, items in made.lists.items():
            found += self._update_list(name, items)
        return "".join(found)

    def _update_list(self, name: str, items: list[tuple[str, str]]) -> list[str]:
        old = self.lists.get(name)
        new = {item_id: hash(content) for item_id, content in items}
        if old is None:
            self.lists[name] = new
            return [partial(name, "innerMorph", "".join(content for _, content in items))]
        mode = LIST_MODES[name]
        if mode != "window":
            return self._grow(name, mode, items, old, new)
        self.lists[name] = new
        if [i for i in old if i in new] != [i for i in new if i in old]:  # another order: all of it
            return [partial(name, "innerMorph", "".join(content for _, content in items))]
        found = [partial(item_id, "delete") for item_id in old if item_id not in new]
        found += changed(items, old, new)
        return found + inserted(name, items, old)

    def _grow(
        self, name: str, mode: str, items: list[tuple[str, str]], old: dict[str, int], new: dict[str, int]
    ) -> list[str]:
        """New lines at the head or at the end; lines that left the window stay where they are.

        A line at the head that grew stood further down before: it is taken out and put in front.
        """
        self.lists[name] = new
        if mode == "tail":
            fresh = "".join(content for item_id, content in items if item_id not in old)
            return changed(items, old, new) + ([partial(name, "beforeend", fresh)] if fresh else [])
        known = (n for n, (item_id, _) in enumerate(items) if old.get(item_id) == new[item_id])
        front = items[: next(known, len(items))]
        moved = [item_id for item_id, _ in front if item_id in old]
        found = [partial(item_id, "delete") for item_id in moved]
        found += changed(items[len(front) :], old, new)
        fresh = "".join(content for _, content in front)
        return [*found, partial(name, "afterbegin", fresh)] if fresh else found


def changed(items: list[tuple[str, str]], old: dict[str, int], new: dict[str, int]) -> list[str]:
    return [partial(i, "outerMorph", content) for i, content in items if i in old and old[i] != new[i]]


def inserted(name: str, items: list[tuple[str, str]], old: dict[str, int]) -> list[str]:
    """Runs of new rows, each put behind the row that stands before it (which the browser has)."""
    found: list[str] = []
    before, run = "", ""
    for item_id, content in items:
        if item_id not in old:
            run += content
            continue
        if run:
            found.append(_put(name, before, run))
        before, run = item_id, ""
    return [*found, _put(name, before, run)] if run else found


def _put(name: str, before: str, run: str) -> str:
    return partial(before, "afterend", run) if before else partial(name, "afterbegin", run)


#: Which panels and lists belong to which part of the page.
PART_IDS = {
    "head": ("head",),
    "map": ("map",),
    "table": ("table-bar", "table-more", "rows"),
    "drawer": ("page-now", "page-text", "page-more", "act-buttons", "act-log"),
    "ledger": ("lines",),
    "talk": ("entries",),
}


def of_parts(made: Fragments, parts: Collection[str]) -> Fragments:
    """Only the fragments of these parts."""
    ids = {name for part in parts for name in PART_IDS[part]}
    return Fragments(
        made.seq,
        made.turn,
        {name: content for name, content in made.panels.items() if name in ids},
        {name: items for name, items in made.lists.items() if name in ids},
    )


def mark(made: Fragments) -> str:
    """The state that the browser stands at, for the sparklines' place and for tests."""
    return partial(
        "stand", "outerMorph", f'<i id="stand" hidden data-seq="{made.seq}" data-turn="{made.turn}"></i>'
    )
