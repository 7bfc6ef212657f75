"""Pages: the table, and one page with its texts."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router

from inspector.api.auth import session_for
from inspector.api.errors import not_found
from inspector.schemas import FidelityLabel, PageDetail, PageList, Side, plain, plain_all
from memory import store
from memory.core.types import Fidelity, PageType
from memory.store.rows import PageRow

router = Router(tags=["pages"])


def page_json(row: PageRow) -> dict[str, Any]:
    return {**plain(row.view), "changed_seq": row.changed_seq}


@router.get("/sessions/{uuid:session_id}/pages", response=PageList, summary="List pages")
def list_pages(
    request: HttpRequest,
    session_id: UUID,
    side: Side = "primary",
    sort: str = Query("order", max_length=40),
    desc: bool = False,
    type: Annotated[list[PageType] | None, Query()] = None,
    fidelity: FidelityLabel | None = None,
    pin: Literal["", "none", "soft", "hard"] = "",
    dirty: bool | None = None,
    faulted: bool | None = None,
    status: Literal["live", "superseded", "retired", "all"] = "live",
    text: str = Query("", max_length=200),
    offset: int = Query(0, ge=0, le=10_000_000),
    limit: int = Query(200, ge=1, le=1000),
) -> dict[str, Any]:
    """A window of the page table, sorted and filtered as asked."""
    session_for(request, session_id)
    rows, total = store.pages(
        str(session_id),
        side=side,
        sort=sort,
        desc=desc,
        types=tuple(t.value for t in type or ()),
        fidelity=None if fidelity is None else Fidelity[fidelity.upper()],
        pin=pin,
        dirty=dirty,
        faulted=faulted,
        status="" if status == "all" else status,
        text=text,
        offset=offset,
        limit=limit,
    )
    return {"items": [page_json(row) for row in rows], "total": total, "offset": offset, "limit": limit}


@router.get(
    "/sessions/{uuid:session_id}/pages/{path:page_id}",
    response=PageDetail,
    summary="Read a page with its texts",
)
def read_page(request: HttpRequest, session_id: UUID, page_id: str) -> dict[str, Any]:
    """The page as it stands, every representation's text, and its versions."""
    session_for(request, session_id)
    row = store.page(str(session_id), page_id)
    if row is None:
        raise not_found("page")
    return {
        **page_json(row),
        "representations": plain(store.page_texts(str(session_id), page_id, raw=True)),
        "versions": plain_all(store.page_versions(str(session_id), page_id)),
    }
