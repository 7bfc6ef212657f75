"""Step two of a drain: events → the engine → outcomes and rows, each event once.

The engine runs before the transaction, so that the write lock is short. The
transaction begins with an update conditional on the old ``applied_seq``: no
row means that someone else was faster, and everything is done anew from rows.

A batch that fails by what is in it, in the engine or in the saving transaction, is halved until one event is
left; that one is skipped with the reason. What repeating may cure (the database is away, locked, half
migrated) is raised instead, and tried again later.
"""

from __future__ import annotations

import logging
import math
import time
import uuid
from typing import Any, Final

from django.db import DataError, IntegrityError, transaction
from django.db import Error as DatabaseError

from memory import core
from memory.core.errors import EventError
from memory.core.events import Event as CoreEvent
from memory.core.outcomes import Outcome
from memory.models import Event, EventOutcomes, Prompt, Session, Turn
from memory.prompt import Section, render
from memory.safe import one_line
from memory.store import cache, commits, fold, limits
from memory.store.append import chunks, session_pk
from memory.store.derive import Step
from memory.store.history import residency_numbers
from memory.store.pack import unpack_json
from memory.store.project import Projection, move
from memory.store.reads import representations
from memory.store.views import dump_view
from memory.store.write import write

log = logging.getLogger(__name__)
MAX_EVENTS: Final = 500  # of one step
MAX_BYTES: Final = 4 * 1024 * 1024  # of one step, as stored
SNAPSHOT_EVERY: Final = 1000  # events
_TRIES: Final = 8


#: Raised while saving: the same rows would be refused again. A machine's faults are none of these.
_INCURABLE: Final = (DataError, IntegrityError, ValueError, TypeError, OverflowError)


class _Bad(Exception):
    """A batch cannot be folded or stored; the state it leaves is unusable. ``seq``: the event that is to
    blame, as far as known.
    """

    def __init__(self, why: str, seq: int | None = None) -> None:
        super().__init__(why)
        self.seq = seq
        self.why = why


def apply_pending(session_id: str, until: float = math.inf) -> Step:
    """Folds the next batch of the session's events, which ends at the time ``until`` (monotonic) if not
    before. Nothing pending: ``Step.done`` is 0.
    """
    pk = session_pk(session_id)
    for _ in range(_TRIES):
        found = Session.objects.filter(pk=pk).values_list("applied_seq", "last_seq", "mode").first()
        if found is None or found[0] >= found[1]:
            return Step(seq=found[0] if found else 0)
        old, last, mode = found
        live = _live_at(pk, old)
        batch = _batch(pk, old, last)
        if not batch:
            return Step(seq=old)
        kept = live.copy() if live.wary else None
        stored: cache.LiveState | None = live
        try:
            live.wary = False
            if not _run(pk, live, batch, mode, until=until):
                stored = None
        except _Bad as bad:
            stored = _isolate(pk, kept or _live_at(pk, old), batch, mode, bad)
        if stored is not None:
            cache.states.put(pk, stored)
            return Step(stored.seq - old, stored.seq, stored.seq < last)
    return Step(more=True)


def _run(
    pk: uuid.UUID,
    live: cache.LiveState,
    batch: list[Event],
    mode: str,
    skip: dict[int, str] | None = None,
    until: float = math.inf,
) -> bool:
    """Folds and stores the batch, till the time is up; False: someone else was faster.

    Raises ``_Bad``; then ``live`` is unusable, as it is after any other failure.
    """
    work = Projection(pk, live, mode)
    old = live.seq
    live.seq = _fold(work, batch, skip or {}, until)
    try:
        return _store(work, old)
    except _INCURABLE as error:
        why = one_line(f"could not be stored: {type(error).__name__}: {error}", fold.MAX_WHY)
        raise _Bad(why) from error


