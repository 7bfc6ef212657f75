"""The five checks of a staged update, in order; the first that fails gives reason, validator and detail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from memory.core import codec
from memory.core.events import Update, WriteRule
from memory.core.outcomes import PageView
from memory.core.page_table import PageTable
from memory.core.pages import Page
from memory.core.types import Fidelity, Pin, RejectReason, WriteOp

MAX_VALUE_BYTES: Final = 65_536  # of one update's value, as canonical JSON
MAX_FIELD: Final = 200  # characters of a field's name
MAX_DETAIL: Final = 400  # characters of a verdict's reason that are kept
_OPS: Final = frozenset(op.value for op in WriteOp)

#: A plug-in: a pure function of an update and its page as it stands; why not, or '' if it may be committed.
Validator = Callable[[Update, PageView], str]


class Verdict(NamedTuple):
    """What validation says. ``reason`` is a ``RejectReason``, '' if all passed; ``validator`` the check that
    spoke last: schema, provenance, scope, version, pin, ``rule:`` or ``plugin:`` with a name.
    """

    reason: str
    validator: str
    detail: str = ""


PASSED: Final = Verdict("", "all")


def check_form(update: Update) -> Verdict:
    """Fields, types and sizes."""
    why = ""
    if not update.field:
        why = "field is empty"
    elif len(update.field) > MAX_FIELD:
        why = f"field is longer than {MAX_FIELD} characters"
    elif update.value is None:
        why = "value is missing"
    elif update.base_version < 0:
        why = "base_version is negative"
    elif len(codec.canonical(update.value)) > MAX_VALUE_BYTES:
        why = f"value takes more than {MAX_VALUE_BYTES} bytes"
    return Verdict(RejectReason.SCHEMA_INVALID, "schema", why) if why else PASSED


def check_room(why: str) -> Verdict:
    """Sizes once more: of all that the page's fields hold (see ``merging``)."""
    return Verdict(RejectReason.SCHEMA_INVALID, "schema", why) if why else PASSED


def check_evidence(update: Update, table: PageTable) -> Verdict:
    """Is the page that the update rests on known now? One that left the table still resolves."""
    if update.evidence_ref in table.by_id:
        return PASSED
    why = f"no page {update.evidence_ref[:80]!r} is known"
    return Verdict(RejectReason.PROVENANCE_UNRESOLVED, "provenance", why)


def check_scope(update: Update, page: Page, grants: frozenset[str]) -> Verdict:
    """The page's own scope, and one that the session may write."""
    if update.scope != page.scope:
        why = f"the page is of scope {page.scope.value}"
    elif update.scope not in grants:
        why = f"the session may not write scope {update.scope}"
    else:
        return PASSED
    return Verdict(RejectReason.SCOPE_DENIED, "scope", why)


def check_version(update: Update, version: int) -> Verdict:
    """An operation that keeps what others wrote. ``version``: last committed one of the page."""
    if update.op not in _OPS:
        why = f"{update.op[:40]!r} is none of {', '.join(WriteOp)}"
    elif update.op == WriteOp.SET_WITH_VERSION and update.base_version != version:
        why = f"based on version {update.base_version}, and {version} is the last committed one"
    else:
        return PASSED
    return Verdict(RejectReason.DESTRUCTIVE_OP, "version", why)


def check_pin(update: Update, page: Page) -> Verdict:
    """Would it lower the pin or minimum of a page pinned hard? A value that is none counts as lower."""
    lowers = False
    if page.pin is Pin.HARD and update.field == "pin":
        lowers = update.value != Pin.HARD
    elif page.pin is Pin.HARD and update.field == "min_fidelity":
        value = codec.LABELS.get(update.value) if isinstance(update.value, str) else None
        lowers = (value or Fidelity.ABSENT) < page.minimum
    if not lowers:
        return PASSED
    return Verdict(RejectReason.POLICY_DENIED, "pin", f"it would lower the {update.field} of a hard pin")


def check_rules(update: Update, page: Page, rules: tuple[WriteRule, ...]) -> Verdict:
    """The declared write policies, in the order of their declaration."""
    for rule in rules:
        if _binds(rule, update, page):
            why = _forbids(rule, update)
            if why:
                return Verdict(RejectReason.POLICY_DENIED, f"rule:{rule.name}", why)
    return PASSED


def _binds(rule: WriteRule, update: Update, page: Page) -> bool:
    if (rule.types and page.type not in rule.types) or (rule.scopes and page.scope not in rule.scopes):
        return False
    if rule.fields and update.field not in rule.fields:
        return False
    return not rule.pages or any(
        page.page_id.startswith(one[:-1]) if one.endswith("*") else page.page_id == one for one in rule.pages
    )


def _forbids(rule: WriteRule, update: Update) -> str:
    if rule.deny:
        return "nothing may be written here"
    if rule.ops and update.op not in rule.ops:
        return f"only {', '.join(rule.ops)} may be used here"
    most = rule.max_value_bytes
    if most is not None and len(codec.canonical(update.value)) > most:
        return f"value takes more than {most} bytes"
    return ""


def check_plugins(
    update: Update,
    page: PageView | None,
    validators: Mapping[str, Validator],
    required: tuple[str, ...],
    logged: Mapping[str, tuple[str, str]],
) -> Verdict:
    """The plug-ins by name: those required, those registered in this process, those that spoke in the log.

    A logged verdict (allow or deny, reason) holds and nobody is asked again. One that is required, not
    registered and not logged is missing: the update is parked until it comes, so that no boundary loses it.
    """
    for name in sorted({*validators, *required, *logged}):
        if name in logged:
            verdict, why = logged[name]
            why = "" if verdict == "allow" else why or "denied"
        elif name in validators and page is not None:
            why = _ask(validators[name], update, page)
        else:
            why = f"{MISSING} of {name}"
        if why:
            return Verdict(RejectReason.POLICY_DENIED, f"plugin:{name}", why[:MAX_DETAIL])
    return PASSED


MISSING: Final = "no verdict"


def lacks_verdict(validator: str, detail: str) -> bool:
    """Was an update parked only because a plug-in's verdict had not come?"""
    return validator.startswith("plugin:") and detail == f"{MISSING} of {validator[7:]}"[:MAX_DETAIL]


def _ask(validator: Validator, update: Update, page: PageView) -> str:
    """A plug-in's word; one that fails has denied. Of its error the kind is told, not the text."""
    try:
        why = validator(update, page)
    except Exception as error:
        return f"the validator failed: {type(error).__name__}"
    return why if isinstance(why, str) else "the validator gave no text"
