"""Commits to pages of project scope reach every other live session of the project that has the page.

They do so in the transaction that stores the commit, as ``project_commit`` events, so that each session's
log folds alone. ``ProjectPage`` says what the project agreed on; its rows are locked first (by their id),
then the rows of the sessions (by their id), then everything else is as in any drain: so two sessions that
commit to each other wait, and never for each other.

A commit counts for the project if the session had folded the project's newest version before it. Else the two
crossed: the one stored first stands, and the engine parks the other when it comes to the event that tells of
the first (``base_version``).
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection
from django.db.models import F, QuerySet
from django.utils import timezone

from memory import core
from memory.core.outcomes import Outcome
from memory.core.types import Scope, Side
from memory.models import Event, Page, ProjectPage, Session
from memory.store import wake
from memory.store.append import chunks
from memory.store.pack import canonical, event_sha256, pack, unpack_json

log = logging.getLogger(__name__)
MAX_EVENT: Final = 64 * 1024 * 1024  # bytes of a commit's body; more is not sent on
_ROWS: Final = 200  # of one statement
Reps = dict[str, Any]


@dataclass
class Commit:
    """The newest commit to a page in a batch. ``seq``: the event of the first one that the batch has since
    the session was told of the project's; ``base``: the version before that.
    """

    seq: int
    base: int
    version: int
    text_seq: int
    fields: dict[str, Any]
    reps: Reps = field(default_factory=dict)


class Shared:
    """What a batch did to pages of project scope: gathered event by event."""

    def __init__(self) -> None:
        self.commits: dict[str, Commit] = {}
        self.asks: dict[str, int] = {}  # pages that the project may be ahead of: id → version here

    def __bool__(self) -> bool:
        return bool(self.commits or self.asks)

    def add(self, seq: int, kind: str, body: dict[str, Any], state: Any, outcomes: list[Outcome]) -> None:
        """One event that was applied."""
        if kind == "page_created" and body["page"].get("scope") == Scope.PROJECT:
            self.asks[body["page"]["page_id"]] = 0
        elif kind == "session_started":  # resumed: nobody told it anything while it was ended
            self.asks = {**core.project_pages(state), **self.asks}
        elif kind == "project_commit":
            self.commits.pop(body["page_id"], None)  # what was committed before it is history
            self.asks.pop(body["page_id"], None)
        told = _committed(outcomes, operators_only=Scope.PROJECT not in core.grants(state))
        for page_id in sorted(set(told)):
            view = core.page_view(state, page_id)
            if view is not None and view.scope is Scope.PROJECT:
                version, text_seq = core.committed_text(state, page_id)
                first = self.commits.get(page_id)
                at, base = (first.seq, first.base) if first else (seq, view.version - told.count(page_id))
                fields = core.committed_fields(state, page_id)
                self.commits[page_id] = Commit(at, base, version, text_seq, fields)


def _committed(outcomes: list[Outcome], *, operators_only: bool) -> list[str]:
    """Ids of the pages that were committed, each as often as it was. A session that may not write for the
    project does so by an operator's answer only.
    """
    moves = [
        o
        for o in outcomes
        if o.kind == "journal" and o.side is Side.PRIMARY and o.data["phase"] == "committed"
    ]
    return [str(o.page_id) for o in moves if not operators_only or o.data["reason"].startswith("operator:")]


@dataclass
class Plan:
    """What is to be stored, its rows locked. ``events``: session → (client_event_id, body)."""

    agreed: list[ProjectPage] = field(default_factory=list)
    events: dict[uuid.UUID, list[tuple[str, dict[str, Any]]]] = field(default_factory=dict)
    last: dict[uuid.UUID, int] = field(default_factory=dict)  # last_seq of each session


def _lock(rows: QuerySet[Any]) -> QuerySet[Any]:
    """SQLite's transactions are one writer's from their beginning."""
    return rows.select_for_update(no_key=True) if connection.features.has_select_for_update else rows


def plan(pk: uuid.UUID, shared: Shared) -> Plan:
    """Works out, inside the transaction and before anything else in it, who is told what."""
    made = Plan()
    own = Session.objects.only("project_id", "key").get(pk=pk)
    agreed = _agreed(own.project_id, sorted({*shared.commits, *shared.asks}))
    holders = _holders(own, list(shared.commits))
    told = _told(pk, [_event_id(row) for row in agreed if row.version])
    for row in agreed:
        commit = shared.commits.get(row.page_id)
        if commit is not None and _follows(pk, row, commit, told):
            before, row.version = row.version, commit.version
            row.session_id, row.text_seq = pk, commit.text_seq
            row.fields = pack(canonical(commit.fields))
            made.agreed.append(row)
            body = _body(row, commit.reps, own.key, before)
            for other in holders.get(row.page_id, ()):
                made.events.setdefault(other, []).append(body)
        elif row.session_id != pk and _event_id(row) not in told:
            here = shared.asks.get(row.page_id, row.version) if commit is None else commit.base
            _tell_own(pk, row, made, here)
    if made.events:
        sessions = _lock(Session.objects.filter(pk__in=[*made.events, pk]).order_by("pk"))
        made.last = dict(sessions.values_list("pk", "last_seq"))
    return made


def _agreed(project: int, page_ids: list[str]) -> list[ProjectPage]:
    """The project's row of each page, made if need be, and locked."""
    bare = [ProjectPage(project_id=project, page_id=page_id) for page_id in page_ids]
    ProjectPage.objects.bulk_create(bare, batch_size=_ROWS, ignore_conflicts=True)
    pks: list[int] = []
    for some in chunks(page_ids, _ROWS):
        pks += ProjectPage.objects.filter(project_id=project, page_id__in=some).values_list("pk", flat=True)
    found: list[ProjectPage] = []
    for keys in chunks(sorted(pks), _ROWS):
        found += _lock(ProjectPage.objects.filter(pk__in=keys).order_by("pk"))
    return found


