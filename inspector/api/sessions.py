"""Sessions: create or find, list, read."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Status

from inspector.api.auth import Access, access_of, session_for
from inspector.api.errors import ApiError, not_found
from inspector.api.events import refusals
from inspector.schemas import SessionFound, SessionIn, SessionList, SessionOut, Started, plain
from memory import store
from memory.store.rows import SessionRow

router = Router(tags=["sessions"])


def session_json(row: SessionRow) -> dict[str, Any]:
    body: dict[str, Any] = plain(row)
    return body


def _project(access: Access, wanted: str | None) -> tuple[int, str]:
    """The project that a new session belongs to: (id, slug)."""
    if wanted is not None:
        for project_id, slug in access.slugs.items():
            if slug == wanted:
                return project_id, slug
        raise not_found("project", "project")
    if len(access.slugs) == 1:
        return next(iter(access.slugs.items()))
    if not access.slugs:
        raise ApiError(403, "You are a member of no project.", where="project")
    names = ", ".join(sorted(access.slugs.values()))
    raise ApiError(
        422, f"Say which project: {names}.", where="project", items=[{"where": "project", "why": "missing"}]
    )


def _started(body: SessionIn) -> dict[str, Any] | None:
    """The body of ``session_started``, or None where the records or the sender open the session."""
    if body.started is None and (body.adapter or "started" in body.model_fields_set):
        return None
    given = body.started or Started.model_validate({})
    return {"harness": body.harness, "mode": body.mode.value, **given.model_dump()}


def _same_kind(row: SessionRow, body: SessionIn) -> None:
    for name, have, wanted in (
        ("harness", row.harness, body.harness),
        ("mode", row.mode, body.mode.value),
        ("adapter", row.adapter, body.adapter),
    ):
        if have != wanted:
            message = f"The session {body.key!r} exists with {name} {have!r}, not {wanted!r}."
            raise ApiError(
                409, message, code="session_differs", where=name, how="Use another key, or its values."
            )


@router.post("/sessions", response={200: SessionFound, 201: SessionFound}, summary="Create or find a session")
def create_session(request: HttpRequest, body: SessionIn) -> Status[dict[str, Any]]:
    """201 when it was made, 200 when it was there already; the same key finds the same session."""
    access = access_of(request)
    project_id, slug = _project(access, body.project)
    access.require(project_id, "operator")
    with refusals(batch=False):
        row, created = store.find_or_create_session(
            slug,
            body.key,
            name=body.name,
            harness=body.harness,
            mode=body.mode.value,
            adapter=body.adapter,
            parent_key=body.parent_key,
            started=_started(body),
        )
    if not created:
        _same_kind(row, body)
    return Status(201 if created else 200, {**session_json(row), "created": created})


@router.get("/sessions", response=SessionList, summary="List sessions")
def list_sessions(
    request: HttpRequest,
    search: str = Query("", max_length=200),
    harness: str = Query("", max_length=40),
    live: bool | None = None,
    faults: bool | None = None,
    sort: Literal["recent", "name", "faults", "turn"] = "recent",
    offset: int = Query(0, ge=0, le=10_000_000),
    limit: int = Query(50, ge=1, le=500),
) -> dict[str, Any]:
    """The sessions of the projects that you see, newest first."""
    rows, total = store.list_sessions(
        access_of(request).project_ids,
        search=search,
        harness=harness,
        live=live,
        faults=faults,
        sort=sort,
        offset=offset,
        limit=limit,
    )
    return {"items": [session_json(row) for row in rows], "total": total, "offset": offset, "limit": limit}


@router.get("/sessions/{uuid:session_id}", response=SessionOut, summary="Read a session's header")
def read_session(request: HttpRequest, session_id: UUID) -> dict[str, Any]:
    return session_json(session_for(request, session_id))
