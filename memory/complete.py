"""Completion: what a sender may leave out of an event is filled in before the engine sees it.

The incomplete forms, beside the complete ones of ``memory.core.events``:

- ``page_created``: ``page.text`` (and optionally ``page.hint``) instead of ``page.representations``;
- ``page_updated``: ``text`` (and optionally ``hint``) instead of ``representations``; ``type`` names the
  page's type, by which the representations are made. Without it only full is made;
- ``tool_called``: ``args`` (and optionally ``cwd``, ``root``) instead of ``signature``; kind, reads and
  writes are filled in where they are missing.

``complete`` is pure, given the bundled vocabulary. A body that is complete already comes back unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from memory.core.errors import EventError
from memory.core.types import PageType

Body = dict[str, Any]
_PLACEHOLDER = {"full": {"tokens": 1, "text": ""}}


def complete(kind: str, body: Body) -> Body:
    """The body with representations, token counts, signature
    and ``rep_version`` filled in; raises ``EventError``.
    """
    if kind == "page_created":
        return _page_created(body)
    if kind == "page_updated":
        return _page_updated(body)
    if kind == "tool_called":
        return _tool_called(body)
    return body


def complete_many(items: Iterable[tuple[str, Body]]) -> list[Body]:
    """``complete`` for each (kind, body), in order."""
    return [complete(kind, body) for kind, body in items]


def check(kind: str, body: Body, version: int | None = None) -> None:
    """As ``memory.core.decode_body``, but the incomplete form passes too; cheap. Raises ``EventError``."""
    from memory.core import decode_body

    if kind == "page_created" and isinstance(page := body.get("page"), dict) and "text" in page:
        _text_of(page, "page")
        rest = {k: v for k, v in page.items() if k not in ("text", "hint")}
        body = {**body, "page": {**rest, "representations": _PLACEHOLDER}}
    elif kind == "page_updated" and "text" in body:
        _text_of(body, "")
        if "type" in body:
            _page_type(body["type"], "type")
        rest = {k: v for k, v in body.items() if k not in ("text", "hint", "type")}
        body = {**rest, "representations": _PLACEHOLDER}
    elif kind == "tool_called" and "args" in body:
        if not isinstance(body["args"], dict):
            raise EventError("args", "an object is needed")
        if "signature" in body:
            raise EventError("args", "either args or signature, not both")
        rest = {k: v for k, v in body.items() if k not in ("args", "cwd", "root")}
        body = {**rest, "signature": "-"}
    decode_body(kind, body, version)


def _text_of(holder: Body, where: str) -> tuple[str, dict[str, Any]]:
    """The text and the hint of an incomplete page."""
    dot = f"{where}." if where else ""
    text, hint = holder["text"], holder.get("hint") or {}
    if not isinstance(text, str):
        raise EventError(f"{dot}text", "a string is needed")
    if "representations" in holder:
        raise EventError(f"{dot}text", "either text or representations, not both")
    if not isinstance(hint, dict):
        raise EventError(f"{dot}hint", "an object is needed")
    return text, hint


def _page_type(value: Any, where: str) -> PageType:
    try:
        return PageType(value)
    except ValueError:
        raise EventError(where, f"unknown page type {str(value)[:40]!r}") from None


def _forms(page_type: PageType | None, text: str, page_id: str, title: str, hint: dict[str, Any]) -> Body:
    from memory.representations import build
    from memory.tokens import count

    if page_type is None:
        return {"full": {"tokens": max(count(text), 1), "text": text}}
    made = build(page_type, text, page_id=page_id, title=title, hint=hint)
    return {fidelity.label: {"tokens": rep.tokens, "text": rep.text} for fidelity, rep in made.items()}


def _version() -> str:
    from memory.representations import VERSION

    return VERSION


def _page_created(body: Body) -> Body:
    page = body.get("page")
    if not isinstance(page, dict) or "text" not in page:
        return body
    text, hint = _text_of(page, "page")
    kind = _page_type(page.get("type"), "page.type")
    forms = _forms(kind, text, str(page.get("page_id", "")), str(page.get("title") or ""), hint)
    rest = {k: v for k, v in page.items() if k not in ("text", "hint")}
    return {**body, "page": {**rest, "representations": forms}, "rep_version": _version()}


def _page_updated(body: Body) -> Body:
    if "text" not in body:
        return body
    text, hint = _text_of(body, "")
    kind = _page_type(body["type"], "type") if body.get("type") else None
    forms = _forms(kind, text, str(body.get("page_id", "")), str(body.get("title") or ""), hint)
    rest = {k: v for k, v in body.items() if k not in ("text", "hint", "type")}
    return {**rest, "representations": forms, "rep_version": _version()}


def _tool_called(body: Body) -> Body:
    if "args" not in body or "signature" in body:
        return body
    from memory.harness.signature import describe

    args = body["args"] if isinstance(body["args"], dict) else {}
    call = describe(
        str(body.get("tool", "")), args, str(body.get("cwd") or ""), str(body.get("root") or "") or None
    )
    rest = {k: v for k, v in body.items() if k not in ("args", "cwd", "root")}
    rest["signature"] = call.signature
    rest.setdefault("kind", call.kind.value)
    rest.setdefault("reads", list(call.reads))
    rest.setdefault("writes", list(call.writes))
    return rest
