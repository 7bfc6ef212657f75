"""Outcomes → rows: the projection of one batch of folded events, gathered in memory, written in one go."""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

from memory import core
from memory.core.outcomes import Outcome, PageView
from memory.core.types import Side, reach
from memory.models import Act, Event, EventOutcomes, JournalEntry, LedgerEntry, Page, PageText, Prompt, Turn
from memory.prompt import Rendered
from memory.safe import one_line
from memory.store import cache
from memory.store.commits import Shared
from memory.store.pack import canonical, pack
from memory.store.reads import TEXT_KINDS, act_reason
from memory.store.views import dump_view

#: Verdicts on a demand: a later one of the same turn and page replaces them (``amends``).
VERDICTS: Final = ("refetch", "page_in")
_JOURNAL_LINES: Final = {"rejected": "parked", "lost": "lost", "resolved": "resolved"}


def _is_act(kind: str) -> bool:
    """Whether the event is an operator's doing, listed with its outcome."""
    return kind.startswith("operator_") or kind == "write_resolved"


def _ascii(data: dict[str, Any]) -> str:
    return canonical(data).decode("ascii")


class Projection:
    """What a batch of events changes in the rows. ``add``
    each event's outcomes in order, then let it be written.
    """

    def __init__(self, pk: uuid.UUID, live: cache.LiveState, mode: str = "") -> None:
        self.pk = pk
        self.mode = mode
        self.live = live
        self.outcomes: list[EventOutcomes] = []
        self.turns: dict[tuple[str, int], Turn] = {}
        self.closed: dict[tuple[str, int], dict[str, Any]] = {}  # of turns whose row stands already
        self.ledger: dict[tuple[str, int, int], LedgerEntry] = {}
        self.amended: set[tuple[str, int, str]] = set()  # (side, turn, page id) whose stored verdict falls
        self.journal: list[JournalEntry] = []
        self.acts: dict[int, Act] = {}
        self.act_changes: dict[int, dict[str, Any]] = {}  # of acts whose row stands already
        self.prompts: dict[str, Prompt] = {}
        self.texts: list[PageText] = []
        self.shared = Shared()
        self.title = ""  # told by the record: the newest one serves
        self.first_words = ""  # of the session's first dialogue page: serves where no title is told
        self.page_seqs: dict[str, int] = {}  # page id → the event that last changed its row
        self.completed: list[
            tuple[bytes | None, str, bool, int]
        ] = []  # (completed, rejected, skipped, row id)

    def add(self, row: Event, body: dict[str, Any], outcomes: list[Outcome], *, completed: bool) -> None:
        """One event, as fed with ``body``; ``completed``: the body is not the one that stands in the row."""
        rejected = next((o.data.get("why", "") for o in outcomes if o.kind == "rejected"), None)
        if completed or rejected is not None:
            kept = pack(canonical(body)) if completed else None
            why = "" if rejected is None else one_line(rejected, 400) or "rejected"
            self.completed.append((kept, why, False, row.pk))
        if _is_act(row.kind):
            self._act_row(row, body, rejected)
        if row.kind == "write_resolved" and rejected is None:
            self._resolution(row, outcomes)
        if rejected is None:
            self.shared.add(row.seq, row.kind, body, self.live.state, outcomes)
            self._texts(row, body)
            self._titles(row, body)
        self._outcomes(row, outcomes)

    def add_skipped(self, row: Event, outcomes: list[Outcome]) -> None:
        """An event that was not fed; its one outcome says why."""
        self.completed.append((None, outcomes[0].data["why"], True, row.pk))
        if _is_act(row.kind):
            self._act_row(row, {}, outcomes[0].data["why"])
        self._outcomes(row, outcomes)

    def add_prompt(self, row: Event, request_id: str, turn: int, rendered: Rendered) -> None:
        self.prompts.setdefault(
            request_id,
            Prompt(
                session_id=self.pk,
                request_id=request_id,
                turn=turn,
                seq=row.seq,
                text=pack(rendered.body),
                sha256=rendered.sha256,
                tokens=rendered.tokens,
            ),
        )

    def _texts(self, row: Event, body: dict[str, Any]) -> None:
        if row.kind in TEXT_KINDS:
            page_id = body["page"]["page_id"] if row.kind == "page_created" else body["page_id"]
            self.texts.append(PageText(session_id=self.pk, page_id=page_id, seq=row.seq))

    def _titles(self, row: Event, body: dict[str, Any]) -> None:
        if row.kind == "noted" and body.get("what") == "title":
            data = body.get("data")
            told = str(data.get("title") or "") if isinstance(data, dict) else ""
            self.title = one_line(told, 200) or self.title
        elif row.kind == "page_created" and not self.first_words and body["page"]["type"] == "conversation":
            self.first_words = one_line(str(body["page"].get("title") or ""), 200)

    def _outcomes(self, row: Event, outcomes: list[Outcome]) -> None:
        if not outcomes:
            return
        self.outcomes.append(
            EventOutcomes(session_id=self.pk, seq=row.seq, turn=outcomes[-1].turn, blob=pack(_blob(outcomes)))
        )
        for page_id in core.touched(outcomes):
            self.page_seqs[page_id] = row.seq
        for idx, outcome in enumerate(outcomes):
            project = _PROJECT.get(outcome.kind)
            if project is not None:
                project(self, row, idx, outcome)

    # one method per kind of outcome

    def _residency(self, row: Event, idx: int, o: Outcome) -> None:
        if o.page_id is not None:
            move(self.live, o.side.value, o.page_id, o.data)

    def _prompt(self, row: Event, idx: int, o: Outcome) -> None:
        side = o.side.value
        numbers = {k: v for k, v in o.data.items() if k != "pages"}
        self.turns[side, o.turn] = Turn(
            session_id=self.pk, side=side, turn=o.turn, prompt_seq=row.seq, numbers=_ascii(numbers), at=row.at
        )

    def end_event(self, row: Event) -> None:
        """After an event's outcomes: stores the residency of prompts that began with it."""
        for (side, _), turn in self.turns.items():
            if turn.prompt_seq == row.seq:
                self._store_residency(side, turn)

    def _store_residency(self, side: str, turn: Turn) -> None:
        held = self.live.resident.get(side, {})
        moved = {page_id: held.get(page_id, 0) for page_id in sorted(self.live.moved.get(side, ()))}
        since = self.live.since_keyframe.get(side, 0) + len(moved)
        turn.keyframe = turn.turn == 1 or since > max(len(held), 64)
        self.live.since_keyframe[side] = 0 if turn.keyframe else since
        self.live.moved[side] = set()
        kept = dict(held) if turn.keyframe else moved
        turn.residency = pack(canonical(kept)) if kept or turn.keyframe else b""

    def _turn(self, row: Event, idx: int, o: Outcome) -> None:
        record = str(o.data["record"]).encode("ascii", "backslashreplace")
        fields = {"closed_seq": row.seq, "record": pack(record), "sha256": str(o.data.get("sha256", ""))}
        known = self.turns.get((o.side.value, o.turn))
        if known is None:
            self.closed[o.side.value, o.turn] = fields
            return
        for name, value in fields.items():
            setattr(known, name, value)

    def _line(self, row: Event, idx: int, o: Outcome, kind: str, tokens: Any = None) -> None:
        data = o.data
        self.ledger[o.side.value, row.seq, idx] = LedgerEntry(
            session_id=self.pk,
            side=o.side.value,
            seq=row.seq,
            idx=idx,
            turn=o.turn,
            kind=kind[:32],
            fault_class=str(data.get("class", ""))[:16],
            exact=bool(data.get("exact", True)),
            page_id=o.page_id or "",
            tokens=tokens if isinstance(tokens, int) and tokens >= 0 else None,
            data=_ascii(data),
            at=row.at,
        )

    def _fault(self, row: Event, idx: int, o: Outcome) -> None:
        self._amend(o)
        self._line(row, idx, o, str(o.data.get("fault", "fault")))

    def _page_in(self, row: Event, idx: int, o: Outcome) -> None:
        self._amend(o)
        self._line(row, idx, o, "page_in", o.data.get("tokens"))

    def _amend(self, o: Outcome) -> None:
        if not o.data.get("amends") or o.page_id is None:
            return
        for place, line in list(self.ledger.items()):
            if (line.side, line.turn, line.page_id) == (o.side.value, o.turn, o.page_id) and (
                line.kind in VERDICTS
            ):
                del self.ledger[place]
        self.amended.add((o.side.value, o.turn, o.page_id))

    def _plain(self, row: Event, idx: int, o: Outcome) -> None:
        self._line(row, idx, o, o.kind)

    def _journal(self, row: Event, idx: int, o: Outcome) -> None:
        data = o.data
        self.journal.append(
            JournalEntry(
                session_id=self.pk,
                side=o.side.value,
                seq=row.seq,
                idx=idx,
                turn=o.turn,
                update_id=one_line(str(data.get("update_id", "")), 200),
                page_id=o.page_id or "",
                phase=str(data.get("phase", ""))[:16],
                reason=one_line(str(data.get("reason") or ""), 40),
                data=_ascii(data),
            )
        )
        kind = "overruled" if data.get("overrides") else _JOURNAL_LINES.get(str(data.get("phase")))
        if kind is not None:
            self._line(row, idx, o, kind)

    def _act_row(self, row: Event, body: dict[str, Any], rejected: str | None) -> None:
        self.acts[row.seq] = Act(
            session_id=self.pk,
            seq=row.seq,
            kind=row.kind,
            actor=row.actor,
            page_ids=json.dumps(body.get("page_ids", [])),
            reach=reach(self.mode, row.kind),
            reason=one_line(act_reason(row.kind, body), 400),
            state="pending" if rejected is None else "refused",
            why=one_line(rejected or "", 400),
        )

    def _resolution(self, row: Event, outcomes: list[Outcome]) -> None:
        """An answer to a parked update is applied at once; its page is the update's."""
        told = next((o for o in outcomes if o.kind == "journal" and o.page_id), None)
        if told is not None:
            page_ids = json.dumps([told.page_id])
            self._change_act(row.seq, {"state": "applied", "turn": told.turn, "page_ids": page_ids})

    def _act(self, row: Event, idx: int, o: Outcome) -> None:
        if o.side is Side.PRIMARY:
            state = str(o.data.get("state", ""))[:16]
            fields: dict[str, Any] = {"state": state, "why": one_line(str(o.data.get("reason") or ""), 400)}
            if state == "applied":
                fields["turn"] = o.turn
            self._change_act(o.data.get("act_seq"), fields)
        self._line(row, idx, o, "act")

    def _receipt(self, row: Event, idx: int, o: Outcome) -> None:
        if o.side is Side.PRIMARY:
            self._change_act(
                o.data.get("act_seq"),
                {
                    "receipt": str(o.data.get("state", ""))[:16],
                    "receipt_turn": o.data.get("prompt_turn"),
                    "receipt_how": one_line(str(o.data.get("how") or ""), 400),
                },
            )
        self._line(row, idx, o, "receipt")

    def _change_act(self, seq: Any, fields: dict[str, Any]) -> None:
        if not isinstance(seq, int):
            return
        if seq in self.acts:
            for name, value in fields.items():
                setattr(self.acts[seq], name, value)
        else:
            self.act_changes.setdefault(seq, {}).update(fields)

    # the page table

    def page_rows(self) -> list[Page]:
        """The touched pages as they stand after the batch."""
        rows = []
        for page_id, seq in self.page_seqs.items():
            view = core.page_view(self.live.state, page_id)
            if view is not None:
                rows.append(_page_row(self.pk, view, seq))
        return rows


