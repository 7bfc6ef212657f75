"""Bodies of events from JSON and back, strictly.

``decode_body`` accepts what the dataclasses of ``events`` describe and nothing else; the first thing wrong is
an ``EventError`` that names the field. ``encode_body`` is canonical: ASCII, sorted keys, no spaces, fields at
their default left out, so one body has one form of bytes. Texts are passed on, never copied.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from enum import StrEnum
from typing import Any, cast

from memory.core import events as ev
from memory.core.errors import EventError
from memory.core.types import (
    DEGRADATION_PATH,
    MAX_LIST,
    MAX_PAGE_ID,
    MAX_TITLE,
    MAX_TOKENS,
    BoundaryKind,
    Fidelity,
    Mode,
    PageType,
    Pin,
    Scope,
    ToolKind,
)

#: Characters of a free string (reason, rule, evidence, signature); page texts are not bound by it.
MAX_STRING = 100_000
MAX_RESOURCE = 8_192  # characters of one resource name
MAX_MAP = 1_000  # entries of a map of counts
MAX_DEPTH = 64  # of free JSON (settings, values, notes)
MAX_COUNT = 10**15  # of any count
MAX_UTILITY = 1e12  # of base_utility and recompute_cost

_BAD_ID = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
LABELS: dict[str, Fidelity] = {f.label: f for f in Fidelity}

Check = Callable[[Any, str], Any]


def _fail(where: str, why: str) -> Any:
    raise EventError(where, why)


# --- checks: each takes a JSON value and where it stands, gives the value to keep or raises EventError ---


def _id(value: Any, where: str) -> str:
    if type(value) is not str:
        _fail(where, "must be a string")
    if not value:
        _fail(where, "is empty")
    if len(value) > MAX_PAGE_ID:
        _fail(where, f"is longer than {MAX_PAGE_ID} characters")
    if _BAD_ID.search(value):
        _fail(where, "holds a control character or half a surrogate pair")
    return cast(str, value)


def _string(value: Any, where: str) -> str:
    if type(value) is not str:
        _fail(where, "must be a string")
    if len(value) > MAX_STRING:
        _fail(where, f"is longer than {MAX_STRING} characters")
    return cast(str, value)


def _filled(value: Any, where: str) -> str:
    return _string(value, where) or cast(str, _fail(where, "is empty"))


def _title(value: Any, where: str) -> str:
    if len(_string(value, where)) > MAX_TITLE:
        _fail(where, f"is longer than {MAX_TITLE} characters")
    return cast(str, value)


def _bool(value: Any, where: str) -> bool:
    return value if type(value) is bool else cast(bool, _fail(where, "must be true or false"))


def _count(value: Any, where: str) -> int:
    if type(value) is not int:
        _fail(where, "must be a whole number")
    if not 0 <= value <= MAX_COUNT:
        _fail(where, f"must be from 0 to {MAX_COUNT}")
    return cast(int, value)


def _worth(value: Any, where: str) -> float:
    if type(value) is not float and type(value) is not int:
        _fail(where, "must be a number")
    if not (math.isfinite(value) if type(value) is float else abs(value) <= MAX_UTILITY):
        _fail(where, "must be finite")
    if not 0 <= value <= MAX_UTILITY:
        _fail(where, f"must be from 0 to {MAX_UTILITY:g}")
    return float(value)


def _fidelity(value: Any, where: str) -> Fidelity:
    found = LABELS.get(value) if type(value) is str else None
    return found if found is not None else _fail(where, f"must be one of {', '.join(LABELS)}")


def _present(value: Any, where: str) -> Fidelity:
    found = _fidelity(value, where)
    return found if found else _fail(where, "must be above absent")


def _enum(cls: type[StrEnum]) -> Check:
    members = {m.value: m for m in cls}

    def check(value: Any, where: str) -> Any:
        found = members.get(value) if type(value) is str else None
        return found if found is not None else _fail(where, f"must be one of {', '.join(members)}")

    return check


def _words(*words: str) -> Check:
    def check(value: Any, where: str) -> Any:
        return (
            value
            if type(value) is str and value in words
            else _fail(where, f"must be one of {', '.join(words)}")
        )

    return check


def _optional(inner: Check) -> Check:
    def check(value: Any, where: str) -> Any:
        return None if value is None else inner(value, where)

    return check


def _list(inner: Check, minimum: int = 0) -> Check:
    def check(value: Any, where: str) -> tuple[Any, ...]:
        if type(value) is not list and type(value) is not tuple:
            _fail(where, "must be a list")
        if len(value) > MAX_LIST:
            _fail(where, f"has more than {MAX_LIST} entries")
        if len(value) < minimum:
            _fail(where, "is empty")
        return tuple([inner(entry, f"{where}[{i}]") for i, entry in enumerate(value)])

    return check


def _resource(value: Any, where: str) -> str:
    if len(_filled(value, where)) > MAX_RESOURCE:
        _fail(where, f"is longer than {MAX_RESOURCE} characters")
    return cast(str, value)


def _object(value: Any, where: str) -> dict[str, Any]:
    if type(value) is not dict:
        _fail(where, "must be an object")
    for key in value:
        if type(key) is not str:
            _fail(where, "has a key that is no string")
    return cast(dict[str, Any], value)


def _counts(value: Any, where: str) -> dict[str, int]:
    if len(_object(value, where)) > MAX_MAP:
        _fail(where, f"has more than {MAX_MAP} entries")
    return {_string(key, where): _count(count, f"{where}.{key[:80]}") for key, count in value.items()}


def _json(value: Any, where: str, depth: int = 0) -> Any:
    kind = type(value)
    if value is None or kind is str or kind is bool or kind is int:
        return value
    if kind is float:
        return value if math.isfinite(value) else _fail(where, "must be finite")
    if depth >= MAX_DEPTH:
        _fail(where, f"is nested deeper than {MAX_DEPTH}")
    if kind is list:
        for entry in value:
            _json(entry, where, depth + 1)
        return value
    for entry in _object(value, where).values():
        _json(entry, where, depth + 1)
    return value


def _json_object(value: Any, where: str) -> Any:
    return _json(_object(value, where), where)


def _representation(value: Any, where: str) -> ev.Representation:
    if type(value) is ev.Representation:
        value = {"tokens": value.tokens, "text": value.text}
    for key in _object(value, where):
        if key != "tokens" and key != "text":
            _fail(f"{where}.{key[:80]}", "is not a field of a representation")
    tokens, text = value.get("tokens"), value.get("text", "")
    if type(tokens) is not int or not 1 <= tokens <= MAX_TOKENS:
        _fail(f"{where}.tokens", f"must be a whole number from 1 to {MAX_TOKENS}")
    if type(text) is not str:
        _fail(f"{where}.text", "must be a string")
    return ev.Representation(tokens, text)


def _representations(value: Any, where: str) -> dict[Fidelity, ev.Representation]:
    found = {}
    for label, rep in _object(value, where).items():
        found[_present(label, f"{where}.{label[:80]}")] = _representation(rep, f"{where}.{label}")
    if Fidelity.FULL not in found:
        _fail(f"{where}.full", "is missing")
    below = 0
    for fidelity in sorted(found):
        if found[fidelity].tokens <= below:
            _fail(f"{where}.{fidelity.label}.tokens", "must be more than the next lower fidelity's")
        below = found[fidelity].tokens
    return {fidelity: found[fidelity] for fidelity in sorted(found)}


def check_path(page_type: PageType, reps: dict[Fidelity, ev.Representation], where: str) -> None:
    """Refuse representations that the type's degradation path does not have."""
    path = DEGRADATION_PATH[page_type]
    for fidelity in reps:
        if fidelity not in path:
            _fail(f"{where}.{fidelity.label}", f"is not on the path of {page_type.value}")


