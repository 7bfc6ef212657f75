"""What the core costs: a turn at 16 pages, the curve up to 100,000, bytes a page, a snapshot out and in.

One plain process, garbage collection as everyone has it. *Select and judge* is the decision alone, timed
within the running engine: the required set, both phases, and judging pins, rules and declared demands. A
*whole step* is a prompt's event from outside: the decision, its moves settled, its outcomes made. Where a
turn's end is left out, the turn was closed just before; closing it moves recency, ranks what upgrades are
worth in sessions of few pages, and writes the record. Times are CPU seconds of the one thread, so that
other programs on the machine do not count, though they slow its caches.
"""

from __future__ import annotations

import gc
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from memory.core import (
    POLICIES,
    Event,
    State,
    decode_body,
    dump_state,
    load_state,
    new_state,
    prompts,
    step,
    trace,
)
from memory.core.pages import Page
from memory.core.trace import close_turn
from tests.bench.table import Figure, median, percentile, show
from tests.core import oracle_selector

BUDGETS = (120, 180, 240, 300, 380, 500)  # tokens, the paper's
TURNS = 1500  # at each budget
SIZES = (1_000, 10_000, 100_000)  # pages
AT_REST = 80  # turns until the recency of pages that all came at once is gone
CHANGED = 5  # pages changed or demanded a turn, on the curve
PAPER = {"median": 44.0, "p95": 60.0, "worst": 114.0}  # µs, published (medians 18-44)

#: type, tokens at each form, base utility, recompute cost
_MIX: tuple[tuple[str, dict[str, int], float, float], ...] = (
    ("bootstrap", {"structured": 14, "full": 60}, 9, 6),
    ("constraint", {"structured": 9, "full": 30}, 10, 4),
    ("constraint", {"structured": 8, "full": 24}, 8, 4),
    ("plan", {"pointer": 3, "structured": 12, "full": 40}, 8, 3),
    ("preference", {"pointer": 2, "compressed": 9, "full": 20}, 4, 2),
    ("evidence", {"pointer": 4, "structured": 14, "compressed": 35, "full": 90}, 5, 8),
    ("evidence", {"pointer": 4, "structured": 10, "compressed": 30, "full": 70}, 6, 12),
    ("conversation", {"pointer": 3, "compressed": 22, "full": 55}, 3, 1),
)


