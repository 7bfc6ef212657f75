"""Reading sessions, pages, turns, the ledger: cheap, synchronous, unaware of roles (callers check those)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from memory.core.types import Fidelity, Side
from memory.models import Act, Event, JournalEntry, LedgerEntry, Page, Prompt, Record, Session, Snapshot, Turn
from memory.safe import display
from memory.store.append import chunks, session_pk
from memory.store.causes import sentence
from memory.store.errors import UnknownSession
from memory.store.pack import unpack, unpack_json
from memory.store.rows import (
    ActRow,
    JournalRow,
    LedgerRow,
    PageRow,
    PageVersion,
    ProblemRecord,
    PromptRow,
    SessionRow,
    TurnRow,
)
from memory.store.views import load_page_view, load_session_view

LIVE_SECONDS: Final = 120
#: Events that bring a page's text.
TEXT_KINDS: Final = ("page_created", "page_updated", "project_commit")
_SESSION_SORTS: Final = {
    "recent": ("-last_event_at", "-created_at"),
    "oldest": ("created_at",),
    "name": ("name", "created_at"),
    "turn": ("-turn", "-last_event_at"),
    "faults": ("-faults", "-last_event_at"),
    "harness": ("harness", "-last_event_at"),
}
_PAGE_SORTS: Final = {
    "order": "order",
    "title": "title",
    "type": "type",
    "pin": "pin",
    "fidelity": "fidelity",
    "tokens": "tokens_now",
    "tokens_now": "tokens_now",
    "tokens_full": "tokens_full",
    "faults": "faults",
    "demand": "last_demand_turn",
    "changed": "changed_seq",
    "dirty": "dirty",
}
_SHADOWED: Final = {
    "fidelity": "shadow_fidelity",
    "tokens_now": "shadow_tokens_now",
    "faults": "shadow_faults",
}


def iso(at: dt.datetime | None) -> str | None:
    return None if at is None else at.astimezone(dt.UTC).isoformat(timespec="milliseconds")


# sessions


def list_sessions(
    project_ids: Iterable[int] | None,
    *,
    search: str = "",
    harness: str = "",
    live: bool | None = None,
    faults: bool | None = None,
    sort: str = "recent",
    offset: int = 0,
    limit: int = 50,
) -> tuple[list[SessionRow], int]:
    """Sessions of these projects (None: of all) and how many there are in all.

    ``sort``: recent, oldest, name, turn, faults, harness; an unknown one is ``recent``.
    """
    rows = Session.objects.select_related("project")
    if project_ids is not None:
        rows = rows.filter(project_id__in=list(project_ids))
    if search:
        words = display(search, 200)
        rows = rows.filter(Q(name__icontains=words) | Q(title__icontains=words) | Q(key__icontains=words))
    if harness:
        rows = rows.filter(harness=display(harness, 40))
    if live is not None:
        fresh = Q(ended=False, last_event_at__gte=timezone.now() - dt.timedelta(seconds=LIVE_SECONDS))
        rows = rows.filter(fresh if live else ~fresh | Q(last_event_at=None))
    if faults is not None:
        rows = rows.filter(faults__gt=0) if faults else rows.filter(faults=0)
    total = rows.count()
    rows = rows.order_by(*_SESSION_SORTS.get(sort, _SESSION_SORTS["recent"]), "id")
    return [_session_row(row) for row in rows[offset : offset + limit]], total


def session_row(session_id: str) -> SessionRow | None:
    """The session, or None if there is none of that id."""
    try:
        pk = session_pk(session_id)
    except UnknownSession:
        return None
    row = Session.objects.select_related("project").filter(pk=pk).first()
    return None if row is None else _session_row(row)


def child_sessions(session_id: str) -> list[SessionRow]:
    """Sessions whose parent this is, oldest first."""
    rows = Session.objects.select_related("project").filter(parent_id=session_pk(session_id))
    return [_session_row(row) for row in rows.order_by("created_at", "id")]


def find_session(project: str, key: str) -> SessionRow | None:
    """The project's session with that key."""
    row = Session.objects.select_related("project").filter(project__slug=project, key=key).first()
    return None if row is None else _session_row(row)


