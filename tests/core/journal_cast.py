"""A session with pages to write to, for the tests of the journal."""

from __future__ import annotations

from typing import Any

from memory.core import Outcome, page_view
from tests.core.cast import Session, of

ANN = "operator:ann"


def a_session(**started: Any) -> Session:
    session = Session(budget=1000, **started)
    session.add("plan", "plan")
    session.add("shared", "preference", scope="project")
    session.add("rule", "constraint")
    session.prompt()
    return session


def phases(told: list[Outcome], phase: str) -> list[tuple[str, str]]:
    return [(o.data["update_id"], o.data["reason"]) for o in of(told, "journal") if o.data["phase"] == phase]


def version(session: Session, page_id: str = "plan") -> int:
    view = page_view(session.state, page_id)
    assert view is not None
    return view.version