# --- one table a class: field → check; requiredness and defaults come from the dataclass ---


class _Form:
    """How one dataclass is read: its checks, its required fields, its defaults."""

    __slots__ = ("checks", "cls", "defaults", "name", "required")

    def __init__(self, cls: type, checks: dict[str, Check]) -> None:
        self.cls, self.checks = cls, checks
        self.name = getattr(cls, "KIND", cls.__name__)
        bare = [f for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
        self.required = tuple(f.name for f in bare)
        self.defaults: dict[str, Any] = {}
        for f in fields(cls):
            if f.default is not MISSING:
                self.defaults[f.name] = f.default
            elif f.default_factory is not MISSING:
                self.defaults[f.name] = f.default_factory()
        assert {f.name for f in fields(cls)} == set(checks), cls

    def read(self, value: dict[str, Any], prefix: str = "") -> Any:
        checks = self.checks
        kept = {}
        for key, entry in value.items():
            check = checks.get(key)
            if check is None:
                _fail(f"{prefix}{str(key)[:80]}", f"is not a field of {self.name}")
            kept[key] = cast(Check, check)(entry, prefix + key)
        missing = [key for key in self.required if key not in kept]
        if missing:
            more = ", ".join(missing[1:])
            _fail(prefix + missing[0], f"is missing, and so is: {more}" if more else "is missing")
        return self.cls(**kept)

    def nested(self, value: Any, where: str) -> Any:
        return self.read(_object(value, where), where + ".")


_PROVENANCE = _Form(
    ev.Provenance,
    {
        "kind": _words("tool_call", "span", "file", "operator", "import"),
        "ref": _filled,
        "record": _optional(_count),
    },
)
_PAGE = _Form(
    ev.PageSpec,
    {
        "page_id": _id, "type": _enum(PageType), "provenance": _PROVENANCE.nested,
        "representations": _representations, "scope": _enum(Scope), "title": _title,
        "pin": _optional(_enum(Pin)), "min_fidelity": _optional(_present), "base_utility": _worth,
        "recompute_cost": _worth, "dirty": _bool, "inferred": _bool, "resolvable": _bool,
        "resources": _list(_resource),
    },
)  # fmt: skip
_UPDATE = _Form(
    ev.Update,
    {
        "update_id": _id, "page_id": _id, "field": _string, "op": _string, "value": _json, "scope": _string,
        "evidence_ref": _string, "base_version": _count,
    },
)  # fmt: skip


def _page(value: Any, where: str) -> ev.PageSpec:
    spec: ev.PageSpec = _PAGE.nested(value, where)
    check_path(spec.type, spec.representations, f"{where}.representations")
    if spec.min_fidelity is not None and spec.min_fidelity not in DEGRADATION_PATH[spec.type]:
        _fail(f"{where}.min_fidelity", f"is not on the path of {spec.type.value}")
    return spec


_acts: dict[str, Check] = {"page_ids": _list(_id, 1), "reason": _string, "based_on_seq": _optional(_count)}
_leave: dict[str, Check] = {"page_id": _id, "reason": _string}
_opt_id, _opt_count, _opt_fidelity = _optional(_id), _optional(_count), _optional(_present)

_CHECKS: dict[type, dict[str, Check]] = {
    ev.SessionStarted: {
        "harness": _string, "mode": _enum(Mode), "policy": _filled, "model": _string, "window": _opt_count,
        "window_source": _words("recorded", "published", "configured", "unknown"), "reserve": _count,
        "budget": _opt_count, "shadow_policy": _optional(_filled), "settings": _json_object,
        "resumed_from": _optional(_string),
    },
    ev.SettingsChanged: {
        "budget": _opt_count, "policy": _optional(_filled), "reserve": _opt_count,
        "model": _optional(_string), "window": _opt_count,
    },
    ev.PageCreated: {"page": _page, "rep_version": _string},
    ev.PageUpdated: {
        "page_id": _id, "representations": _representations, "what": _string, "durable": _bool,
        "provenance": _optional(_PROVENANCE.nested), "title": _optional(_title), "rep_version": _string,
    },
    ev.PageSuperseded: {**_leave, "by": _opt_id},
    ev.PageRetired: _leave,
    ev.PageLinked: {"page_id": _id, "session": _filled, "relation": _words("sub_agent", "fork", "rewind")},
    ev.DirtyMarked: _leave,
    ev.DemandDeclared: {"page_id": _id, "fidelity": _present, "rule": _string},
    ev.PromptRequested: {"request_id": _id, "fixed_tokens": _count},
    ev.PromptObserved: {
        "request_id": _id, "recorded_tokens": _opt_count, "cached_tokens": _opt_count, "model": _string,
        "unseen_items": _counts,
    },
    ev.ModelAnswered: {
        "request_id": _id, "usage": _counts, "page_id": _opt_id, "stop_reason": _string,
        "prompt_sha256": _optional(_string), "prompt_matches": _optional(_bool),
    },
    ev.DemandObserved: {
        "page_id": _id, "fidelity": _present, "rule": _string, "evidence": _string, "exact": _bool,
        "call_repeat": _bool,
    },
    ev.ToolCalled: {
        "call_id": _id, "tool": _string, "signature": _filled, "kind": _enum(ToolKind), "refresh": _bool,
        "reads": _list(_resource), "writes": _list(_resource), "exact": _bool,
    },
    ev.ToolReturned: {"call_id": _id, "page_id": _opt_id, "error": _bool},
    ev.Recall: {"query": _string, "found": _count, "reason": _optional(_string), "pages": _list(_id)},
    ev.WriteStaged: {"update": _UPDATE.nested},
    ev.WriteResolved: {"update_id": _id, "action": _words("approve", "merge", "drop"), "value": _json},
    ev.Boundary: {
        "kind": _enum(BoundaryKind), "trigger": _string, "tokens_before": _opt_count,
        "tokens_after": _opt_count, "preserved": _optional(_list(_id)),
        "dropped": _list(_id), "leaves_pointers": _bool, "summary_page": _opt_id,
    },
    ev.ProjectCommit: {
        "page_id": _id, "version": _count, "representations": _representations, "origin_session": _string,
    },
    ev.OperatorPin: {**_acts, "pin": _enum(Pin), "min_fidelity": _opt_fidelity},
    ev.OperatorUnpin: _acts,
    ev.OperatorDemote: {**_acts, "cap": _present},
    ev.OperatorRestore: {**_acts, "version": _opt_count},
    ev.OperatorUndo: {"act_seq": _count, "reason": _string},
    ev.Receipt: {"act_seq": _count, "seen": _bool, "turn": _opt_count, "how": _string},
    ev.SessionEnded: {"reason": _string},
    ev.Noted: {"what": _string, "data": _json_object},
}  # fmt: skip
_FORMS: dict[str, _Form] = {cls.KIND: _Form(cls, checks) for cls, checks in _CHECKS.items()}  # type: ignore[attr-defined]
_BY_CLASS: dict[type, _Form] = {f.cls: f for f in (*_FORMS.values(), _PROVENANCE, _PAGE, _UPDATE)}
assert set(_FORMS) == set(ev.KINDS)


def _no_constant(name: str) -> Any:
    raise EventError("body", f"{name} is no number of JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))


def parse_json(raw: bytes | str) -> Any:
    """JSON, without NaN and infinities; ``EventError`` for anything else."""
    try:
        return _DECODER.decode(raw if isinstance(raw, str) else raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise EventError("body", f"is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise EventError("body", "is nested too deep") from None
    except ValueError as error:
        raise EventError("body", f"is not JSON ({error})") from None


def canonical(value: Any) -> bytes:
    """Canonical ASCII JSON of plain values: sorted keys, no spaces."""
    return _ENCODER.encode(value).encode("ascii")


def decode_body(kind: str, raw: bytes | dict[str, Any]) -> ev.Body:
    """The event body that ``raw`` (JSON bytes, or what ``json.loads`` gives) holds.

    Raises ``EventError(where, why)`` for an unknown kind or field, a wrong type or a value over its limit.
    """
    form = _FORMS.get(kind)
    if form is None:
        raise EventError("kind", f"{kind[:80]!r} is no event kind; there are {', '.join(_FORMS)}")
    value = raw if isinstance(raw, dict) else parse_json(raw)
    if type(value) is not dict:
        raise EventError("body", "must be an object")
    body: ev.Body = form.read(value)
    return body


def plain(value: Any) -> Any:
    """Plain JSON values of a body or a part of one; fields at their default are left out."""
    kind = type(value)
    if kind is str or value is None or kind is int or kind is bool or kind is float:
        return value
    if kind is Fidelity:
        return value.label
    if isinstance(value, StrEnum):
        return value.value
    if kind is tuple or kind is list:
        return [plain(entry) for entry in value]
    if kind is dict:
        return {key.label if type(key) is Fidelity else key: plain(entry) for key, entry in value.items()}
    if kind is ev.Representation:
        return {"tokens": value.tokens, "text": value.text} if value.text else {"tokens": value.tokens}
    form = _BY_CLASS[kind]
    found = {}
    for name in form.checks:
        entry = getattr(value, name)
        if name not in form.defaults or entry != form.defaults[name]:
            found[name] = plain(entry)
    return found


def update_from_json(value: dict[str, Any]) -> ev.Update:
    """An update from what ``plain`` made of it."""
    update: ev.Update = _UPDATE.read(value)
    return update


def body_to_json(body: ev.Body) -> dict[str, Any]:
    """The body as plain JSON values, defaults left out."""
    found: dict[str, Any] = plain(body)
    return found


def encode_body(body: ev.Body) -> bytes:
    """Canonical bytes of a body; ``decode_body(body.KIND, encode_body(body)) == body``."""
    return canonical(plain(body))
