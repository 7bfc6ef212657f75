"""What the adapter remembers of a session, and the making of events: pages, demands, boundaries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from memory.core.resources import Readers
from memory.core.types import PageType, ToolKind
from memory.harness import EventTuple
from memory.harness.claude_code import demands
from memory.harness.claude_code.identity import KnownPage, OpenCall, bounded
from memory.harness.claude_code.plans import Plan


class Context:
    """One session's memory. The events of the record in hand are collected in ``out``."""

    def __init__(self) -> None:
        self.out: list[EventTuple] = []
        self.n = 0  # the record in hand
        self.at = ""
        self.uuid = ""
        self.root: str | None = None  # working directory of the first record that has one
        self.cwd = ""
        self.pages: dict[str, KnownPage] = {}
        self.index = demands.Index()
        self.plan = Plan()
        self.rules: dict[str, str] = {}  # page id -> the rule word for word
        self.gone: set[str] = set()  # rules that a boundary took out and that nothing brought back
        self.title = ""
        self.calls: dict[str, OpenCall] = {}
        self.answers: dict[str, int] = {}  # message id -> lines so far; lines of one answer may interleave
        self.by_uuid: dict[str, list[str]] = {}
        self.page_of_call: dict[str, str] = {}
        self.results: dict[str, str] = {}  # signature → page of its latest result
        self.readers: Readers[str] = Readers()  # evidence pages by what they depend on
        self.demanded: dict[str, tuple[int, bool]] = {}  # in this turn: page -> fidelity, exact
        self.turn = 0
        self.recorded: int | None = None  # the last prompt's size
        self.queue: list[tuple[str, str]] = []  # prompts typed while the agent works: text, when
        self.attachments = False  # the version records what it attaches
        self.summary = ""  # page id that the next summary gets
        self.since = 1  # first record after the last boundary
        self.span = (1, 1)  # records that the next summary stands for

    def emit(self, kind: str, body: dict[str, Any]) -> None:
        self.out.append((kind, body, self.at))

    def noted(self, what: str, **data: Any) -> None:
        self.emit("noted", {"what": what, "data": {**data, "record": self.n}})

    def page(
        self,
        page_id: str,
        page_type: PageType,
        text: str,
        *,
        title: str = "",
        provenance: tuple[str, str],
        hint: dict[str, Any] | None = None,
        resources: Iterable[str] = (),
        what: str = "",
        call_id: str = "",
        **more: Any,
    ) -> None:
        """Makes a page, or a new version of one that is known. Evidence gets its soft pin and its worth."""
        self.gone.discard(page_id)
        source = {"kind": provenance[0], "ref": provenance[1][:400], "record": self.n}
        known = self.pages.get(page_id)
        if known is None:
            spec = {
                "page_id": page_id,
                "type": page_type.value,
                "provenance": source,
                "title": title[:300],
                "text": text,
                "resources": list(bounded(resources)),
                **more,
            }
            if page_type is PageType.EVIDENCE:
                spec = {"pin": "soft", "min_fidelity": "pointer", "base_utility": 5.0, **spec}
            if hint:
                spec["hint"] = hint
            self.emit("page_created", {"page": spec})
            known = self.pages[page_id] = KnownPage(page_type, title, bounded(resources), created=self.n)
            if page_type is PageType.EVIDENCE:
                self.readers.add(page_id, known.resources)
        else:
            body = {
                "page_id": page_id,
                "type": known.type.value,
                "text": text,
                "what": what or "again",
                "durable": True,
                "provenance": source,
                "title": title[:300] or known.title,
            }
            if hint:
                body["hint"] = hint
            self.emit("page_updated", body)
            known.stale = False
        if call_id:
            known.last_call = call_id
            self.page_of_call[call_id] = page_id
        if self.uuid:
            known.uuids.append(self.uuid)
            self.by_uuid.setdefault(self.uuid, []).append(page_id)
        self.index.add(page_id, known, text)

    def demand(self, found: Iterable[demands.Demand]) -> None:
        """Tells the demands of this turn: a page once, again
        only where a later one asks for more or proves it.
        """
        for one in found:
            before = self.demanded.get(one.page_id)
            now = (int(one.fidelity), one.exact)
            if before is not None and now[0] <= before[0] and (before[1] or not now[1]):
                continue
            self.demanded[one.page_id] = now
            body = {
                "page_id": one.page_id,
                "fidelity": one.fidelity.label,
                "rule": one.rule,
                "evidence": one.evidence,
                "exact": one.exact,
            }
            if one.call_repeat:
                body["call_repeat"] = True
            self.emit("demand_observed", body)

    def called(self, call: OpenCall) -> None:
        """A tool call: what it demands, the call, and what it makes stale."""
        again = self.results.get(call.call.signature) == call.page_id
        self.demand(demands.of_call(self.index, self.pages, call, self.cwd, again=again))
        known = self.pages.get(call.page_id)
        made = call.call
        body = {
            "call_id": call.call_id,
            "tool": call.tool,
            "signature": made.signature,
            "kind": made.kind.value,
            "refresh": bool(known is not None and known.stale),
            "reads": list(bounded(made.reads)),
            "writes": list(bounded(made.writes)),
        }
        self.emit("tool_called", body)
        if made.kind is ToolKind.WRITE:
            for page_id in self.readers.hit(bounded(made.writes)):
                self.pages[page_id].stale = True