def _session_row(row: Session) -> SessionRow:
    last = row.last_event_at
    fresh = last is not None and (timezone.now() - last).total_seconds() < LIVE_SECONDS
    return SessionRow(
        id=str(row.pk),
        project_id=row.project_id,
        project=row.project.slug,
        project_name=row.project.name,
        key=row.key,
        name=row.name,
        harness=row.harness,
        mode=row.mode,
        adapter=row.adapter,
        parent_id=None if row.parent_id is None else str(row.parent_id),
        created_at=iso(row.created_at) or "",
        last_event_at=iso(last),
        arrived_at=iso(row.arrived_at),
        title=row.title,
        record_count=row.record_count,
        record_bytes=row.record_bytes,
        derived_n=row.derived_n,
        unknown_records=row.unknown_records,
        broken_records=row.broken_records,
        last_seq=row.last_seq,
        applied_seq=row.applied_seq,
        turn=row.turn,
        faults=row.faults,
        ended=row.ended,
        pending=row.last_seq - row.applied_seq + row.record_count - row.derived_n,
        live=fresh and not row.ended,
        view=load_session_view(row.header),
    )


def problem_records(session_id: str, limit: int = 100) -> list[ProblemRecord]:
    """Records with a problem, in their order."""
    rows = Record.objects.filter(session_id=session_pk(session_id)).exclude(problem="").order_by("n")
    return [
        ProblemRecord(*row) for row in rows.values_list("n", "source", "offset", "length", "problem")[:limit]
    ]


def applied_seqs(session_ids: Iterable[str]) -> dict[str, int]:
    """Session id → seq up to which its log is folded, of those that exist."""
    found: dict[str, int] = {}
    for some in chunks(session_ids, 500):
        rows = Session.objects.filter(pk__in=[session_pk(s) for s in some])
        found |= {str(pk): seq for pk, seq in rows.values_list("pk", "applied_seq")}
    return found


# pages


def pages(
    session_id: str,
    *,
    side: str = "primary",
    sort: str = "order",
    desc: bool = False,
    types: Sequence[str] = (),
    fidelity: int | None = None,
    pin: str = "",
    dirty: bool | None = None,
    faulted: bool | None = None,
    status: str = "live",
    text: str = "",
    offset: int = 0,
    limit: int = 200,
) -> tuple[list[PageRow], int]:
    """A window of the page table and how many rows the filter leaves. ``status`` '' means any.

    ``sort``: order, title, type, pin, fidelity, tokens,
    tokens_full, faults, demand, changed, dirty; of ``side``.
    """

    def column(name: str) -> str:
        return _SHADOWED.get(name, name) if side == Side.SHADOW else name

    rows = Page.objects.filter(session_id=session_pk(session_id))
    if status:
        rows = rows.filter(status=status)
    if types:
        rows = rows.filter(type__in=list(types))
    if fidelity is not None:
        rows = rows.filter(**{column("fidelity"): int(fidelity)})
    if pin:
        rows = rows.filter(pin=pin)
    if dirty is not None:
        rows = rows.filter(dirty=dirty)
    if faulted is not None:
        has = Q(**{f"{column('faults')}__gt": 0})
        rows = rows.filter(has if faulted else ~has)
    if text:
        words = display(text, 200)
        rows = rows.filter(Q(title__icontains=words) | Q(page_id__icontains=words))
    total = rows.count()
    key = column(_PAGE_SORTS.get(sort, "order"))
    rows = rows.order_by(("-" if desc else "") + key, "order")
    return _page_rows(rows[offset : offset + limit]), total


def pages_changed(session_id: str, after_seq: int, limit: int = 500) -> list[PageRow]:
    """Pages of any status whose row changed after ``after_seq``, in order of change."""
    rows = Page.objects.filter(session_id=session_pk(session_id), changed_seq__gt=after_seq)
    return _page_rows(rows.order_by("changed_seq", "order")[:limit])


def page(session_id: str, page_id: str) -> PageRow | None:
    found = _page_rows(Page.objects.filter(session_id=session_pk(session_id), page_id=page_id))
    return found[0] if found else None


def _page_rows(rows: QuerySet[Page]) -> list[PageRow]:
    return [PageRow(load_page_view(view), seq) for view, seq in rows.values_list("view", "changed_seq")]


def page_texts(session_id: str, page_id: str, *, raw: bool = False) -> dict[str, dict[str, Any]]:
    """Fidelity label → ``tokens`` and ``text`` of the working version; safe for display unless ``raw``."""
    pk = session_pk(session_id)
    seq = Page.objects.filter(session_id=pk, page_id=page_id).values_list("text_seq", flat=True).first()
    return {} if seq is None else page_texts_at(session_id, seq, raw=raw)


def page_texts_at(session_id: str, seq: int, *, raw: bool = False) -> dict[str, dict[str, Any]]:
    """The same of the version that event ``seq`` brought; {} if that event brings no text."""
    row = Event.objects.filter(session_id=session_pk(session_id), seq=seq, kind__in=TEXT_KINDS).first()
    if row is None:
        return {}
    reps = representations(row.kind, unpack_json(row.completed or row.body))
    return {
        label: {"tokens": rep["tokens"], "text": rep.get("text", "") if raw else display(rep.get("text", ""))}
        for label, rep in reps.items()
    }


