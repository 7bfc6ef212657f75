"""Policies that a user declares: data in the shape of ``Policy``, read strictly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from memory.core import forms, strict_json
from memory.core.errors import EventError, PolicyError
from memory.core.policies import POLICIES, Policy

MAX_POLICIES: Final = 32  # declared in one session
MAX_NAME: Final = 80  # characters of a policy's name
_ALL: Final = "all"  # stands for every policy where policies are named


def _name(value: Any, where: str) -> str:
    name = forms.identifier(value, where)
    if len(name) > MAX_NAME:
        forms.fail(where, f"is longer than {MAX_NAME} characters")
    if name in POLICIES or name == _ALL:
        forms.fail(where, f"{name!r} is the name of a built-in policy")
    return name


def _percent(value: Any, where: str) -> int:
    if forms.count(value, where) > 100:
        forms.fail(where, "must be from 0 to 100")
    return int(value)


def _check_of(name: str, hint: Any) -> forms.Check:
    """The check of one field, by its type: percents, whole numbers, weights, switches, words."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType) and NoneType in args and len(args) == 2:
        return forms.optional(_check_of(name, next(arg for arg in args if arg is not NoneType)))
    if origin is Literal:
        return forms.one_of(*args)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return forms.enum_of(hint)
    if hint is int and name.endswith("_percent"):
        return _percent
    return {bool: forms.boolean, int: forms.count, float: forms.worth, str: forms.filled}[hint]


_HINTS: Final = get_type_hints(Policy)
FORM: Final = forms.Form(
    Policy, {f.name: _name if f.name == "name" else _check_of(f.name, _HINTS[f.name]) for f in fields(Policy)}
)


def declared_policy(value: Any, where: str) -> Policy:
    """One declared policy of an event, as JSON or as a ``Policy``; ``EventError`` names the field."""
    policy: Policy = FORM.nested(value.to_json() if isinstance(value, Policy) else value, where)
    _check_marks(policy, where + ".")
    return policy


def _check_marks(policy: Policy, prefix: str) -> None:
    """A steady policy has its marks in their order, and all that the steady choice does (docs/model.md)."""
    if policy.low_water_percent > policy.high_water_percent:
        forms.fail(f"{prefix}low_water_percent", "must not be above high_water_percent")
    if policy.refill_percent > policy.low_water_percent:
        forms.fail(f"{prefix}refill_percent", "must not be above low_water_percent")
    for name in ("selects", "auto_pins", "prefetch", "upgrades") if policy.steady else ():
        if not getattr(policy, name):
            forms.fail(f"{prefix}{name}", "must be true where steady is")


def declared_policies(value: Any, where: str) -> tuple[Policy, ...]:
    """A list of them, no name twice."""
    found: tuple[Policy, ...] = forms.list_of(declared_policy, maximum=MAX_POLICIES)(value, where)
    once(where, (policy.name for policy in found))
    return found


def once(where: str, names: Iterable[str]) -> None:
    """Refuses a name that comes twice in a list of things with names."""
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            forms.fail(f"{where}[{number}].name", f"{name[:80]!r} is there twice")
        seen.add(name)


def read_policy(raw: bytes | str | dict[str, Any], source: str = "policy") -> Policy:
    """The policy that JSON text, or what it holds, declares: ``name``, and any other field of ``Policy``
    (switches are off and weights 0 where they are left out).

    Raises ``PolicyError`` naming ``source`` and the field: unknown, missing, of a wrong type, negative, not
    finite, too large, or a name that a built-in policy has.
    """
    try:
        value = strict_json.read(raw) if isinstance(raw, bytes | str) else raw
        policy: Policy = FORM.read(forms.an_object(value, "policy"))
        _check_marks(policy, "")
    except EventError as error:
        raise PolicyError(source, error.where, error.why) from None
    return policy
