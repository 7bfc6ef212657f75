"""Appending events, and what a store's refusal means in HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from ninja import Router

from inspector.api.auth import session_for
from inspector.api.errors import ApiError, not_found, too_large
from inspector.schemas import EventBatch, EventsAppended, plain_all
from memory import store
from memory.core.errors import EventError
from memory.store.rows import NewEvent

router = Router(tags=["log"])

#: Kinds that a harness may not send: people act through /acts, and commits of a project come from us.
NOT_FROM_A_HARNESS = {
    "operator_pin": "acts",
    "operator_unpin": "acts",
    "operator_demote": "acts",
    "operator_restore": "acts",
    "operator_undo": "acts",
    "write_resolved": "acts",
    "project_commit": "",
}


@contextmanager
def refusals(*, batch: bool = True) -> Iterator[None]:
    """Turns what the store refuses into what the API answers; ``batch``: a bad item has an index."""
    try:
        yield
    except store.UnknownSession:
        raise not_found("session") from None
    except store.UnknownProject:
        raise not_found("project", "project") from None
    except store.NoAdapter:
        how = "Send events, or create the session with an adapter."
        raise ApiError(
            409, "This session has no adapter to read records with.", code="no_adapter", how=how
        ) from None
    except store.LimitExceeded as error:
        raise too_large(error.what, error.limit, error.got) from None
    except store.EventConflict as error:
        raise ApiError(
            409,
            f"The event id {error.client_event_id!r} was used before for another event.",
            code="event_conflict",
            where="client_event_id",
            how="Use a new id for a new event; repeat an event with exactly its first body.",
            client_event_id=error.client_event_id,
        ) from None
    except EventError as error:
        index = getattr(error, "index", None) if batch else None
        raise bad_item(index, error.where, error.why) from None


def bad_item(index: int | None, where: str, why: str) -> ApiError:
    """One item of a batch is wrong; nothing of the batch was stored."""
    place = where if index is None else f"{index}: {where}"
    item = {"index": index, "where": where, "why": why}
    return ApiError(422, f"{place}: {why}", code="invalid_event", where=where, items=[item])


def check_batch(count: int) -> None:
    if count > settings.CLAWWEB_MAX_BATCH:
        raise too_large("items in one batch", settings.CLAWWEB_MAX_BATCH, count)


def _new_event(index: int, item: Any) -> NewEvent:
    place = NOT_FROM_A_HARNESS.get(item.kind)
    if place is not None:
        why = f"{item.kind} is not sent as an event" + (f"; POST it to …/{place}" if place else "")
        raise bad_item(index, "kind", why)
    if not isinstance(item.body, dict):
        raise bad_item(index, "body", "must be an object")
    return NewEvent(item.kind, item.body, item.client_event_id, item.at, item.v)


@router.post("/sessions/{uuid:session_id}/events", response=EventsAppended, summary="Append events")
def append_events(request: HttpRequest, session_id: UUID, body: EventBatch) -> dict[str, Any]:
    """All or nothing, in the order sent; `seq` is gapless. An
    id that was sent before is answered with its first seq.
    """
    session_for(request, session_id, "operator")
    check_batch(len(body.events))
    events = [_new_event(index, item) for index, item in enumerate(body.events)]
    with refusals():
        appended = store.append_events(str(session_id), events)
    return {"items": plain_all(appended), "last_seq": max(a.seq for a in appended)}
