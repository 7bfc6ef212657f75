"""The ledger told in runs: a miss that every following prompt repeats is one line with its span."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.db.models import Count

from memory.models import LedgerEntry
from memory.store.append import session_pk
from memory.store.reads import ledger
from memory.store.rows import LedgerRow, LedgerRun

BATCH: Final = 200  # rows
#: Judged anew at every prompt: these repeat by nature, whatever their sentence says beside.
EACH_PROMPT: Final = "pinned_invariant_miss"
FAULTS: Final = (
    "refetch",
    "duplicate_tool",
    EACH_PROMPT,
    "post_compaction_bootstrap",
    "silent_recall",
    "flush_miss",
)
_Key = tuple[str, str, bool, str, str]


def ledger_runs(
    session_id: str,
    *,
    side: str = "primary",
    kinds: Sequence[str] = (),
    page_id: str = "",
    limit: int = 50,
    read_limit: int = 1_000,
) -> tuple[list[LedgerRun], bool]:
    """The newest ``limit`` runs, newest first, and whether there may be older ones.

    A run is faults of one page, kind and class, of following turns; any other line is a run of one. Runs are
    whole, however far back they began. At most about ``read_limit`` rows are read.
    """
    runs: list[LedgerRun] = []
    open_runs: dict[_Key, LedgerRun] = {}
    read, before = 0, None
    while read < read_limit:
        rows = ledger(session_id, side=side, kinds=kinds, page_id=page_id, before_seq=before, limit=BATCH)
        full = len(rows) == BATCH
        if full and rows[0].seq != rows[-1].seq:  # an event's rows stay together
            rows = [row for row in rows if row.seq != rows[-1].seq]
        for row in rows:
            if not _joined(open_runs, row):
                if len(runs) == limit:
                    _complete(session_id, open_runs)
                    return runs, True
                run = LedgerRun(row, row.seq, row.idx, row.turn, 1)
                runs.append(run)
                if row.kind in FAULTS and row.page_id:
                    open_runs[_key(row)] = run
        read += len(rows)
        if not full:
            return runs, False
        before = rows[-1].seq
    _complete(session_id, open_runs)
    return runs, True


def _key(row: LedgerRow) -> _Key:
    said = "" if row.kind == EACH_PROMPT else row.sentence
    return row.kind, row.fault_class, row.exact, row.page_id, said


def _joined(open_runs: dict[_Key, LedgerRun], row: LedgerRow) -> bool:
    """Whether the row goes on, further back, with a run."""
    run = open_runs.get(_key(row)) if row.page_id and row.kind in FAULTS else None
    if run is None or row.turn != run.first_turn - 1:
        return False
    run.first_seq, run.first_idx, run.first_turn = row.seq, row.idx, row.turn
    run.count += 1
    return True


def _complete(session_id: str, open_runs: dict[_Key, LedgerRun]) -> None:
    """Follows the misses that each prompt repeats back to where they began, by their turns alone."""
    pk = session_pk(session_id)
    for (kind, fault_class, exact, page_id, _), run in open_runs.items():
        if kind != EACH_PROMPT:
            continue
        older = LedgerEntry.objects.filter(
            session_id=pk,
            side=run.row.side,
            kind=kind,
            fault_class=fault_class,
            exact=exact,
            page_id=page_id,
            turn__lt=run.first_turn,
        ).order_by("-turn", "-seq", "-idx")
        for seq, idx, turn in older.values_list("seq", "idx", "turn").iterator(chunk_size=500):
            if turn != run.first_turn - 1:
                break
            run.first_seq, run.first_idx, run.first_turn = seq, idx, turn
            run.count += 1


def fault_pages(session_id: str, side: str = "primary") -> dict[str, int]:
    """Fault kind → how many pages its exact, policy-controllable faults hit."""
    rows = LedgerEntry.objects.filter(
        session_id=session_pk(session_id), side=side, kind__in=FAULTS, exact=True, fault_class="policy"
    ).exclude(page_id="")
    return dict(
        rows.values("kind").annotate(pages=Count("page_id", distinct=True)).values_list("kind", "pages")
    )