def _isolate(
    pk: uuid.UUID, live: cache.LiveState, batch: list[Event], mode: str, bad: _Bad
) -> cache.LiveState | None:
    """Stores the first part of a bad batch that can be stored, halving it, or skips its first event.

    The state after it; None: someone else was faster. So each call makes progress, and none takes long.
    """
    live.wary = True
    size = len(batch)
    while True:
        blamed = next((n for n, row in enumerate(batch) if row.seq == bad.seq), size // 2)
        if size == 1 or blamed == 0:
            break
        size = blamed
        kept = live.copy()
        try:
            return live if _run(pk, live, batch[:size], mode) else None
        except _Bad as again:
            live, bad = kept, again
    first = batch[0]
    log.error("session %s: event %d (%s) is skipped: %s", pk, first.seq, first.kind, bad.why)
    return live if _run(pk, live, [first], mode, {first.seq: bad.why}) else None


def _live_at(pk: uuid.UUID, seq: int) -> cache.LiveState:
    live = cache.states.take(pk)
    if live is not None and live.seq == seq:
        return live
    state, snapshot_seq = fold.load_state(pk, seq)
    live = cache.LiveState(state, seq, snapshot_seq)
    if seq:
        _load_residency(pk, live)
    return live


def _load_residency(pk: uuid.UUID, live: cache.LiveState) -> None:
    """What the projection keeps beside the state, from rows: as of the last prompt, then what moved since."""
    for side in Turn.objects.filter(session_id=pk).values_list("side", flat=True).distinct():
        last = Turn.objects.filter(session_id=pk, side=side).order_by("-turn").first()
        assert last is not None
        live.resident[side], live.since_keyframe[side] = residency_numbers(str(pk), last.turn, side)
        live.moved[side] = set()
    first = (
        Turn.objects.filter(session_id=pk)
        .order_by("-prompt_seq")
        .values_list("prompt_seq", flat=True)
        .first()
    )
    rows = EventOutcomes.objects.filter(session_id=pk, seq__gt=first or 0, seq__lte=live.seq).order_by("seq")
    for blob in rows.values_list("blob", flat=True).iterator(chunk_size=200):
        for o in unpack_json(blob):
            if o["kind"] == "residency":
                move(live, o["side"], o["page_id"], o["data"])


def _batch(pk: uuid.UUID, after: int, last: int) -> list[Event]:
    rows = Event.objects.filter(session_id=pk, seq__gt=after, seq__lte=min(last, after + MAX_EVENTS))
    batch: list[Event] = []
    size = 0
    for row in rows.order_by("seq").iterator(chunk_size=100):
        batch.append(row)
        size += len(row.body)
        if size >= MAX_BYTES:
            break
    return batch


def _fold(work: Projection, batch: list[Event], skipped: dict[int, str], until: float) -> int:
    """The seq of the last event that was folded: of the batch, or the one at which the time was up."""
    for row in batch:
        if row.seq in skipped:
            work.add_skipped(row, fold.skip(work.live.state, row.seq, skipped[row.seq]))
        else:
            try:
                _feed(work, row)
            except EventError as error:
                work.add_skipped(row, fold.skip(work.live.state, row.seq, fold.malformed(error)))
            except (DatabaseError, MemoryError, OSError, ImportError, SyntaxError):
                raise  # the machine's or the installation's fault, not the event's: tried again later
            except Exception as error:
                log.exception("session %s: event %d (%s) failed", work.pk, row.seq, row.kind)
                why = one_line(f"internal error: {type(error).__name__}: {error}", fold.MAX_WHY)
                raise _Bad(why, row.seq) from error
        work.end_event(row)
        if time.monotonic() >= until:
            break
    return row.seq


def _feed(work: Projection, row: Event) -> None:
    """Completes, decodes and steps one event. EventError is raised only before the engine has seen it."""
    sent = unpack_json(row.body)
    body = _completed(work, row, sent)
    decoded = core.decode_body(row.kind, body, row.version)
    limits.check(row.kind, body)
    try:
        outcomes = core.step(work.live.state, CoreEvent(row.seq, decoded, row.actor))
    except EventError as error:  # not the body's fault any more
        raise RuntimeError(str(error)) from error
    if outcomes and row.kind in ("page_created", "page_updated", "project_commit"):
        cache.texts.put(work.pk, row.seq, representations(row.kind, body))
    work.add(row, body, outcomes, completed=body is not sent and body != sent)
    if row.kind == "prompt_requested":
        _render(work, row, outcomes)


def _completed(work: Projection, row: Event, sent: dict[str, Any]) -> dict[str, Any]:
    from memory.complete import complete

    body = complete(row.kind, sent)
    if row.kind == "model_answered" and body.get("prompt_sha256") and body.get("prompt_matches") is None:
        kept = _prompt_sha256(work, str(body.get("request_id", "")))
        if kept is not None:
            body = {**body, "prompt_matches": kept == body["prompt_sha256"]}
    return body


def _prompt_sha256(work: Projection, request_id: str) -> str | None:
    new = work.prompts.get(request_id)
    if new is not None:
        return str(new.sha256)
    rows = Prompt.objects.filter(session_id=work.pk, request_id=request_id)
    return rows.values_list("sha256", flat=True).first()


def _render(work: Projection, row: Event, outcomes: list[Outcome]) -> None:
    prompt = next((o for o in outcomes if o.kind == "prompt"), None)
    if prompt is None:
        return
    request_id = str(prompt.data["request_id"])  # a new one: the engine refuses what it has seen
    held = core.prompt_pages(work.live.state)
    texts = _texts(work, [seq for _, _, seq in held])
    sections = [_section(work, page_id, label, texts[seq]) for page_id, label, seq in held]
    rendered = render(prompt.turn, request_id, sections, int(prompt.data.get("tokens_used", 0)))
    work.add_prompt(row, request_id, prompt.turn, rendered)


_ASCENDING: Final = ("pointer", "structured", "compressed", "full")


def _section(work: Projection, page_id: str, label: str, reps: dict[str, Any]) -> Section:
    # Where a page lacks a representation, the next higher one serves.
    serving = next(name for name in _ASCENDING[_ASCENDING.index(label) :] if name in reps)
    page_type, title = core.page_label(work.live.state, page_id)
    rep = reps[serving]
    return Section(page_id, page_type, title, serving, rep["tokens"], rep.get("text", ""))


def _texts(work: Projection, seqs: list[int]) -> dict[int, dict[str, Any]]:
    """Representations by the event that brought them: from memory, else from the log."""
    found = cache.texts.get_many(work.pk, seqs)
    missing = [seq for seq in seqs if seq not in found]
    for some in chunks(missing, 200):
        for row in Event.objects.filter(session_id=work.pk, seq__in=some):
            body = unpack_json(row.completed or row.body)
            if "representations" not in (body.get("page") or body):
                body = _completed(work, row, body)  # of this batch: its completion is not stored yet
            found[row.seq] = representations(row.kind, body)
            cache.texts.put(work.pk, row.seq, found[row.seq])
    return found


def _store(work: Projection, old: int) -> bool:
    """Whether the batch is folded now; False: someone else was faster and nothing was stored."""
    live = work.live
    snapshot = None
    if live.seq - live.snapshot_seq >= SNAPSHOT_EVERY:
        snapshot = core.dump_state(live.state)
    changes = header(live.state, live.seq)
    pages = work.page_rows()
    shared = work.shared
    for commit in shared.commits.values():
        commit.reps = _texts(work, [commit.text_seq])[commit.text_seq]
    with transaction.atomic():
        told = commits.plan(work.pk, shared) if shared else None
        moved = Session.objects.filter(pk=work.pk, applied_seq=old).update(**changes)
        if not moved:
            return False
        write(work, pages, snapshot)
        if told is not None:
            commits.store(told)
    if snapshot is not None:
        live.snapshot_seq = live.seq
    return True


def header(state: Any, seq: int) -> dict[str, Any]:
    """The session row's columns after a batch. Nothing but rejections before the session has started."""
    head = core.trace_head(state)
    if not head:
        return {"applied_seq": seq}
    view = core.session_view(state)
    return {
        "applied_seq": seq,
        "turn": view.turn,
        "faults": sum(view.primary.faults.values()),
        "ended": view.ended,
        "header": dump_view(view),
        "trace_head": head,
    }