def representations(kind: str, body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Fidelity label → representation, of a completed event that brings text."""
    holder = body.get("page") if kind == "page_created" else body
    return (holder or {}).get("representations") or {}


def page_versions(session_id: str, page_id: str) -> list[PageVersion]:
    """The page's working versions, oldest first."""
    found = []
    for row in _page_events(session_id, page_id):
        body = unpack_json(row.completed or row.body)
        tokens = representations(row.kind, body).get("full", {}).get("tokens", 0)
        what = body.get("what", "") if row.kind == "page_updated" else row.kind.replace("_", " ")
        found.append(PageVersion(row.seq, row.at, tokens, display(what, 400)))
    return found


def _page_events(session_id: str, page_id: str) -> Iterator[Event]:
    """Events that brought a version of the page, from the outcomes' trail in the ledger of versions."""
    from memory.models import PageText

    pk = session_pk(session_id)
    seqs = (
        PageText.objects.filter(session_id=pk, page_id=page_id).order_by("seq").values_list("seq", flat=True)
    )
    for some in chunks(seqs, 200):
        yield from Event.objects.filter(session_id=pk, seq__in=some).order_by("seq")


# ledger, turns


def ledger(
    session_id: str,
    *,
    side: str = "primary",
    kinds: Sequence[str] = (),
    page_id: str = "",
    exact: bool | None = None,
    before_seq: int | None = None,
    after_seq: int | None = None,
    limit: int = 100,
) -> list[LedgerRow]:
    """Lines of the ledger, newest first; oldest first where ``after_seq`` is given."""
    rows = LedgerEntry.objects.filter(session_id=session_pk(session_id), side=side)
    if kinds:
        rows = rows.filter(kind__in=list(kinds))
    if page_id:
        rows = rows.filter(page_id=page_id)
    if exact is not None:
        rows = rows.filter(exact=exact)
    if before_seq is not None:
        rows = rows.filter(seq__lt=before_seq)
    if after_seq is not None:
        rows = rows.filter(seq__gt=after_seq).order_by("seq", "idx")
    else:
        rows = rows.order_by("-seq", "-idx")
    return _ledger_rows(session_id, list(rows[:limit]))


def boundaries(session_id: str, side: str = "primary") -> list[LedgerRow]:
    """The session's boundaries, oldest first."""
    return ledger(session_id, side=side, kinds=["boundary"], after_seq=0, limit=10_000)


def _ledger_rows(session_id: str, rows: list[LedgerEntry]) -> list[LedgerRow]:
    pk = session_pk(session_id)
    titles: dict[str, str] = {}
    for some in chunks({row.page_id for row in rows if row.page_id}, 500):
        pairs = Page.objects.filter(session_id=pk, page_id__in=some)
        titles |= dict(pairs.values_list("page_id", "title"))
    numbers: dict[tuple[str, int], dict[str, Any]] = {}
    for few in chunks({row.turn for row in rows if row.fault_class == "insufficient"}, 500):
        found = Turn.objects.filter(session_id=pk, turn__in=few).values_list("side", "turn", "numbers")
        numbers |= {(side, turn): json.loads(text) for side, turn, text in found}
    return [_ledger_row(row, titles, numbers.get((row.side, row.turn))) for row in rows]


def _ledger_row(row: LedgerEntry, titles: dict[str, str], numbers: dict[str, Any] | None) -> LedgerRow:
    data = json.loads(row.data)
    return LedgerRow(
        side=row.side,
        seq=row.seq,
        idx=row.idx,
        turn=row.turn,
        kind=row.kind,
        fault_class=row.fault_class,
        exact=row.exact,
        page_id=row.page_id,
        page_title=titles.get(row.page_id, display(row.page_id, 200)),
        tokens=row.tokens,
        at=row.at,
        data=data,
        sentence=sentence(row.kind, row.fault_class, data, numbers),
    )


def turns(session_id: str, side: str = "primary", after_turn: int = 0, limit: int = 5000) -> list[TurnRow]:
    """Turns after ``after_turn``, ascending."""
    rows = Turn.objects.filter(session_id=session_pk(session_id), side=side, turn__gt=after_turn)
    fields = ("turn", "prompt_seq", "closed_seq", "numbers", "at", "sha256")
    return [
        TurnRow(turn, seq, closed is not None, json.loads(numbers), at, sha)
        for turn, seq, closed, numbers, at, sha in rows.order_by("turn").values_list(*fields)[:limit]
    ]


def trace_lines(session_id: str, side: str = "primary") -> Iterator[bytes]:
    """The decision trace: the head, then one line per closed turn; no newlines."""
    pk = session_pk(session_id)
    head = Session.objects.filter(pk=pk).values_list("trace_head", flat=True).first()
    if head:
        yield bytes(head)
    rows = Turn.objects.filter(session_id=pk, side=side, closed_seq__isnull=False).order_by("turn")
    for record in rows.values_list("record", flat=True).iterator(chunk_size=500):
        if record is not None:
            yield unpack(record)


# prompts, acts, journal


def prompt(session_id: str, request_id: str) -> PromptRow | None:
    """The kept prompt of that request; None while the request is not folded yet, or if there is none."""
    return _prompt(Prompt.objects.filter(session_id=session_pk(session_id), request_id=request_id))


def prompt_by_turn(session_id: str, turn: int) -> PromptRow | None:
    return _prompt(Prompt.objects.filter(session_id=session_pk(session_id), turn=turn).order_by("seq"))


def _prompt(rows: QuerySet[Prompt]) -> PromptRow | None:
    row = rows.first()
    if row is None:
        return None
    return PromptRow(row.request_id, row.turn, row.seq, row.sha256, row.tokens, unpack(row.text))


def acts(session_id: str, page_id: str | None = None, limit: int = 50) -> list[ActRow]:
    """Operators' acts, newest first; those not folded yet come first, as pending."""
    pk = session_pk(session_id)
    applied = Session.objects.filter(pk=pk).values_list("applied_seq", flat=True).first() or 0
    is_act = Q(kind__startswith="operator_") | Q(kind="write_resolved")
    waiting = Event.objects.filter(is_act, session_id=pk, seq__gt=applied).order_by("-seq")
    found = [_waiting_act(row) for row in waiting[:limit]]
    rows = Act.objects.filter(session_id=pk).order_by("-seq")
    found += [_act_row(row) for row in (rows if page_id is not None else rows[:limit])]
    return [act for act in found if page_id is None or page_id in act.page_ids][:limit]


def act_reason(kind: str, body: dict[str, Any]) -> str:
    """The operator's words; of an answer to a parked update, which one it was and to what."""
    if kind == "write_resolved" and body:
        return f"{body.get('action', '')} {body.get('update_id', '')}"
    return str(body.get("reason", ""))


def _waiting_act(row: Event) -> ActRow:
    body = unpack_json(row.body)
    ids = tuple(str(p) for p in body.get("page_ids", ()))
    reason = display(act_reason(row.kind, body), 400)
    at = iso(row.received_at) or ""
    return ActRow(row.seq, row.kind, row.actor, ids, "pending", "", "", None, "", None, "", reason, at)


def _act_row(row: Act) -> ActRow:
    return ActRow(
        row.seq,
        row.kind,
        row.actor,
        tuple(json.loads(row.page_ids)),
        row.state,
        row.why,
        row.reach,
        row.turn,
        row.receipt,
        row.receipt_turn,
        row.receipt_how,
        row.reason,
        iso(row.at) or "",
    )


def journal(
    session_id: str,
    *,
    side: str = "primary",
    page_id: str = "",
    phases: Sequence[str] = (),
    update_id: str = "",
    before_seq: int | None = None,
    limit: int = 200,
) -> list[JournalRow]:
    """Moves of updates through the journal, newest first."""
    rows = JournalEntry.objects.filter(session_id=session_pk(session_id), side=side)
    if page_id:
        rows = rows.filter(page_id=page_id)
    if phases:
        rows = rows.filter(phase__in=list(phases))
    if update_id:
        rows = rows.filter(update_id=update_id)
    if before_seq is not None:
        rows = rows.filter(seq__lt=before_seq)
    return [
        JournalRow(
            r.side, r.seq, r.idx, r.turn, r.update_id, r.page_id, r.phase, r.reason, json.loads(r.data)
        )
        for r in rows.order_by("-seq", "-idx")[:limit]
    ]


def residency_at(session_id: str, turn: int, side: str = "primary") -> dict[str, Fidelity]:
    """Page id → fidelity in the prompt of ``turn``, of the pages above absent."""
    from memory.store.history import residency

    return residency(session_id, turn, side)


def snapshot_seq(session_id: str) -> int:
    """The seq of the stored engine state, 0 if there is none."""
    found = Snapshot.objects.filter(session_id=session_pk(session_id)).values_list("seq", flat=True).first()
    return found or 0
