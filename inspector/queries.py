"""What one browser looks at (`Look`, its address), and what is read from the store for it (`Picture`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from memory import store
from memory.core.outcomes import SideTotals
from memory.core.types import FaultKind, Fidelity, PageType, Pin
from memory.store import ActRow, Entry, LedgerRun, PageRow, PageVersion, SessionRow

SIDES = ("primary", "shadow", "both")
SORTS = ("order", "changed", "type", "title", "tokens", "full", "demand", "faults")
LEDGER_KINDS: dict[str, tuple[str, ...]] = {
    "faults": tuple(kind.value for kind in FaultKind),
    "alerts": ("alert", "refresh", "page_in"),
    "boundaries": ("boundary",),
    "acts": ("act", "receipt", "resolved", "overruled"),
    "rejected": ("rejected", "parked"),
}
WINDOW = 200  # rows of the page table that the server keeps live; "show more" adds as many
MAX_WINDOW = 5_000
LEDGER_WINDOW = 50
MAX_LEDGER = 1_000
READ_PER_LINE = 20  # rows read at most for a line that stands for many
TALK_TURNS = 20
MAX_TALK_TURNS = 400
MAP_PAGES = 600  # live pages read for the map and the held line
BOUNDARIES_READ = 20  # newest boundaries among which the last compaction is looked for
MAX_TEXT_FILTER = 200  # characters
MAX_PAGE_ID = 512

PARTS = ("head", "map", "table", "drawer", "ledger", "talk")


def _number(value: str | None, default: int, highest: int) -> int:
    """A whole number from an address; anything else is the default, too much is the highest."""
    if not value or not value.isascii() or not value.isdigit() or len(value) > 9:
        return default
    return max(1, min(int(value), highest))


def _one_of(value: str | None, allowed: Collection[str], default: str) -> str:
    return value if value is not None and value in allowed else default


@dataclass(frozen=True, slots=True)
class Look:
    """One browser's view of one session: side, table order and filter, windows, open page.

    Defaults are left out of the address.
    """

    side: str = "primary"
    sort: str = "order"
    desc: bool = True  # with the order of creation: newest first
    types: tuple[str, ...] = ()
    pin: str = ""
    dirty: bool = False
    faulted: bool = False
    gone: bool = False  # superseded and retired pages too
    text: str = ""
    limit: int = WINDOW  # rows
    page: str = ""  # page id of the open drawer
    rep: str = ""  # fidelity whose text the drawer shows
    kind: str = ""  # key of LEDGER_KINDS
    old: int = LEDGER_WINDOW  # ledger lines
    talk: bool = False  # the conversation is shown
    turns: int = TALK_TURNS  # of the conversation

    @classmethod
    def read(cls, query: QueryDict) -> Look:
        """From an address; what is not understood is the default, never an error."""
        types = tuple(t.value for t in PageType if t.value in query.getlist("type"))
        return cls(
            side=_one_of(query.get("side"), SIDES, "primary"),
            sort=_one_of(query.get("sort"), SORTS, "order"),
            desc=query.get("desc", "1") != "0",
            types=types,
            pin=_one_of(query.get("pin"), [p.value for p in Pin], ""),
            dirty=query.get("dirty") == "1",
            faulted=query.get("faulted") == "1",
            gone=query.get("gone") == "1",
            text=query.get("text", "").replace("\x00", "")[:MAX_TEXT_FILTER],
            limit=_number(query.get("limit"), WINDOW, MAX_WINDOW),
            page=query.get("page", "")[:MAX_PAGE_ID],
            rep=_one_of(query.get("rep"), ("full", "compressed", "structured", "pointer"), ""),
            kind=_one_of(query.get("kind"), LEDGER_KINDS, ""),
            old=_number(query.get("old"), LEDGER_WINDOW, MAX_LEDGER),
            talk=query.get("talk") == "1",
            turns=_number(query.get("turns"), TALK_TURNS, MAX_TALK_TURNS),
        )

    def query(self, **changes: Any) -> str:
        """The address's query with some fields changed, without the question mark; '' if all are defaults."""
        look, default = replace(self, **changes), Look()
        pairs: list[tuple[str, str]] = []
        for name in self.__slots__:
            value = getattr(look, name)
            if value == getattr(default, name):
                continue
            if name == "types":
                pairs += [("type", t) for t in value]
            else:
                pairs.append((name, str(int(value)) if isinstance(value, bool) else str(value)))
        return urlencode(pairs, errors="replace")

    @property
    def first_side(self) -> str:
        """The side that order, filters and drawer follow; where both are shown, the session as it was."""
        return "shadow" if self.side == "shadow" else "primary"

    @property
    def sides(self) -> tuple[str, ...]:
        return ("primary", "shadow") if self.side == "both" else (self.side,)

    def settled(self, session: SessionRow) -> Look:
        """Without what this session does not have: a side that is not computed becomes the primary one."""
        if self.side != "primary" and (session.view is None or session.view.shadow is None):
            return replace(self, side="primary")
        return self


