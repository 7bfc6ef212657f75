"""`run(workload, policy, budget)`: turn by turn, as replay.md orders it, and the metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from . import policies, selection, steady
from .judging import judge
from .policies import Policy
from .selection import Selection
from .workloads import ABSENT, FULL, Page, boundaries_of, demands_of, table_of
from .writeback import Journal, write_back, writes_back_at


@dataclass
class Record:
    """One turn. Turns count from 1; fidelities are ranks (0 absent … 4 full)."""

    turn: int
    fidelity: dict[str, int]
    tokens_used: int
    page_budget: int
    required_tokens: int
    floor_tokens: int
    unmet: list[str]
    faults: list[tuple[str, str | None, str]]
    alerts: list[str]
    refreshes: list[str | None]
    page_ins: list[tuple[str, int, int, int]]
    hits: list[tuple[str, int]]
    journal: list[tuple[str | None, str, str, str | None]]
    changes: list[tuple[str, int, str]]
    moved_tokens: int
    prefix_tokens: int
    insufficient_by: int


@dataclass
class Result:
    policy: Policy
    budget: int
    records: list[Record] = field(default_factory=list)
    metrics: dict = field(default_factory=dict)


def run(workload: dict, policy: str | dict, budget: int) -> Result:
    """`budget`: the whole one, in tokens."""
    chosen = policies.find(policy)
    result = Result(chosen, budget)
    everything = table_of(workload)
    turns = workload["turns"]
    grants = workload.get("grants", ["session", "project"])
    page_budget = budget * chosen.share_percent // 100 if workload.get("multi_session", False) else budget

    journal = Journal()
    calls_so_far: list[dict] = []
    previous: dict[str, int] = {}  # fidelity of the pages of the table at the prompt before
    demanded_before: dict[str, int] = {}  # levels demanded in the turn before, declared or observed

    for index, turn in enumerate(turns):
        journal.moves = []
        # 1. Pages enter; dirty marks; writes.
        table = [page for page in everything if page.created <= index]
        by_id = {page.page_id: page for page in table}
        for page_id in turn.get("dirty", []):
            by_id[page_id].dirty = True
        for update in turn.get("writes", []):
            journal.stage(update)
            by_id[update["page_id"]].dirty = True

        # 2. Boundaries.
        boundaries = boundaries_of(turn)
        missed = []
        for boundary in boundaries:
            if writes_back_at(chosen, boundary):
                write_back(journal, table, grants)
            elif boundary in ("reset", "shutdown"):
                for page in table:
                    if page.dirty and page.scope == "session":
                        missed.append(lose(page, journal))
        after_loss = "compaction" in boundaries or "reset" in boundaries

        # 3. Assemble.
        declared = selection.demanded_levels(table, demands_of(turn, "demands"))
        observed = selection.demanded_levels(table, demands_of(turn, "observed"))
        if chosen.steady:
            for page in table:
                if page.page_id not in previous:  # an arrival
                    page.recency = page.recency + 1
            chosen_now = steady.select(
                table, chosen, page_budget, declared, after_loss, previous, demanded_before
            )
        else:
            future = {page.page_id: future_turns(page.page_id, turns, index) for page in table}
            chosen_now = selection.select(table, chosen, page_budget, declared, after_loss, future)
        standing = chosen_now.fidelity

        # 2, settled: what a compaction or prune destroyed.
        if "compaction" in boundaries or "prune" in boundaries:
            for page in table:
                if page.dirty and standing[page.page_id] != FULL:
                    missed.append(lose(page, journal))

        # 4. Judge, with the whole budget and an auto-pinning policy's required set.
        needed = selection.required_levels(table, declared, after_loss, auto_pins=True)
        required_tokens = selection.required_tokens(table, needed)
        floor_tokens = selection.floor_tokens(table, needed)
        verdicts = judge(
            table,
            standing,
            chosen,
            after_loss,
            declared,
            observed,
            turn.get("tool_calls", []),
            calls_so_far,
            turn.get("recalls", []),
            required_too_big=required_tokens > budget,
            floor_too_big=floor_tokens > budget,
        )
        calls_so_far = calls_so_far + turn.get("tool_calls", [])

        # 5. Recency, and the record.
        for page in table:
            page.recency = page.recency * 0.88
            if page.recency < 0.0001:
                page.recency = 0.0
            if page.page_id in declared or page.page_id in observed:
                page.recency = page.recency + 1
        result.records.append(
            Record(
                turn=index + 1,
                fidelity=standing,
                tokens_used=sum(page.cost(standing[page.page_id]) for page in table),
                page_budget=page_budget,
                required_tokens=required_tokens,
                floor_tokens=floor_tokens,
                unmet=chosen_now.unmet,
                faults=[("flush_miss", page_id, "policy") for page_id in missed] + verdicts.faults,
                alerts=verdicts.alerts,
                refreshes=verdicts.refreshes,
                page_ins=verdicts.page_ins,
                hits=verdicts.hits,
                journal=journal.moves,
                changes=changes_of(table, previous, chosen_now),
                moved_tokens=moved(table, previous, standing),
                prefix_tokens=prefix(table, previous, standing) if index > 0 else 0,
                insufficient_by=max(0, required_tokens - budget),
            )
        )
        previous = standing
        demanded_before = selection.demanded_levels(
            table, demands_of(turn, "demands") + demands_of(turn, "observed")
        )
    result.metrics = measure(result)
    return result


def lose(page: Page, journal: Journal) -> str:
    """One flush_miss: the page is clean, its staged updates are gone."""
    page.dirty = False
    journal.lose(page.page_id)
    return page.page_id


def future_turns(page_id: str, turns: list[dict], index: int) -> int:
    """How many turns demand the page among this one's observed demands and all demands of the next three."""
    now = any(page == page_id for page, _ in demands_of(turns[index], "observed"))
    count = 1 if now else 0
    for turn in turns[index + 1 : index + 4]:
        demands = demands_of(turn, "demands") + demands_of(turn, "observed")
        count += 1 if any(page == page_id for page, _ in demands) else 0
    return count