def spec(number: int, rng: random.Random, *, rules: bool = True) -> dict[str, Any]:
    """One page of the mix, its counts a little different from the next one's. Without ``rules``: no page is
    pinned hard (a session's rules do not grow with its length).
    """
    kinds = _MIX if rules else _MIX[3:]
    page_type, forms, base, recompute = kinds[number % len(kinds)]
    tokens, last = {}, 0
    for label, count in forms.items():
        last = max(last + 1, count + rng.randrange(-(count // 4), count // 4 + 1))
        tokens[label] = {"tokens": last}
    return {
        "page_id": f"{page_type}:{number}", "type": page_type, "title": f"{page_type} {number}",
        "provenance": {"kind": "file", "ref": f"notes/{number}.md"}, "representations": tokens,
        "base_utility": base, "recompute_cost": recompute,
    }  # fmt: skip


class Feed:
    """A session and its event numbers."""

    def __init__(self, **started: Any) -> None:
        self.state: State = new_state()
        self.turn = 0
        self.give("session_started", harness="bench", mode="enforced", **started)

    def give(self, kind: str, /, **body: Any) -> float:
        """Steps one event; gives the seconds that the step took (not the decoding)."""
        event = Event(self.state.seq + 1, decode_body(kind, body), "bench")
        begin = time.thread_time()
        told = step(self.state, event)
        took = time.thread_time() - begin
        assert not told or told[0].kind != "rejected", told[0].data
        return took

    def prompt(self) -> float:
        self.turn += 1
        return self.give("prompt_requested", request_id=f"p{self.turn}")


def _turn(feed: Feed, ids: list[str], rng: random.Random) -> None:
    """What happens before prompt N + 1: none to two demands shown by answer N, as many declared for the next,
    a compaction now and then.
    """
    for page_id in rng.sample(ids, rng.randrange(3)):
        feed.give("demand_observed", page_id=page_id, fidelity=rng.choice(("structured", "full")))
    if rng.random() < 0.04:
        feed.give("boundary", kind="compaction")
    for page_id in rng.sample(ids, rng.randrange(3)):
        feed.give("demand_declared", page_id=page_id, fidelity=rng.choice(("pointer", "structured", "full")))


def _small(policy: str, budget: int, *, close_first: bool) -> Iterator[tuple[float, float]]:
    """Seconds of each prompt of a session of 16 pages, and of closing the turn before where that is apart."""
    rng = random.Random(budget)
    feed = Feed(policy=policy, budget=budget)
    for number in range(16):
        feed.give("page_created", page=spec(number, rng))
    ids = [page.page_id for page in feed.state.table.pages]
    feed.prompt()
    for _ in range(TURNS):
        _turn(feed, ids, rng)
        closed = _seconds(lambda: close_turn(feed.state, final=False)) if close_first else 0.0
        yield feed.prompt(), closed


def _plain(page: Page, hot: dict[int, float]) -> dict[str, Any]:
    return {
        "id": page.page_id, "type": page.type.value, "pin": page.pin.value, "min": int(page.minimum),
        "tokens": {f: n for f, n in enumerate(page.tokens) if n}, "base": page.base_utility,
        "recompute": page.recompute_cost, "recency": hot.get(page.order, 0.0),
    }  # fmt: skip


def _obvious(policy: str, budget: int) -> Iterator[float]:
    """Seconds of the obvious selector for the same prompts (it only chooses: nothing settled or judged)."""
    rng = random.Random(budget)
    feed = Feed(policy=policy, budget=budget)
    for number in range(16):
        feed.give("page_created", page=spec(number, rng))
    table = feed.state.table
    ids = [page.page_id for page in table.pages]
    feed.prompt()
    side = feed.state.primary
    assert side is not None
    for _ in range(TURNS):
        _turn(feed, ids, rng)
        close_turn(feed.state, final=False)
        pages = [_plain(page, side.hot) for page in table.pages]
        declared = {order: row[0] for order, row in side.declared.items()}
        first = side.after_boundary is not None
        begin = time.thread_time()
        want = oracle_selector.select(pages, POLICIES[policy], declared, first, budget)
        yield time.thread_time() - begin
        feed.prompt()
        assert (list(side.fidelity), side.tokens_used, side.unmet) == want


def _three(
    name: str, seconds: list[float], targets: tuple[float | None, float | None], note: str
) -> list[Figure]:
    micros = [1e6 * took for took in seconds]
    return [
        Figure(f"{name}, median", median(micros), "µs", targets[0], note),
        Figure(f"{name}, p95", percentile(micros, 0.95), "µs", targets[1]),
        Figure(f"{name}, worst", max(micros), "µs"),
    ]


class Deciding:
    """Within it, ``seconds`` gathers what the parts of a decision take."""

    PARTS = ((prompts, "need_now"), (prompts, "select_now"), (prompts, "_judge"), (trace, "_written"))

    def __init__(self) -> None:
        self.seconds = self.record = 0.0

    def _timed(self, name: str, part: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            begin = time.thread_time()
            found = part(*given)
            took = time.thread_time() - begin - self.clock
            if name == "_written":
                self.record = took
            else:
                self.seconds += took
            return found

        return run

    def __enter__(self) -> Deciding:
        looks = [time.thread_time() for _ in range(1001)]
        self.clock = (looks[-1] - looks[0]) / 1000  # what one look at the clock takes: not the decision's
        self.parts = [(module, name, getattr(module, name)) for module, name in self.PARTS]
        for module, name, part in self.parts:
            setattr(module, name, self._timed(name, part))
        return self

    def __exit__(self, *_: object) -> None:
        for module, name, part in self.parts:
            setattr(module, name, part)


def _decisions(policy: str, budget: int) -> Iterator[tuple[float, float, float]]:
    """Seconds of each prompt's decision, of the same with a turn's record, and with all of a turn's end."""
    with Deciding() as deciding:
        for _, closed in _small(policy, budget, close_first=True):
            yield deciding.seconds, deciding.seconds + deciding.record, deciding.seconds + closed
            deciding.seconds = 0.0


def small(policy: str = "clawvm") -> None:
    """Sixteen pages, budgets 120 to 500."""
    decided = [took for budget in BUDGETS for took in _decisions(policy, budget)]
    step_alone = [took for budget in BUDGETS for took, _ in _small(policy, budget, close_first=True)]
    whole = [took for budget in BUDGETS for took, _ in _small(policy, budget, close_first=False)]
    steady = POLICIES[policy].steady  # the plain selector knows the published policies
    obvious = [] if steady else [took for budget in BUDGETS for took in _obvious(policy, budget)]
    alone, recorded, closed = zip(*decided, strict=True)
    rows = _three("select and judge", list(alone), (12, 25), "target")
    rows += _three("with the trace record", list(recorded), (30, None), "target; JSON and SHA-256")
    rows += _three(
        "with all of a turn's end", list(closed), (None, None), "recency, ranks of upgrades, record"
    )
    rows += _three("a whole step", step_alone, (None, None), "")
    rows += _three("a whole step, the turn before closed", whole, (None, None), "")
    if obvious:
        rows += _three("the obvious selector (it only chooses)", obvious, (None, None), "")
    rows += [Figure(f"published, {name}", value, "µs") for name, value in PAPER.items()]
    show(f"{policy}: {len(decided):,} prompts of 16 pages at budgets {BUDGETS[0]}-{BUDGETS[-1]}", rows)


def _large(policy: str, size: int, **started: Any) -> Feed:
    rng = random.Random(size)
    specs = [spec(number, rng) for number in range(8)]
    specs += [spec(number, rng, rules=False) for number in range(8, size)]
    counts = [[r["tokens"] for r in s["representations"].values()] for s in specs]
    floor, whole = sum(c[0] for c in counts), sum(c[-1] for c in counts)
    feed = Feed(policy=policy, budget=floor + (whole - floor) // 4, **started)
    for page in specs:
        feed.give("page_created", page=page)
    return feed


def _large_turn(feed: Feed, rng: random.Random) -> None:
    """Five pages changed or demanded: one new, one with new text, two shown by the answer, one declared."""
    pages = feed.state.table.pages
    feed.give("page_created", page=spec(len(pages), rng, rules=False))
    near = [pages[rng.randrange(len(pages))].page_id for _ in range(CHANGED)]
    changed = pages[rng.randrange(8, len(pages))]
    forms = spec(changed.order, rng, rules=False)["representations"]
    feed.give("demand_observed", page_id=near[0], fidelity="full")
    feed.give("demand_observed", page_id=near[1], fidelity="structured")
    feed.give("page_updated", page_id=changed.page_id, representations=forms)
    feed.give("demand_declared", page_id=near[2], fidelity="full")


def curve(policy: str, targets: dict[int, float], sizes: tuple[int, ...] = SIZES, turns: int = 300) -> None:
    """A prompt's time by the number of pages, five of them changed or demanded a turn."""
    rows = []
    for size in sizes:
        feed, rng = _large(policy, size), random.Random(7)
        feed.prompt()
        for _ in range(AT_REST):
            _large_turn(feed, rng)
            feed.prompt()
        selected, whole = [], []
        for number in range(2 * turns):
            _large_turn(feed, rng)
            if number % 2:
                whole.append(feed.prompt())
            else:
                close_turn(feed.state, final=False)
                selected.append(feed.prompt())
        note = "target; select and judge"
        rows += _three(f"{size:,} pages", selected, (targets.get(size), None), note)
        micros = [1e6 * took for took in whole]
        rows.append(Figure(f"{size:,} pages, with the record, median", median(micros), "µs"))
    show(
        f"{policy}: a prompt, {CHANGED} pages changed or demanded a turn, a quarter above the floor fits",
        rows,
    )


def _bytes_a_page(size: int, **started: Any) -> float:
    rng = random.Random(size)
    gc.collect()
    tracemalloc.start()
    feed = Feed(budget=size * 20, **started)
    for number in range(size):
        feed.give("page_created", page=spec(number, rng, rules=number < 8))
    feed.prompt()
    feed.prompt()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return after / size


def memory(size: int = 20_000) -> None:
    """Bytes that a page takes in the state, its texts left out (the core never holds them)."""
    show(
        f"memory: {size:,} pages after two prompts; ids, titles, provenance counted (tracemalloc)",
        [
            Figure("clawvm, a page", _bytes_a_page(size, policy="clawvm"), "bytes", 1024, "target"),
            Figure(
                "clawvm with an lru shadow, a page",
                _bytes_a_page(size, policy="clawvm", shadow_policy="lru"),
                "bytes",
            ),
        ],
    )


def _seconds(work: Callable[[], Any]) -> float:
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


def snapshots(size: int = 100_000) -> None:
    """A state out to bytes and in again, and what the events cost that made it."""
    feed = _large("clawvm", size)
    feed.prompt()
    rng = random.Random(3)
    created = [feed.give("page_created", page=spec(size + n, rng, rules=False)) for n in range(2000)]
    raw = dump_state(feed.state)
    rows = [
        Figure(
            "load_state",
            min(_seconds(lambda: load_state(raw)) for _ in range(3)),
            "s",
            1.0,
            "target; best of 3",
        ),
        Figure(
            "dump_state",
            min(_seconds(lambda: dump_state(feed.state)) for _ in range(3)),
            "s",
            None,
            "best of 3",
        ),
        Figure("its bytes a page", len(raw) / len(feed.state.table.pages), "bytes"),
    ]
    rows += _three("page_created among them", created, (None, None), "")
    show(f"snapshot of {size:,} pages", rows)


def main() -> None:
    """Prints the tables."""
    small()
    curve("clawvm", {1_000: 400, 10_000: 3_000}, turns=100)
    if "clawweb" in POLICIES:
        small("clawweb")
        curve("clawweb", {1_000: 60, 10_000: 150, 100_000: 300})
    memory()
    snapshots()


if __name__ == "__main__":
    main()