@dataclass(slots=True)
class Picture:
    """What was read for one look; a part that was not asked for is empty."""

    session: SessionRow
    look: Look
    role: str = "viewer"
    live_pages: list[PageRow] = field(default_factory=list)  # for map and held line, at most MAP_PAGES
    live_total: int = 0
    old_files: list[PageRow] = field(default_factory=list)  # superseded results: files read, then changed
    cleared: tuple[int, int] | None = None  # (seq, turn) of a watched session's last compaction
    excess: int = 0  # tokens that our count is above the last recorded prompt
    rows: list[PageRow] = field(default_factory=list)
    rows_total: int = 0
    page: PageRow | None = None
    texts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    versions: list[PageVersion] = field(default_factory=list)
    page_faults: list[LedgerRun] = field(default_factory=list)
    acts: list[ActRow] = field(default_factory=list)
    seen_at: Mapping[int, Fidelity] = field(default_factory=dict)  # prompt of a receipt → the page's fidelity
    ledger: list[LedgerRun] = field(default_factory=list)
    ledger_more: bool = False  # there may be older lines
    fault_pages: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # side → kind → pages
    talk: list[Entry] = field(default_factory=list)

    @property
    def turn(self) -> int:
        return self.session.view.turn if self.session.view else 0

    @property
    def prompt_seq(self) -> int:
        """The event that began the last prompt: what a page has pending came after it."""
        return self.session.view.prompt_seq if self.session.view else 0

    def totals(self, side: str) -> SideTotals | None:
        view = self.session.view
        if view is None:
            return None
        return view.shadow if side == "shadow" else view.primary


def picture(session: SessionRow, look: Look, parts: Collection[str], role: str = "viewer") -> Picture:
    """Reads what ``parts`` need."""
    found = Picture(session, look.settled(session), role)
    if "map" in parts or "head" in parts:
        found.live_pages, found.live_total = store.pages(
            session.id, side=found.look.first_side, sort="order", status="live", limit=MAP_PAGES
        )
    if "map" in parts and found.turn:
        last = store.turns(session.id, after_turn=found.turn - 1, limit=1)
        found.excess = last[0].numbers.get("excess_tokens", 0) if last else 0
    if "head" in parts:
        _old_files(found)
        found.fault_pages = {
            side: store.fault_pages(session.id, side)
            for side in found.look.sides
            if (totals := found.totals(side)) is not None and any(totals.faults.values())
        }
    if "table" in parts:
        found.rows, found.rows_total = _table(session.id, found.look)
    if "ledger" in parts:
        found.ledger, found.ledger_more = _ledger(session.id, found.look)
    if found.look.page and "drawer" in parts:
        _drawer(found)
    if found.look.talk and "talk" in parts:
        found.talk = store.conversation(session.id, limit=found.look.turns)
    return found