def move(live: cache.LiveState, side: str, page_id: str, data: dict[str, Any]) -> None:
    """Keeps account of one residency outcome, for the residency that is stored with the next prompt."""
    to = _fidelity(data.get("to"))
    live.moved.setdefault(side, set()).add(page_id)
    if to:
        live.resident.setdefault(side, {})[page_id] = to
    else:
        live.resident.setdefault(side, {}).pop(page_id, None)


def _fidelity(value: Any) -> int:
    return _LABELS[value] if isinstance(value, str) else int(value or 0)


_LABELS: Final = {"absent": 0, "pointer": 1, "structured": 2, "compressed": 3, "full": 4}


def _blob(outcomes: list[Outcome]) -> bytes:
    """The outcomes as JSON; a closed turn's record stands in its own row, so it is left out here."""
    return canonical(
        [
            {
                "side": o.side.value,
                "turn": o.turn,
                "kind": o.kind,
                "page_id": o.page_id,
                "data": {k: v for k, v in o.data.items() if k != "record"} if o.kind == "turn" else o.data,
            }
            for o in outcomes
        ]
    )


def _page_row(pk: uuid.UUID, view: PageView, seq: int) -> Page:
    primary, shadow = view.primary, view.shadow
    turns = primary.demand_turns
    return Page(
        session_id=pk,
        page_id=view.page_id,
        title=one_line(view.title or view.page_id, 1000),
        type=view.type.value,
        pin=view.pin.value,
        status=view.status.value,
        dirty=view.dirty,
        fidelity=int(primary.fidelity),
        tokens_now=primary.tokens,
        shadow_fidelity=None if shadow is None else int(shadow.fidelity),
        shadow_tokens_now=None if shadow is None else shadow.tokens,
        tokens_full=max(view.tokens.values(), default=0),
        faults=primary.faults,
        shadow_faults=0 if shadow is None else shadow.faults,
        last_demand_turn=turns[-1] if turns else 0,
        order=view.order,
        text_seq=view.text_seq,
        changed_seq=seq,
        view=dump_view(view),
    )


_PROJECT: Final[dict[str, Any]] = {
    "residency": Projection._residency,
    "prompt": Projection._prompt,
    "turn": Projection._turn,
    "fault": Projection._fault,
    "page_in": Projection._page_in,
    "alert": Projection._plain,
    "refresh": Projection._plain,
    "rejected": Projection._plain,
    "boundary": Projection._plain,
    "journal": Projection._journal,
    "act": Projection._act,
    "receipt": Projection._receipt,
}