def changes_of(table: list[Page], previous: dict[str, int], chosen: Selection) -> list[tuple[str, int, str]]:
    """Pages whose fidelity is not that of the previous prompt: what put them there, or why they fell."""
    out = []
    for page in table:
        before, now = previous.get(page.page_id, ABSENT), chosen.fidelity[page.page_id]
        if now == before:
            continue
        if now > before:
            reason = chosen.reason[page.page_id]
        else:
            reason = "unmet" if page.page_id in chosen.unmet else "displaced"
        out.append((page.page_id, now, reason))
    return out


def moved(table: list[Page], previous: dict[str, int], standing: dict[str, int]) -> int:
    """Tokens that changed fidelity, of pages that were in the table before too: the larger side of each."""
    total = 0
    for page in table:
        if page.page_id in previous and previous[page.page_id] != standing[page.page_id]:
            total += max(page.cost(previous[page.page_id]), page.cost(standing[page.page_id]))
    return total


def prefix(table: list[Page], previous: dict[str, int], standing: dict[str, int]) -> int:
    """Tokens before the first page, in table order, that differs from the previous prompt."""
    total = 0
    for page in table:
        if previous.get(page.page_id, ABSENT) != standing[page.page_id]:
            break
        total += page.cost(standing[page.page_id])
    return total


def measure(result: Result) -> dict:
    records = result.records
    faults = Counter(kind for record in records for kind, _, cls in record.faults if cls == "policy")
    insufficient = Counter(kind for record in records for kind, _, cls in record.faults if cls != "policy")
    moves = [move for record in records for move in record.journal]
    hits = sum(len(record.hits) for record in records)
    alerts = sum(len(record.alerts) for record in records)
    total_faults = sum(faults.values())
    later = records[1:]
    later_tokens = sum(record.tokens_used for record in later)
    return {
        "policy": result.policy.name,
        "budget": result.budget,
        "turns": len(records),
        "faults": dict(faults),
        "insufficient": dict(insufficient),
        "total_faults": total_faults,
        "alerts": alerts,
        "refreshes": sum(len(record.refreshes) for record in records),
        "page_ins": sum(len(record.page_ins) for record in records),
        "page_in_tokens": sum(page_in[3] for record in records for page_in in record.page_ins),
        "hits": hits,
        "thrash": (total_faults + alerts) / (hits + 1),
        "tokens_used_mean": sum(record.tokens_used for record in records) / len(records) if records else 0.0,
        "committed": sum(1 for move in moves if move[2] == "committed"),
        "rejected": dict(Counter(move[3] for move in moves if move[2] == "rejected")),
        "moved_tokens": sum(record.moved_tokens for record in records),
        "prefix_share": sum(record.prefix_tokens for record in later) / later_tokens if later_tokens else 0.0,
    }
