"""Bodies of events from JSON and back, strictly.

``decode_body`` accepts what the dataclasses of ``events`` describe and nothing else; the first thing wrong is
an ``EventError`` that names the field. ``encode_body`` is canonical: ASCII, sorted keys, no spaces, fields at
their default left out, so one body has one form of bytes. Texts are passed on, never copied.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from memory.core import events as ev
from memory.core import forms, policy_form, versions
from memory.core.errors import EventError
from memory.core.types import (
    DEGRADATION_PATH,
    MAX_TOKENS,
    BoundaryKind,
    Fidelity,
    Mode,
    PageType,
    Pin,
    RecallReason,
    Scope,
    ToolKind,
    WriteOp,
)

Check = forms.Check
LABELS = forms.LABELS
_fail, _Form = forms.fail, forms.Form
_id, _string, _filled, _title, _bool = (
    forms.identifier, forms.string, forms.filled, forms.title, forms.boolean,
)  # fmt: skip
_count, _worth, _fidelity, _present = forms.count, forms.worth, forms.fidelity, forms.present
_enum, _words, _optional, _list = forms.enum_of, forms.one_of, forms.optional, forms.list_of
_resource, _object, _counts = forms.resource, forms.an_object, forms.counts
_json, _json_object = forms.json_value, forms.json_object


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


# --- one table a class: field → check ---


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


MAX_RULE_NAMES = 100  # pages, and fields, of one write rule: each update is held against them
_RULE = _Form(
    ev.WriteRule,
    {
        "name": _id, "types": _list(_enum(PageType)), "scopes": _list(_enum(Scope)),
        "pages": _list(_id, maximum=MAX_RULE_NAMES), "fields": _list(_filled, maximum=MAX_RULE_NAMES),
        "deny": _bool, "ops": _list(_enum(WriteOp)),
        "max_value_bytes": _optional(_count),
    },
)  # fmt: skip
MAX_RULES = 100  # write rules of one session
MAX_VALIDATORS = 32  # that one session requires, and verdicts on one update


MAX_PAGE_VERSION = 10**12  # of a project's page: no count of commits after it leaves what a count may be


def _version(value: Any, where: str) -> int:
    if _count(value, where) > MAX_PAGE_VERSION:
        _fail(where, f"must be from 0 to {MAX_PAGE_VERSION}")
    return int(value)


def _write_rule(value: Any, where: str) -> ev.WriteRule:
    rule: ev.WriteRule = _RULE.nested(value, where)
    if not (rule.deny or rule.ops or rule.max_value_bytes is not None):
        _fail(where, "forbids nothing: it needs deny, ops or max_value_bytes")
    if rule.deny and (rule.ops or rule.max_value_bytes is not None):
        _fail(where, "denies all, so ops and max_value_bytes say nothing")
    return rule


def _write_rules(value: Any, where: str) -> tuple[ev.WriteRule, ...]:
    rules: tuple[ev.WriteRule, ...] = _list(_write_rule, maximum=MAX_RULES)(value, where)
    policy_form.once(where, (rule.name for rule in rules))
    return rules


def _validators(value: Any, where: str) -> tuple[str, ...]:
    names: tuple[str, ...] = _list(_id, maximum=MAX_VALIDATORS)(value, where)
    policy_form.once(where, names)
    return names


_acts: dict[str, Check] = {"page_ids": _list(_id, 1), "reason": _string, "based_on_seq": _optional(_count)}
_leave: dict[str, Check] = {"page_id": _id, "reason": _string}
_opt_id, _opt_count, _opt_fidelity = _optional(_id), _optional(_count), _optional(_present)

_CHECKS: dict[type, dict[str, Check]] = {
    ev.SessionStarted: {
        "harness": _string, "mode": _enum(Mode), "policy": _filled, "model": _string, "window": _opt_count,
        "window_source": _words("recorded", "published", "configured", "unknown"), "reserve": _count,
        "budget": _opt_count, "shadow_policy": _optional(_filled), "shadow_budget": _opt_count,
        "settings": _json_object,
        "resumed_from": _optional(_string), "policies": policy_form.declared_policies,
        "write_rules": _write_rules, "validators": _validators,
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
    ev.Recall: {
        "query": _string, "found": _count, "detail": _string,
        "reason": _optional(_enum(RecallReason)), "pages": _list(_id),
    },
    ev.WriteStaged: {"update": _UPDATE.nested},
    ev.WriteJudged: {
        "update_id": _id, "validator": _id, "verdict": _words("allow", "deny"), "reason": _string,
        "evidence": _string,
    },
    ev.WriteResolved: {"update_id": _id, "action": _words("approve", "merge", "drop"), "value": _json},
    ev.Boundary: {
        "kind": _enum(BoundaryKind), "trigger": _string, "tokens_before": _opt_count,
        "tokens_after": _opt_count, "preserved": _optional(_list(_id)),
        "dropped": _list(_id), "leaves_pointers": _bool, "summary_page": _opt_id,
    },
    ev.ProjectCommit: {
        "page_id": _id, "version": _version, "representations": _representations, "origin_session": _string,
        "fields": forms.page_fields, "base_version": _opt_count,
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
_FORMS: dict[str, forms.Form] = {cls.KIND: _Form(cls, checks) for cls, checks in _CHECKS.items()}  # type: ignore[attr-defined]
_BY_CLASS: dict[type, forms.Form] = {
    f.cls: f for f in (*_FORMS.values(), _PROVENANCE, _PAGE, _UPDATE, _RULE, policy_form.FORM)
}
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


def decode_body(kind: str, raw: bytes | dict[str, Any], version: int | None = None) -> ev.Body:
    """The event body that ``raw`` (JSON bytes, or what ``json.loads`` gives) holds. ``version``: that of the
    kind in which it was written, ``None`` for the current one; an older body is migrated (see ``versions``).

    Raises ``EventError(where, why)`` for an unknown kind or field, a wrong type, a value over its limit or a
    version that is not known here.
    """
    form = _FORMS.get(kind)
    if form is None:
        raise EventError("kind", f"{kind[:80]!r} is no event kind; there are {', '.join(_FORMS)}")
    value = raw if isinstance(raw, dict) else parse_json(raw)
    if type(value) is not dict:
        raise EventError("body", "must be an object")
    body: ev.Body = form.read(value if version is None else versions.migrate(kind, value, version))
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


def write_rules_from_json(value: list[Any]) -> tuple[ev.WriteRule, ...]:
    """Write rules from what ``plain`` made of them."""
    return _write_rules(value, "write_rules")


def body_to_json(body: ev.Body) -> dict[str, Any]:
    """The body as plain JSON values, defaults left out."""
    found: dict[str, Any] = plain(body)
    return found


def encode_body(body: ev.Body) -> bytes:
    """Canonical bytes of a body; ``decode_body(body.KIND, encode_body(body)) == body``."""
    return canonical(plain(body))
