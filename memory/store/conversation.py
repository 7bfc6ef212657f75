"""The transcript as its user knows it: prompts, answers,
tool calls and results, summaries, boundaries, notes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from memory.core.outcomes import PageView
from memory.core.types import Mode
from memory.models import Event, LedgerEntry, Page, Session, Turn
from memory.safe import display, one_line
from memory.store.append import chunks, session_pk
from memory.store.pack import unpack_json
from memory.store.rows import Entry
from memory.store.views import is_pending, load_page_view, load_session_view, still_stands

MAX_TEXT: Final = 20_000  # characters of one entry; the whole text is the page's
_KINDS: Final = (
    "page_created",
    "page_updated",
    "model_answered",
    "tool_called",
    "tool_returned",
    "boundary",
    "noted",
    "session_started",
    "session_ended",
)


def conversation(
    session_id: str, *, before_turn: int | None = None, after_turn: int = 0, limit: int = 50
) -> list[Entry]:
    """Entries in the order of the log, of at most ``limit`` turns.

    ``before_turn``: the turns before that one; else ``after_turn`` > 0: the turns after that one; else the
    newest. What stands in the log between prompt N and prompt N + 1 comes with turn N (what stands before the
    first, with turn 1).
    """
    pk = session_pk(session_id)
    starts = _starts(pk, before_turn, after_turn, limit)
    low, high = starts[0], starts[1]
    rows = Event.objects.filter(session_id=pk, kind__in=_KINDS, seq__gte=low).order_by("seq")
    if high is not None:
        rows = rows.filter(seq__lt=high)
    turns = dict(
        Turn.objects.filter(session_id=pk, side="primary", prompt_seq__gte=low).values_list(
            "prompt_seq", "turn"
        )
    )
    builder = _Builder(pk, sorted(turns.items()), max((before_turn or 1) - limit - 1, after_turn, 0))
    for row in rows.iterator(chunk_size=200):
        builder.add(row)
    return builder.finished()


def _starts(pk: Any, before: int | None, after: int, limit: int) -> tuple[int, int | None]:
    """Seqs from (inclusive) and to (exclusive)."""
    rows = Turn.objects.filter(session_id=pk, side="primary")
    if before is None and after > 0:
        first = after + 1
        high = (
            rows.filter(turn__gt=after + limit).order_by("turn").values_list("prompt_seq", flat=True).first()
        )
    else:
        newest = rows.order_by("-turn").values_list("turn", flat=True).first() or 0
        end = newest + 1 if before is None else before
        first = max(end - limit, 1)
        high = (
            None
            if before is None
            else rows.filter(turn__gte=before).order_by("turn").values_list("prompt_seq", flat=True).first()
        )
    if first <= 1:
        return 0, high
    low = rows.filter(turn__gte=first).order_by("turn").values_list("prompt_seq", flat=True).first()
    return (1 << 31) - 1 if low is None else low, high


class _Builder:
    """Makes entries of events, then names what is known only later (answers, results, summaries)."""

    def __init__(self, pk: Any, prompts: list[tuple[int, int]], turn: int) -> None:
        self.pk = pk
        self.prompts = prompts
        self.turn = turn
        self.entries: list[dict[str, Any]] = []
        self.by_page: dict[str, dict[str, Any]] = {}
        self.calls: dict[str, dict[str, Any]] = {}
        self.summaries: set[str] = set()
        self.newer: dict[str, str] = {}  # page id → text of its newest version here

    def add(self, row: Event) -> None:
        while self.prompts and self.prompts[0][0] <= row.seq:
            self.turn = self.prompts.pop(0)[1]
        make: Callable[[Event, dict[str, Any]], None] = getattr(self, "_" + row.kind)
        make(row, unpack_json(row.completed or row.body))

    def _entry(self, row: Event, kind: str, **more: Any) -> dict[str, Any]:
        entry = {"kind": kind, "turn": max(self.turn, 1), "seq": row.seq, "at": row.at, **more}
        self.entries.append(entry)
        return entry

    def _page_created(self, row: Event, body: dict[str, Any]) -> None:
        page = body["page"] if isinstance(body.get("page"), dict) else {}
        kind = {"conversation": "prompt", "evidence": "tool_result"}.get(page.get("type", ""), "note")
        self._page(row, kind, page)

    def _page_updated(self, row: Event, body: dict[str, Any]) -> None:
        page_id = str(body.get("page_id", ""))
        self.newer[page_id] = _full_text(body)
        known = self.by_page.get(page_id)
        if known is not None and known["kind"] in ("prompt", "answer", "summary"):
            known["text"] = self.newer[page_id]  # it grew; a result's newer version is another result

    def _page(self, row: Event, kind: str, page: dict[str, Any]) -> None:
        page_id = str(page.get("page_id", ""))
        kind = "summary" if page_id in self.summaries else kind
        title = one_line(str(page.get("title") or page_id), 300)
        entry = self._entry(row, kind, page_id=page_id, title=title, text=_full_text(page))
        self.by_page[page_id] = entry

    def _model_answered(self, row: Event, body: dict[str, Any]) -> None:
        entry = self.by_page.get(body.get("page_id") or "")
        if entry is not None and entry["kind"] == "prompt":
            entry["kind"] = "answer"
        elif body.get("page_id"):
            self._entry(row, "answer", page_id=str(body["page_id"]))

    def _tool_called(self, row: Event, body: dict[str, Any]) -> None:
        call_id = str(body.get("call_id", ""))
        title = one_line(str(body.get("signature", "")), 300)
        tool = one_line(str(body.get("tool", "")), 80)
        self.calls[call_id] = self._entry(
            row, "tool_call", title=title, call_id=one_line(call_id, 200), tool=tool
        )

    def _tool_returned(self, row: Event, body: dict[str, Any]) -> None:
        call_id, error = str(body.get("call_id", "")), bool(body.get("error"))
        call = self.calls.get(call_id)
        tool = call["tool"] if call else ""
        known = self.by_page.get(body.get("page_id") or "")
        if known is not None and known["kind"] in ("tool_result", "note") and not known.get("call_id"):
            known |= {"kind": "tool_result", "call_id": one_line(call_id, 200), "tool": tool, "error": error}
            return
        page_id = str(body.get("page_id") or "")
        text = self.newer.get(page_id, "")
        named = {"page_id": page_id, "call_id": one_line(call_id, 200), "tool": tool}
        self._entry(row, "tool_result", text=text, error=error, **named)

    def _boundary(self, row: Event, body: dict[str, Any]) -> None:
        trigger = body.get("trigger")
        title = str(body.get("kind", "boundary")) + (f" ({trigger})" if trigger else "")
        self._entry(row, "boundary", title=one_line(title, 300))
        self.summaries.add(str(body.get("summary_page") or ""))
        summary = self.by_page.get(body.get("summary_page") or "")
        if summary is not None:
            summary["kind"] = "summary"

    def _noted(self, row: Event, body: dict[str, Any]) -> None:
        self._entry(row, "note", title=one_line(str(body.get("what", "")), 300))

    def _session_started(self, row: Event, body: dict[str, Any]) -> None:
        resumed = bool(body.get("resumed_from"))
        self._entry(row, "note", title="session resumed" if resumed else "session started")

    def _session_ended(self, row: Event, body: dict[str, Any]) -> None:
        reason = body.get("reason")
        self._entry(row, "note", title=one_line("session ended" + (f": {reason}" if reason else ""), 300))

    def finished(self) -> list[Entry]:
        named = {entry["page_id"] for entry in self.entries if entry.get("page_id")}
        now: dict[str, PageView] = {}
        for some in chunks(named, 500):
            rows = Page.objects.filter(session_id=self.pk, page_id__in=some)
            now |= {page_id: load_page_view(view) for page_id, view in rows.values_list("page_id", "view")}
        header = Session.objects.filter(pk=self.pk).values_list("header", flat=True).first()
        view = load_session_view(header or "{}")
        prompt_seq = view.prompt_seq if view else 0
        observed = view is not None and view.mode != Mode.ENFORCED
        cleared = self._cleared() if observed else None
        return [
            _finish(entry, now.get(entry.get("page_id", "")), prompt_seq, cleared) for entry in self.entries
        ]

    def _cleared(self) -> tuple[int, int]:
        """(seq, turn) of the last compaction or reset, which takes old copies out of the harness's prompt."""
        rows = LedgerEntry.objects.filter(session_id=self.pk, side="primary", kind="boundary")
        for seq, turn, data in rows.order_by("-seq").values_list("seq", "turn", "data"):
            if json.loads(data).get("boundary") in ("compaction", "reset"):
                return seq, turn
        return 0, -1


def _finish(
    entry: dict[str, Any], page: PageView | None, prompt_seq: int, cleared: tuple[int, int] | None
) -> Entry:
    if page is not None:
        entry["older"] = entry["kind"] == "tool_result" and page.text_seq > entry["seq"]
        if cleared is not None:
            after = entry["seq"] > cleared[0]
            entry["stale"] = after if entry["older"] else still_stands(page, cleared)
        entry["title"] = entry.get("title") or page.title or page.page_id
        entry["fidelity"] = page.primary.fidelity.label
        entry["pending"] = is_pending(page.primary, prompt_seq)
        if page.shadow is not None:
            entry["shadow_fidelity"] = page.shadow.fidelity.label
            entry["shadow_pending"] = is_pending(page.shadow, prompt_seq)
    return Entry(**entry)


def _full_text(holder: dict[str, Any]) -> str:
    reps = holder.get("representations")
    text = reps.get("full", {}).get("text", "") if isinstance(reps, dict) else holder.get("text", "")
    return display(str(text), MAX_TEXT)