def _follows(pk: uuid.UUID, row: ProjectPage, commit: Commit, told: dict[str, int]) -> bool:
    """Had the session folded the project's newest version before it committed?"""
    knew = row.version == 0 or row.session_id == pk or told.get(_event_id(row), commit.seq) < commit.seq
    return knew and commit.version > row.version


def _told(pk: uuid.UUID, event_ids: list[str]) -> dict[str, int]:
    """Those that stand in the session's log, each with its seq."""
    found: dict[str, int] = {}
    for some in chunks(event_ids, _ROWS):
        rows = Event.objects.filter(session_id=pk, client_event_id__in=some)
        found.update((str(event_id), seq) for event_id, seq in rows.values_list("client_event_id", "seq"))
    return found


def _holders(own: Session, page_ids: list[str]) -> dict[str, list[uuid.UUID]]:
    """Other live sessions of the project by the page that they have. Read after the page's row is locked: who
    creates it later waits for that row, and then finds the commit there.
    """
    found: dict[str, list[uuid.UUID]] = {}
    rows = Page.objects.filter(
        page_id__in=page_ids, session__project_id=own.project_id, session__ended=False
    ).exclude(session_id=own.pk)
    for session, page_id, view in rows.values_list("session_id", "page_id", "view"):
        if f'"scope":"{Scope.PROJECT.value}"' in view:
            found.setdefault(page_id, []).append(session)
    return found


def _tell_own(pk: uuid.UUID, row: ProjectPage, made: Plan, here: int) -> None:
    """The project may be ahead of this session, which stands or stood at version ``here``: it is told so."""
    from memory.store.reads import representations

    if row.session_id is None:
        return
    held = Event.objects.filter(session_id=row.session_id, seq=row.text_seq).first()
    if held is None:
        return
    reps = representations(held.kind, unpack_json(held.completed or held.body))
    origin = Session.objects.only("key").get(pk=row.session_id)
    made.events.setdefault(pk, []).append(_body(row, reps, origin.key, here))


def _event_id(row: ProjectPage) -> str:
    """Of the event that tells of the row's version: so no session is told twice. It begins with a control
    character, which no sender's id may hold: else one could have taken it, and no commit would get past it.
    """
    page = hashlib.sha256(row.page_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"\x1fproject:{page}:{row.version}"


def _body(row: ProjectPage, reps: Reps, origin: str, before: int) -> tuple[str, dict[str, Any]]:
    fields = unpack_json(row.fields)
    body = {
        "page_id": row.page_id,
        "version": row.version,
        "representations": reps,
        "origin_session": origin,
        "base_version": before,
        **({"fields": fields} if fields else {}),
    }
    return _event_id(row), body


def store(made: Plan) -> None:
    """Appends what was planned, a few sessions at a time. Nothing of it can be there already: a page's
    versions only grow, and each is told once to a session that was not told of it.
    """
    for row in made.agreed:
        row.save(update_fields=["version", "session", "text_seq", "fields"])
    now = timezone.now()
    packed = {event_id: _packed(body) for told in made.events.values() for event_id, body in told}
    for some in chunks(sorted(made.events), _ROWS):
        rows = []
        by_count: dict[int, list[uuid.UUID]] = {}
        for pk in some:
            ids = [event_id for event_id, _ in made.events[pk] if packed[event_id][0]]
            rows += [
                _row(pk, made.last[pk] + n, event_id, *packed[event_id]) for n, event_id in enumerate(ids, 1)
            ]
            by_count.setdefault(len(ids), []).append(pk)
        Event.objects.bulk_create(rows, batch_size=_ROWS)
        for count, pks in by_count.items():
            Session.objects.filter(pk__in=pks).update(last_seq=F("last_seq") + count, arrived_at=now)
    for pk in sorted(made.events):
        wake.wake_on_commit(str(pk))


def _packed(body: dict[str, Any]) -> tuple[bytes, str]:
    """As it is stored, and its hash; nothing of one that is too large to be sent on."""
    raw = canonical(body)
    if len(raw) > MAX_EVENT:
        log.warning("version %d of %r is too large to be sent on", body["version"], body["page_id"])
        return b"", ""
    return pack(raw), event_sha256("project_commit", raw)


def _row(pk: uuid.UUID, seq: int, event_id: str, packed: bytes, sha256: str) -> Event:
    return Event(
        session_id=pk,
        seq=seq,
        kind="project_commit",
        actor="system",
        client_event_id=event_id,
        body=packed,
        body_sha256=sha256,
        version=core.event_version("project_commit"),
    )
