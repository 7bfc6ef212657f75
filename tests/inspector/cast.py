"""Sessions for the inspector's tests: real ones, folded by the engine, and views made by hand."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model

from memory import store
from memory.core.outcomes import PageView, SideView
from memory.core.types import DEFAULT_MIN, Fidelity, PageStatus, PageType, Pin, Scope
from memory.models import Member, Project, Role
from memory.store import NewEvent, PageRow
from memory.tasks import drain_now
from tests.memory.cast import STARTED, page, prompt, session_events

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \x1b[31m\x00 \u202eevil\u202c \ud800"


def side(fidelity: Fidelity = Fidelity.FULL, tokens: int = 100, **more: Any) -> SideView:
    fields: dict[str, Any] = {
        "reason": "recorded",
        "since_turn": 3,
        "recency": 0.5,
        "faults": 0,
        "faults_inferred": 0,
        "insufficient": 0,
        "page_ins": 0,
        "demand_turns": (),
    }
    return SideView(fidelity, tokens, **{**fields, **more})


def view(page_id: str = "p", kind: str = "evidence", **more: Any) -> PageView:
    page_type = PageType(kind)
    fields: dict[str, Any] = {
        "title": page_id,
        "scope": Scope.SESSION,
        "pin": Pin.NONE,
        "min_fidelity": DEFAULT_MIN[page_type],
        "cap": None,
        "status": PageStatus.LIVE,
        "dirty": False,
        "version": 0,
        "inferred": False,
        "resolvable": True,
        "provenance_kind": "tool_call",
        "provenance_ref": "c1",
        "provenance_record": None,
        "base_utility": 5.0,
        "recompute_cost": 8.0,
        "tokens": {Fidelity.POINTER: 10, Fidelity.FULL: 100},
        "created_seq": 1,
        "text_seq": 1,
        "order": 0,
        "primary": side(),
        "shadow": None,
    }
    return PageView(page_id=page_id, type=page_type, **{**fields, **more})


def row(page_id: str = "p", changed_seq: int = 1, **more: Any) -> PageRow:
    return PageRow(view(page_id, **more), changed_seq)


def person(name: str, role: str | None = Role.OPERATOR.value, project: str = "lab") -> Any:
    """A user; with a role, a member of the project."""
    store.ensure_project(project, project.title())
    user, _ = get_user_model().objects.get_or_create(username=name)
    if role is not None:
        Member.objects.update_or_create(
            user=user, project=Project.objects.get(slug=project), defaults={"role": role}
        )
    return user


def session(key: str = "s", events: list[NewEvent] | None = None, **more: Any) -> str:
    """A folded session's id."""
    store.ensure_project("lab", "Lab")
    fields: dict[str, Any] = {"name": key, "harness": "mine", "mode": "enforced", "started": STARTED}
    made, _ = store.find_or_create_session("lab", key, **{**fields, **more})
    add(made.id, session_events(10) if events is None else events)
    return made.id


def add(session_id: str, events: list[NewEvent]) -> None:
    """Appends and folds at once, as a worker would."""
    if events:
        store.append_events(session_id, events)
    while drain_now(session_id):
        pass


def small(key: str = "small", **more: Any) -> str:
    """Two pages, one prompt."""
    events = [page("rules", "Always test.", "bootstrap"), page("file", "text of a file " * 40), prompt(1)]
    return session(key, events, **more)
