"""Workload files: a short way to write an event log. Read strictly, then converted; nothing else runs.

``read_workload`` refuses the whole file at the first thing wrong and names source, turn and field. Turns are
counted from 0 in a workload, as ``created`` counts them; the trace's record of turn 0 has turn 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Final

from memory.core import events as ev
from memory.core import forms, strict_json
from memory.core.errors import EventError, WorkloadError
from memory.core.policies import POLICIES, Policy
from memory.core.types import (
    DEGRADATION_PATH,
    MAX_LIST,
    MAX_PAGES,
    MAX_TOKENS,
    BoundaryKind,
    Fidelity,
    Mode,
    PageType,
    Pin,
    RecallReason,
    Scope,
    ToolKind,
)
from memory.core.writes import RESERVED_IDS

#: Limits of one file. A page has at most ``MAX_TOKENS``, a list of a turn at most ``MAX_LIST`` entries.
MAX_BYTES: Final = 256 * 2**20
MAX_TURNS: Final = 200_000
MAX_EVENTS: Final = 999_999  # that it becomes

HARNESS: Final = "workload"
_PROVENANCE_KINDS: Final = ("tool_call", "span", "file", "operator", "import")


@dataclass(frozen=True, slots=True)
class PageEntry:
    """``created``: the first turn, from 0, whose prompt can hold the page."""

    page: ev.PageSpec
    created: int


@dataclass(frozen=True, slots=True)
class Demand:
    page_id: str
    fidelity: Fidelity


@dataclass(frozen=True, slots=True)
class Call:
    """``result``: the page that holds the answer; it may enter the table later."""

    signature: str
    result: str | None = None
    kind: ToolKind = ToolKind.READ
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class RecallEntry:
    query: str
    found: int = 0
    reason: RecallReason | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn, its lists in the order of the file."""

    lifecycle: tuple[BoundaryKind, ...] = ()
    dirty: tuple[str, ...] = ()
    writes: tuple[ev.Update, ...] = ()
    demands: tuple[Demand, ...] = ()
    observed: tuple[Demand, ...] = ()
    tool_calls: tuple[Call, ...] = ()
    recalls: tuple[RecallEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload that was read whole and holds together."""

    workload_id: str
    pages: tuple[PageEntry, ...]
    turns: tuple[Turn, ...]
    multi_session: bool = False
    grants: tuple[str, ...] = ("session", "project")


def read_workload(raw: bytes | str | dict[str, Any], source: str = "workload") -> Workload:
    """A workload from JSON bytes or text, or from what ``json.loads`` gave.

    Raises ``WorkloadError`` naming ``source``, turn and field; nothing of a refused file is used.
    """
    try:
        if isinstance(raw, bytes | str):
            if len(raw) > MAX_BYTES:
                raise EventError(strict_json.WHOLE, f"is larger than {MAX_BYTES} bytes")
            raw = strict_json.read(raw)
        if type(raw) is not dict:
            raise EventError(strict_json.WHOLE, "must hold a JSON object")
        values = _known(raw, _FILE, ("pages", "turns"))
        pages = _pages(values["pages"])
    except EventError as error:
        raise WorkloadError(source, None, error.where, error.why) from None
    return Workload(
        values.get("workload_id", ""),
        pages,
        _turns(values["turns"], pages, source),
        values.get("multi_session", False),
        values.get("grants", ("session", "project")),
    )


# --- reading: every check takes a JSON value and where it stands, and gives what to keep ---

Check = forms.Check


def _known(
    value: Any, checks: dict[str, Check], required: tuple[str, ...], where: str = ""
) -> dict[str, Any]:
    """The fields of an object, checked; one that is unknown or missing is refused."""
    if type(value) is not dict:
        forms.fail(where or strict_json.WHOLE, "must be an object")
    dot = f"{where}." if where else ""
    for key in value:
        if key not in checks:
            forms.fail(f"{dot}{str(key)[:80]}", f"is not a known field; there are {', '.join(checks)}")
    for key in required:
        if key not in value:
            forms.fail(dot + key, "is missing")
    return {key: checks[key](entry, dot + key) for key, entry in value.items()}


def _object_of(cls: type, checks: dict[str, Check], *required: str) -> Check:
    def check(value: Any, where: str) -> Any:
        return cls(**_known(value, checks, required, where))

    return check


def _whole(value: Any, where: str) -> Any:
    """A list that is checked later, entry by entry."""
    return value if type(value) is list or type(value) is tuple else forms.fail(where, "must be a list")


def _tokens(value: Any, where: str) -> dict[Fidelity, ev.Representation]:
    found: dict[Fidelity, ev.Representation] = {}
    for label, count in forms.an_object(value, where).items():
        fidelity = forms.LABELS.get(label)
        if not fidelity:
            forms.fail(f"{where}.{label[:80]}", "is no fidelity above absent")
        elif type(count) is not int or not 1 <= count <= MAX_TOKENS:
            forms.fail(f"{where}.{label}", f"must be a whole number from 1 to {MAX_TOKENS}")
        else:
            found[fidelity] = ev.Representation(count)
    if Fidelity.FULL not in found:
        forms.fail(f"{where}.full", "is missing")
    below = 0
    for fidelity in sorted(found):
        if found[fidelity].tokens <= below:
            forms.fail(f"{where}.{fidelity.label}", "must be more than the next lower fidelity's")
        below = found[fidelity].tokens
    return {fidelity: found[fidelity] for fidelity in sorted(found)}


def _provenance(value: Any, where: str) -> ev.Provenance:
    """A kind that the event log does not have is kept as an import, with the kind in its reference."""
    found = _known(value, {"kind": forms.filled, "ref": forms.filled}, ("kind", "ref"), where)
    kind, ref = found["kind"], found["ref"]
    return ev.Provenance(kind, ref) if kind in _PROVENANCE_KINDS else ev.Provenance("import", f"{kind}:{ref}")


def _lifecycle(value: Any, where: str) -> tuple[BoundaryKind, ...]:
    kind = forms.enum_of(BoundaryKind)
    return (kind(value, where),) if type(value) is str else forms.list_of(kind)(value, where)


def _update(value: Any, where: str) -> ev.Update:
    """Scope and op are free text here: the journal's checks judge them."""
    given = {"scope": Scope.SESSION.value, **value} if type(value) is dict else value
    found: ev.Update = _UPDATE.nested(given, where)
    return found


_UPDATE = forms.Form(
    ev.Update,
    {
        "update_id": forms.identifier, "page_id": forms.identifier, "field": forms.string, "op": forms.string,
        "value": forms.json_value, "scope": forms.string, "evidence_ref": forms.string,
        "base_version": forms.count,
    },
)  # fmt: skip
_DEMAND = _object_of(Demand, {"page_id": forms.identifier, "fidelity": forms.present}, "page_id", "fidelity")
_CALL = _object_of(
    Call,
    {
        "signature": forms.filled, "result": forms.optional(forms.identifier),
        "kind": forms.enum_of(ToolKind), "refresh": forms.boolean,
    },
    "signature",
)  # fmt: skip
_RECALL = _object_of(
    RecallEntry,
    {
        "query": forms.string, "found": forms.count, "reason": forms.optional(forms.enum_of(RecallReason)),
    },
    "query",
)  # fmt: skip
_FILE: dict[str, Check] = {
    "workload_id": forms.string, "multi_session": forms.boolean,
    "grants": forms.list_of(forms.one_of(*(scope.value for scope in Scope))), "pages": _whole,
    "turns": _whole,
}  # fmt: skip
_PAGE: dict[str, Check] = {
    "page_id": forms.identifier, "type": forms.enum_of(PageType), "scope": forms.enum_of(Scope),
    "pin": forms.enum_of(Pin), "min_fidelity": forms.present, "tokens": _tokens,
    "base_utility": forms.worth, "recompute_cost": forms.worth, "provenance": _provenance,
    "created": forms.count,
}  # fmt: skip
_TURN: dict[str, Check] = {
    "lifecycle": _lifecycle, "dirty": forms.list_of(forms.identifier), "writes": forms.list_of(_update),
    "demands": forms.list_of(_DEMAND), "observed": forms.list_of(_DEMAND), "tool_calls": forms.list_of(_CALL),
    "recalls": forms.list_of(_RECALL),
}  # fmt: skip


def _pages(entries: Any) -> tuple[PageEntry, ...]:
    if len(entries) > MAX_PAGES:
        forms.fail("pages", f"has more than {MAX_PAGES} entries")
    seen: set[str] = set()
    found = []
    for number, value in enumerate(entries):
        entry = _page(value, f"pages[{number}]")
        if entry.page.page_id in seen:
            forms.fail(f"pages[{number}].page_id", f"{entry.page.page_id[:80]!r} is there twice")
        seen.add(entry.page.page_id)
        found.append(entry)
    return tuple(found)


def _page(value: Any, where: str) -> PageEntry:
    given = _known(value, _PAGE, ("page_id", "type", "tokens", "provenance"), where)
    created, reps = given.pop("created", 0), given.pop("tokens")
    path = DEGRADATION_PATH[given["type"]]
    for fidelity in reps:
        if fidelity not in path:
            forms.fail(f"{where}.tokens.{fidelity.label}", f"is not on the path of {given['type'].value}")
    if given.get("min_fidelity", path[0]) not in path:
        forms.fail(f"{where}.min_fidelity", f"is not on the path of {given['type'].value}")
    return PageEntry(ev.PageSpec(representations=reps, **given), created)


def _turns(entries: Any, pages: tuple[PageEntry, ...], source: str) -> tuple[Turn, ...]:
    if len(entries) > MAX_TURNS:
        raise WorkloadError(source, None, "turns", f"has more than {MAX_TURNS} entries")
    created = {entry.page.page_id: entry.created for entry in pages}
    updates: set[str] = set()
    found, size = [], 2 + len(pages)  # the session's start and end
    for number, value in enumerate(entries):
        try:
            if type(value) is not dict:
                forms.fail("turn", "must be an object")
            turn = Turn(**_known(value, _TURN, ()))
            _check_references(turn, number, created)
            _check_updates(turn, updates)
        except EventError as error:
            raise WorkloadError(source, number, error.where, error.why) from None
        size += _turn_size(turn)
        if size > MAX_EVENTS:
            raise WorkloadError(source, number, "turns", f"become more than {MAX_EVENTS} events")
        found.append(turn)
    return tuple(found)


def _check_references(turn: Turn, number: int, created: dict[str, int]) -> None:
    """Every page that a turn names is one of the file's, and in the table by then unless it is a result."""
    for name in ("dirty", "writes", "demands", "observed"):
        for place, entry in enumerate(getattr(turn, name)):
            page_id = entry if name == "dirty" else entry.page_id
            where = f"{name}[{place}]" if name == "dirty" else f"{name}[{place}].page_id"
            if page_id not in created:
                forms.fail(where, f"there is no page {page_id[:80]!r}")
            if created[page_id] > number:
                forms.fail(where, f"page {page_id[:80]!r} is not created before turn {created[page_id]}")
    for place, call in enumerate(turn.tool_calls):
        if call.result is not None and call.result not in created:
            forms.fail(f"tool_calls[{place}].result", f"there is no page {call.result[:80]!r}")


def _check_updates(turn: Turn, seen: set[str]) -> None:
    for place, update in enumerate(turn.writes):
        if update.update_id in seen:
            forms.fail(f"writes[{place}].update_id", f"{update.update_id[:80]!r} is there twice")
        if update.update_id.startswith(RESERVED_IDS):
            forms.fail(
                f"writes[{place}].update_id", f"begins with {' or '.join(RESERVED_IDS)}: those are ours"
            )
        seen.add(update.update_id)


# --- the event log that it is ---


def _turn_size(turn: Turn) -> int:
    """Events of one turn; a call is two, and the prompt one."""
    return 1 + len(turn.tool_calls) + sum(len(getattr(turn, field.name)) for field in fields(Turn))


def workload_events(workload: Workload, policy: Policy, budget: int) -> list[ev.Event]:
    """The event log of the workload under a policy that has ``budget`` tokens for all of it (in a workload of
    many sessions the policy gets its share).
    """
    bodies = [_started(workload, policy, budget), *_bodies(workload), ev.SessionEnded("end of the workload")]
    return [ev.Event(seq, body) for seq, body in enumerate(bodies, 1)]


def _started(workload: Workload, policy: Policy, budget: int) -> ev.SessionStarted:
    settings = {
        "grants": list(workload.grants),
        "multi_session": workload.multi_session,
        "representations": "token counts as given",
        "signatures": "as given",
        "turns": len(workload.turns),
        "workload_id": workload.workload_id,
    }
    declared: dict[str, Any] = {}
    if POLICIES.get(policy.name) != policy:
        declared["policies"] = (policy,)
    return ev.SessionStarted(
        HARNESS, Mode.ENFORCED, policy=policy.name, budget=budget, settings=settings, **declared
    )


def _bodies(workload: Workload) -> Iterator[ev.Body]:
    entering: dict[int, list[ev.PageSpec]] = {}
    for entry in workload.pages:
        entering.setdefault(entry.created, []).append(entry.page)
    for number, turn in enumerate(workload.turns):
        yield from map(ev.PageCreated, entering.get(number, ()))
        yield from map(ev.DirtyMarked, turn.dirty)
        yield from map(ev.WriteStaged, turn.writes)
        yield from map(ev.Boundary, turn.lifecycle)
        for demand in turn.demands:
            yield ev.DemandDeclared(demand.page_id, demand.fidelity, "workload")
        yield ev.PromptRequested(f"turn-{number}")
        for demand in turn.observed:
            yield ev.DemandObserved(demand.page_id, demand.fidelity, "workload")
        for place, call in enumerate(turn.tool_calls):
            call_id = f"turn-{number}-call-{place}"
            yield ev.ToolCalled(call_id, "", call.signature, call.kind, call.refresh)
            yield ev.ToolReturned(call_id, call.result)
        for recall in turn.recalls:
            yield ev.Recall(recall.query, recall.found, recall.reason)


assert {field.name for field in fields(Turn)} == set(_TURN)
assert MAX_LIST * len(_TURN) < MAX_EVENTS  # a turn that is too large is refused before it is added up