def _old_files(found: Picture) -> None:
    """What the line of files needs beside the live pages."""
    session_id = found.session.id
    found.old_files, _ = store.pages(
        session_id, sort="order", desc=True, types=("evidence",), status="superseded", limit=MAP_PAGES
    )
    if found.session.mode != "enforced":
        clearing = (
            (row.seq, row.turn)
            for row in store.ledger(session_id, kinds=["boundary"], limit=BOUNDARIES_READ)
            if row.data.get("boundary") in ("compaction", "reset")
        )
        found.cleared = next(clearing, (0, -1))


def _table(session_id: str, look: Look) -> tuple[list[PageRow], int]:
    return store.pages(
        session_id,
        side=look.first_side,
        sort="tokens_full" if look.sort == "full" else look.sort,
        desc=look.desc,
        types=look.types,
        pin=look.pin,
        dirty=True if look.dirty else None,
        faulted=True if look.faulted else None,
        status="" if look.gone else "live",
        text=look.text,
        limit=look.limit,
    )


def _ledger(session_id: str, look: Look) -> tuple[list[LedgerRun], bool]:
    kinds = LEDGER_KINDS.get(look.kind, ())
    lines: list[LedgerRun] = []
    more = False
    for side in look.sides:
        found, older = store.ledger_runs(
            session_id, side=side, kinds=kinds, limit=look.old, read_limit=look.old * READ_PER_LINE
        )
        lines, more = lines + found, more or older
    lines.sort(key=lambda line: (line.row.seq, line.row.idx), reverse=True)
    return lines[: look.old], more or len(lines) > look.old


def _drawer(found: Picture) -> None:
    session_id, look = found.session.id, found.look
    found.page = store.page(session_id, look.page)
    if found.page is None:
        return
    found.texts = store.page_texts(session_id, look.page)
    found.versions = store.page_versions(session_id, look.page)
    found.acts = store.acts(session_id, look.page, limit=8)
    if found.session.mode == "enforced":  # elsewhere what we added is not what the harness holds
        proofs = {a.receipt_turn for a in found.acts if a.receipt == "seen" and a.receipt_turn}
        held = {turn: store.residency_at(session_id, turn).get(look.page) for turn in proofs}
        found.seen_at = {turn: fidelity for turn, fidelity in held.items() if fidelity}
    for side in look.sides:
        found.page_faults += store.ledger_runs(session_id, side=side, page_id=look.page, limit=20)[0]


# The list of sessions


@dataclass(frozen=True, slots=True)
class SessionsLook:
    """The sessions list's address."""

    search: str = ""
    harness: str = ""
    live: bool = False
    faults: bool = False
    sort: str = "recent"
    limit: int = 100

    @classmethod
    def read(cls, query: QueryDict) -> SessionsLook:
        return cls(
            search=query.get("search", "").replace("\x00", "")[:MAX_TEXT_FILTER],
            harness=query.get("harness", "").replace("\x00", "")[:40],
            live=query.get("live") == "1",
            faults=query.get("faults") == "1",
            sort=_one_of(query.get("sort"), ("recent", "name", "faults", "turn"), "recent"),
            limit=_number(query.get("limit"), 100, 1_000),
        )

    def query(self, **changes: Any) -> str:
        look, default = replace(self, **changes), SessionsLook()
        names = ("search", "harness", "live", "faults", "sort", "limit")
        pairs = [(n, getattr(look, n)) for n in names if getattr(look, n) != getattr(default, n)]
        return urlencode([(n, "1" if v is True else str(v)) for n, v in pairs])


def sessions(look: SessionsLook, projects: Mapping[int, str]) -> tuple[list[SessionRow], int]:
    """The sessions of a person's projects, as the address asks, and how many there are in all."""
    return store.list_sessions(
        list(projects),
        search=look.search,
        harness=look.harness,
        live=True if look.live else None,
        faults=True if look.faults else None,
        sort=look.sort,
        limit=look.limit,
    )
