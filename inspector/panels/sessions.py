"""The list of sessions: one row each."""

from __future__ import annotations

import datetime as dt
import shlex
import time
from typing import Any

from inspector.panels.head import names_of, used_tokens
from inspector.panels.window_map import percent
from inspector.queries import SessionsLook
from inspector.templatetags.claw import dom_id
from memory.core.types import PageType
from memory.safe import display
from memory.store import SessionRow

IMPORTED = dt.timedelta(minutes=10)  # so much later than it happened: no news of now
MODE_WORDS = {"enforced": "enforced", "injected": "observed, pins injected", "observed": "observed"}


def gauge(session: SessionRow) -> dict[str, Any] | None:
    """The budget split by page type, as shares of window or budget; None before the first prompt."""
    view = session.view
    if view is None or not view.turn:
        return None
    used = used_tokens(view, "primary")
    limit = view.window if view.mode != "enforced" else view.primary.budget
    by_type = {t.value: view.primary.by_type.get(t.value, 0) for t in PageType}
    outside = view.unseen_tokens + view.fixed_tokens + view.stale_tokens
    scale = max(limit or 0, sum(by_type.values()) + outside, 1)
    cells, at = [], outside
    for name, tokens in by_type.items():
        if tokens:
            cells.append({"type": name, "x": percent(at / scale), "width": percent(tokens / scale)})
            at += tokens
    words = ", ".join(f"{name} {tokens:,}" for name, tokens in by_type.items() if tokens)
    title = (
        f"{used:,}" + (f" of {limit:,}" if limit else "") + f" tokens: unseen {view.unseen_tokens:,}, {words}"
    )
    return {"cells": cells, "unseen": percent(outside / scale), "used": used, "limit": limit, "title": title}


def row(session: SessionRow) -> dict[str, Any]:
    view = session.view
    name, title = names_of(session)
    return {
        "id": f"s-{session.id}",
        "session": session,
        "name": name,
        "title": title,
        "mode": MODE_WORDS.get(session.mode, session.mode),
        "gauge": gauge(session),
        "inferred": sum(view.primary.faults_inferred.values()) if view else 0,
        "insufficient": sum(view.primary.insufficient.values()) if view else 0,
        "turn": view.turn if view else session.turn,
        "at": session.last_event_at or session.created_at,
        "imported": imported(session),
    }


def imported(session: SessionRow) -> str:
    """When a session came whose newest event is older than its arrival, in words; '' for any other."""
    last, arrived = session.last_event_at, session.arrived_at
    if last is None or arrived is None:
        return ""
    came = dt.datetime.fromisoformat(arrived)
    if came - dt.datetime.fromisoformat(last) < IMPORTED:
        return ""
    just_now = dt.datetime.now(dt.UTC) - came < dt.timedelta(minutes=2)
    return "imported just now" if just_now else f"imported {arrived}"


def context(look: SessionsLook, found: list[SessionRow], total: int, everything: int) -> dict[str, Any]:
    sorts = (("recent", "recent"), ("name", "name"), ("faults", "faults"), ("turn", "turns"))
    return {
        "look": look,
        "rows": [row(s) for s in found],
        "total": total,
        "everything": everything,
        "harnesses": sorted({s.harness for s in found} | ({look.harness} if look.harness else set())),
        "sorts": sorts,
        "more_query": look.query(limit=min(look.limit + 100, 1_000)) if total > len(found) else "",
    }


def offer(item: Any) -> dict[str, str]:
    """A transcript found on this machine, as the first screen offers it."""
    path = str(getattr(item, "path", item))
    title = str(getattr(item, "title", "") or path)
    return {
        "title": display(title, 200),
        "argument": shlex.quote(display(path, 1_000)),
        "key": dom_id(path, "f"),
        "at": time.strftime("%Y-%m-%d %H:%M", time.gmtime(getattr(item, "modified", 0))),
    }
