"""Commits to pages of project scope reach every other live session of the project that has the page.

They do so in the transaction that stores the commit, as ``project_commit`` events, so that each session's log
folds alone. ``ProjectPage`` says what the project agreed on; its row is locked first (by page id), then the
rows of the sessions (by their id), then everything else is as in any drain: so two sessions that commit to
each other wait, and never for each other.

Two commits that cross (both were in the logs before either was folded) have one winner: the one stored first.
The other session is told with ``crossed``, and its own commit is parked there as destructive.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from memory import core
from memory.core.outcomes import Outcome
from memory.core.types import Scope, Side
from memory.models import Event, Page, ProjectPage, Session
from memory.store import wake
from memory.store.pack import canonical, event_sha256, pack, unpack_json

log = logging.getLogger(__name__)
MAX_EVENT: Final = 64 * 1024 * 1024  # bytes of a commit's body; more is not sent on
Reps = dict[str, Any]


@dataclass
class Commit:
    """The newest commit to a page in a batch. ``base``: the version that the batch found."""

    base: int
    version: int
    text_seq: int
    fields: dict[str, Any]
    reps: Reps = field(default_factory=dict)


class Shared:
    """What a batch did to pages of project scope: gathered event by event."""

    def __init__(self) -> None:
        self.commits: dict[str, Commit] = {}
        self.created: set[str] = set()

    def add(self, kind: str, body: dict[str, Any], state: Any, outcomes: list[Outcome]) -> None:
        """One event that was applied."""
        if kind == "page_created" and body["page"].get("scope") == Scope.PROJECT:
            self.created.add(body["page"]["page_id"])
        elif kind == "project_commit":
            self.commits.pop(body["page_id"], None)  # what was committed before it is history
            self.created.discard(body["page_id"])
        told = _committed(outcomes, operators_only=Scope.PROJECT not in core.grants(state))
        for page_id in sorted(set(told)):
            view = core.page_view(state, page_id)
            if view is not None and view.scope is Scope.PROJECT:
                base = view.version - told.count(page_id)
                if page_id in self.commits:
                    base = self.commits[page_id].base
                fields = core.committed_fields(state, page_id)
                self.commits[page_id] = Commit(base, view.version, view.text_seq, fields)


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
    ids = sorted({*shared.commits, *shared.created})
    bare = [ProjectPage(project_id=own.project_id, page_id=page_id) for page_id in ids]
    ProjectPage.objects.bulk_create(bare, batch_size=200, ignore_conflicts=True)
    rows = ProjectPage.objects.filter(project_id=own.project_id, page_id__in=ids).order_by("page_id")
    agreed = list(_lock(rows))
    holders = _holders(own, list(shared.commits))
    for row in agreed:
        commit = shared.commits.get(row.page_id)
        if commit is not None and commit.base >= row.version:
            row.version, row.session_id, row.text_seq = commit.version, pk, commit.text_seq
            row.fields = pack(canonical(commit.fields))
            made.agreed.append(row)
            body = _body(row, commit.reps, own.key)
            for other in holders.get(row.page_id, ()):
                made.events.setdefault(other, []).append(body)
        elif row.version:
            _tell_own(pk, row, made, crossed=commit is not None)
    if made.events:
        sessions = _lock(Session.objects.filter(pk__in=[*made.events, pk]).order_by("pk"))
        made.last = dict(sessions.values_list("pk", "last_seq"))
    return made


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


def _tell_own(pk: uuid.UUID, row: ProjectPage, made: Plan, *, crossed: bool) -> None:
    """The batch made or committed a page that the project has a version of: this session is told of it."""
    from memory.store.reads import representations

    if row.session_id is None:
        return
    held = Event.objects.filter(session_id=row.session_id, seq=row.text_seq).first()
    if held is None:
        return
    reps = representations(held.kind, unpack_json(held.completed or held.body))
    origin = Session.objects.only("key").get(pk=row.session_id)
    made.events.setdefault(pk, []).append(_body(row, reps, origin.key, crossed=crossed))


def _body(row: ProjectPage, reps: Reps, origin: str, *, crossed: bool = False) -> tuple[str, dict[str, Any]]:
    fields = unpack_json(row.fields)
    page = hashlib.sha256(row.page_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    body = {
        "page_id": row.page_id,
        "version": row.version,
        "representations": reps,
        "origin_session": origin,
        **({"fields": fields} if fields else {}),
    }
    event_id = f"project:{page}:{row.version}"
    return (f"{event_id}:crossed", {**body, "crossed": True}) if crossed else (event_id, body)


def store(made: Plan) -> None:
    """Appends what was planned; an event that is there already is left."""
    for row in made.agreed:
        row.save(update_fields=["version", "session", "text_seq", "fields"])
    now = timezone.now()
    for pk in sorted(made.events):
        ids = [event_id for event_id, _ in made.events[pk]]
        known = set(
            Event.objects.filter(session_id=pk, client_event_id__in=ids).values_list(
                "client_event_id", flat=True
            )
        )
        rows: list[Event] = []
        for event_id, body in made.events[pk]:
            raw = canonical(body)
            if len(raw) > MAX_EVENT:
                log.warning("session %s: the commit %s is too large to be sent on", pk, event_id)
            elif event_id not in known:
                rows.append(_row(pk, made.last[pk] + len(rows) + 1, event_id, raw))
        Event.objects.bulk_create(rows, batch_size=50)
        Session.objects.filter(pk=pk).update(last_seq=made.last[pk] + len(rows), arrived_at=now)
        wake.wake_on_commit(str(pk))


def _row(pk: uuid.UUID, seq: int, event_id: str, raw: bytes) -> Event:
    return Event(
        session_id=pk,
        seq=seq,
        kind="project_commit",
        actor="system",
        client_event_id=event_id,
        body=pack(raw),
        body_sha256=event_sha256("project_commit", raw),
        version=core.event_version("project_commit"),
    )
