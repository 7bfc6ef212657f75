"""The core's views as JSON text in a row and back, made from their dataclasses' own type hints."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, Final, TypeVar

from memory.core.outcomes import PageView, SessionView, SideView
from memory.core.types import ChangeReason, Fidelity, PageStatus
from memory.safe import one_line

MAX_TITLE: Final = 1_000  # characters
MAX_PROVENANCE: Final = 400
_T = TypeVar("_T")
_Convert = Callable[[Any], Any]


def dump_view(view: Any) -> str:
    """ASCII JSON of a ``PageView`` or ``SessionView``; fidelities as numbers."""
    return json.dumps(_fields_of(view), separators=(",", ":"))


def load_page_view(text: str) -> PageView:
    """The stored view, safe for display but for ``page_id``, which is the page's identity. A page without a
    title is called by its id.
    """
    view = _load(PageView, text)
    return replace(
        view,
        title=one_line(view.title or view.page_id, MAX_TITLE),
        provenance_kind=one_line(view.provenance_kind, MAX_PROVENANCE),
        provenance_ref=one_line(view.provenance_ref, MAX_PROVENANCE),
    )


def load_session_view(text: str) -> SessionView | None:
    """None for a header that no drain has written yet."""
    return None if text == "{}" else _load(SessionView, text)


def is_pending(side: SideView, prompt_seq: int) -> bool:
    """Whether the page is in no prompt only because none was assembled since it came. ``prompt_seq`` is that
    of the newest prompt: a page's row is not written again when a prompt passes it by.
    """
    return side.fidelity is Fidelity.ABSENT and side.pending_seq > prompt_seq


def still_stands(page: PageView, cleared: tuple[int, int]) -> bool:
    """Whether a superseded page's old text still stands in the prompt of a session that we only watch: it was
    superseded after ``cleared``, (seq, turn) of the last compaction or reset.
    """
    if page.status != PageStatus.SUPERSEDED:
        return False
    if page.primary.reason == ChangeReason.LEFT:
        return page.primary.since_turn > cleared[1]
    return not page.primary.reason and page.created_seq > cleared[0]  # superseded before it was in a prompt


def _load(cls: type[_T], text: str) -> _T:
    made: _T = _decoder(cls)(json.loads(text))
    return made


_names: dict[type, list[str]] = {}
_decoders: dict[type, _Convert] = {}


def _fields_of(view: Any) -> dict[str, Any]:
    cls = type(view)
    names = _names.get(cls) or _names.setdefault(cls, [f.name for f in fields(cls)])
    return {name: _plain(getattr(view, name)) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, Fidelity):
        return int(value)
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return _fields_of(value)
    if isinstance(value, dict):
        return {_plain(k): v for k, v in value.items()}
    return value


def _decoder(cls: type) -> _Convert:
    return _decoders.get(cls) or _decoders.setdefault(cls, _make_decoder(cls))


def _make_decoder(cls: Any) -> _Convert:
    hints = typing.get_type_hints(cls)
    converts = {f.name: _converter(hints[f.name]) for f in fields(cls)}

    def decode(data: dict[str, Any]) -> Any:
        # What a row of an earlier version lacks stays at the field's default.
        return cls(**{name: convert(data[name]) for name, convert in converts.items() if name in data})

    return decode


def _converter(hint: Any) -> _Convert:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = _converter(next(a for a in args if a is not type(None)))
        return lambda value: None if value is None else inner(value)
    if origin is dict and args[0] is Fidelity:
        return lambda value: {Fidelity(int(k)): v for k, v in value.items()}
    if origin is tuple:
        inner = _converter(args[0])
        return lambda value: tuple(inner(entry) for entry in value)
    if isinstance(hint, type) and is_dataclass(hint):
        return _decoder(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    return lambda value: value
