"""Random workloads: valid by replay.md, and chosen to make decisions close.

Everything is drawn from a `random.Random`, so that one function serves the seeded mass runs and Hypothesis
(which hands in a Random that it controls and shrinks). Numbers come from short lists on purpose: ties in
gain, utility and cost are then common, and budgets lie around the sums that matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st

from .workloads import ORDER, PATHS, rank, read_page

IDS = (
    *"abcABCxyz",
    "a1",
    "a10",
    "a2",
    "é",
    "e\u0301",
    "ß",
    "Ω",
    "ページ",
    "\uffee",  # after the next one as UTF-16, before it as text
    "𝔸",
    "🧵",
    "implied",
    "implied-a",
    "implied:a",
    "page one",
    "a/b#c",
    "0",
    "null",
    *(f"p{number}" for number in range(120)),  # p10 stands before p2 as text
)
STEPS = (1, 1, 1, 2, 2, 3, 5, 8, 10, 10, 20, 37, 100)
WORTH = (0, 0, 0, 1, 1, 1.0, 2, 0.5, 0.25, 0.1, 3, 7.0, 1e-9, 1e6)
WEIGHTS = (0, 0, 1, 1, 0.5, 0.1, 0.6, 2.2, 3, 1e-6, 1000.0)
SIGNATURES = ("read:a", "read:b", "read:é", "ls", "test", " ")
LIFECYCLE = ("compaction", "prune", "flush", "reset", "shutdown")
SCOPES = ("session", "project")


@dataclass
class Taste:
    """What the numbers of one workload are drawn from. `busy`: percent of a turn's parts that are filled."""

    steps: tuple[int, ...]
    worth: tuple[float, ...]
    kinds: tuple[str, ...]
    busy: int
    floors: int = 40  # percent of the pages that name a minimum of their own


def taste(rng: Random) -> Taste:
    """Mixed; small numbers (marks are met exactly); pages alike; few large, many small; long silences."""
    kinds = tuple(PATHS)
    busy = rng.choice((10, 30, 30, 70))
    return rng.choice(
        (
            Taste(STEPS, WORTH, kinds, busy),
            Taste(STEPS, WORTH, kinds, busy),
            Taste((1,), (0, 1), kinds, busy),
            Taste((1, 2, 10), (1,), (rng.choice(kinds),), busy),
            Taste((1, 1, 1, 1, 2, 60), (1,), kinds, rng.choice((4, 10)), floors=5),
            Taste(rng.choice((STEPS, (1, 2, 3))), (0, 0, 0.001), kinds, 2),
        )
    )


def maybe(rng: Random, percent: int) -> bool:
    return rng.randrange(100) < percent


def workload(rng: Random, max_pages: int = 12, max_turns: int = 14) -> dict[str, Any]:
    """A workload as `json.load` would give it."""
    likes = taste(rng)
    turn_count = rng.randrange(1, max_turns + 1) if likes.busy > 2 else max_turns * 2
    ids = rng.sample(IDS, rng.randrange(min(max_pages, len(IDS)) + 1))
    late = rng.choice((0, 20, 60))  # percent of the pages that are created after the first turn
    out: dict[str, Any] = {
        "workload_id": "random",
        "pages": [page(rng, likes, page_id, turn_count, late) for page_id in ids],
    }
    if maybe(rng, 25):
        out["multi_session"] = maybe(rng, 80)
    if maybe(rng, 25):
        out["grants"] = rng.choice((["session"], ["project"], ["session", "project"], []))
    created = {raw["page_id"]: raw.get("created", 0) for raw in out["pages"]}
    prefix = rng.choice(("u", "u", "é", "implied", "1"))
    names = (f"{prefix}{number}" for number in range(10**6))
    if maybe(rng, 1):
        turn_count = 0
    out["turns"] = [
        turn(
            rng,
            likes.busy,
            [page_id for page_id in ids if created[page_id] <= index],
            ids,
            out["pages"],
            names,
        )
        for index in range(turn_count)
    ]
    return out


def page(rng: Random, likes: Taste, page_id: str, turn_count: int, late: int) -> dict[str, Any]:
    kind = rng.choice(likes.kinds)
    path = PATHS[kind]
    kept = [fidelity for fidelity in path[:-1] if maybe(rng, 70)] + ["full"]
    tokens, total = {}, 0
    for fidelity in kept:
        total += rng.choice(likes.steps)
        tokens[fidelity] = total
    if maybe(rng, 30):  # the order of the keys must not matter
        tokens = dict(reversed(tokens.items()))
    out: dict[str, Any] = {
        "page_id": page_id,
        "type": kind,
        "tokens": tokens,
        "provenance": {"kind": "file", "ref": "x"},
    }
    if maybe(rng, 40):
        out["scope"] = rng.choice(SCOPES)
    if maybe(rng, 40):
        out["pin"] = rng.choice(("none", "soft", "hard"))
    if maybe(rng, likes.floors):
        out["min_fidelity"] = rng.choice(path)
    if maybe(rng, 70):
        out["base_utility"] = rng.choice(likes.worth)
    if maybe(rng, 70):
        out["recompute_cost"] = rng.choice(likes.worth)
    if maybe(rng, late):
        out["created"] = rng.randrange(turn_count + 1)
    return out


def turn(
    rng: Random, busy: int, live: list[str], ids: list[str], pages: list[dict[str, Any]], names: Any
) -> dict[str, Any]:
    """`live`: pages that may be demanded or written; `ids`: all pages, which may be results."""
    out: dict[str, Any] = {}
    if maybe(rng, busy):
        kinds = [rng.choice(LIFECYCLE) for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4)))]
        out["lifecycle"] = kinds[0] if len(kinds) == 1 and maybe(rng, 50) else kinds
    if live and maybe(rng, busy):
        out["dirty"] = some(rng, live)
    if live and maybe(rng, busy):
        by_id = {raw["page_id"]: raw for raw in pages}
        out["writes"] = [write(rng, by_id[page_id], ids, next(names)) for page_id in some(rng, live)]
    if live and maybe(rng, busy):
        out["demands"] = [demand(rng, page_id) for page_id in some(rng, live)]
    if live and maybe(rng, busy):
        out["observed"] = [demand(rng, page_id) for page_id in some(rng, live)]
    if maybe(rng, busy):
        out["tool_calls"] = [call(rng, ids) for _ in range(rng.randrange(1, 5))]
    if maybe(rng, busy):
        out["recalls"] = [recall(rng) for _ in range(rng.randrange(1, 3))]
    return out


def some(rng: Random, ids: list[str]) -> list[str]:
    """One to four pages; the same one may come twice."""
    return [rng.choice(ids) for _ in range(rng.choice((1, 1, 2, 2, 3, 4)))]


def demand(rng: Random, page_id: str) -> dict[str, str]:
    return {"page_id": page_id, "fidelity": rng.choice(ORDER[1:])}


def write(rng: Random, raw: dict[str, Any], ids: list[str], update_id: str) -> dict[str, Any]:
    """Mostly a good update, with each thing that a check looks at now and then wrong."""
    field, value = rng.choice((("step", "3"), ("step", 3), ("", "x"), ("list", [1, {"é": 2}])))
    if maybe(rng, 30):
        field, value = "pin", rng.choice(("none", "soft", "hard", "hard", "hard", "full", 3))
    elif maybe(rng, 30):
        field, value = "min_fidelity", rng.choice((*PATHS[raw["type"]], *ORDER, "hard"))
    elif maybe(rng, 3):
        field, value = rng.choice((("é" * 200, 0), ("é" * 201, 0), ("step", None), ("step", [None])))
    elif maybe(rng, 1):
        value = "x" * rng.choice((65534, 65535))  # with its quotes just within the limit, and just beyond
    scope = raw.get("scope", "session")
    out = {
        "update_id": update_id,
        "page_id": raw["page_id"],
        "field": field,
        "op": rng.choice(("append", "merge", "set_with_version", "set_with_version", "append", "delete")),
        "value": value,
        "scope": rng.choice(SCOPES) if maybe(rng, 15) else scope,
        "evidence_ref": "nothing" if maybe(rng, 10) else rng.choice(ids),
        "base_version": rng.choice((0, 0, 0, 1, 1, 2, 3)),
    }
    if out["scope"] == "session" and maybe(rng, 20):
        del out["scope"]
    return out


def call(rng: Random, ids: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {"signature": rng.choice(SIGNATURES[: rng.choice((1, 2, 6))])}
    if ids and maybe(rng, 75):
        out["result"] = rng.choice(ids)
    elif maybe(rng, 50):
        out["result"] = None
    if maybe(rng, 30):
        out["kind"] = rng.choice(("read", "write", "volatile"))
    if maybe(rng, 20):
        out["refresh"] = maybe(rng, 60)
    return out


def recall(rng: Random) -> dict[str, Any]:
    out: dict[str, Any] = {"query": rng.choice(("calendar", "é"))}
    if maybe(rng, 70):
        out["found"] = rng.choice((0, 0, 1, 3))
    if maybe(rng, 60):
        out["reason"] = rng.choice((None, "NO_MATCH", "DENIED", "BACKEND_ERROR"))
    return out


def budget(rng: Random, of: dict[str, Any]) -> int:
    """From 0 to more than everything, often on or beside a sum that decides something."""
    pages = [read_page(raw) for raw in of["pages"]]
    full = sum(page.cost(rank("full")) for page in pages)
    floor = sum(page.cost(page.minimum) for page in pages)
    hard = sum(page.cost(page.minimum) for page in pages if page.pin == "hard")
    lowest = sum(page.cost(page.lowest()) for page in pages)
    sums = (0, hard, lowest, floor, full)
    if pages and maybe(rng, 20):  # room for the smallest of everything, and hardly for the largest of one
        return lowest + max(page.cost(rank("full")) for page in pages) + rng.randrange(30)
    if maybe(rng, 40):
        return max(0, rng.choice(sums) + rng.choice((-1, 0, 1)))
    return rng.randrange(full + 20 if maybe(rng, 70) else full // 3 + 1)


def declared_policy(rng: Random) -> dict[str, Any]:
    """A policy that a user could declare: any switches, any weights."""
    switches = (
        "auto_pins",
        "prefetch",
        "upgrades",
        "writes_back",
        "writes_back_at_end",
        "resolves",
        "recalls_have_reasons",
    )
    weights = ("base_weight", "hard_weight", "soft_weight", "recency_weight", "recompute_weight")
    out: dict[str, Any] = {"name": "declared"}
    out.update({name: maybe(rng, 60) for name in switches})
    out.update({name: rng.choice(WEIGHTS) for name in weights})
    out["future_weight"] = rng.choice((0, 0, 0, 2.2, 0.3))
    out["share_percent"] = rng.choice((0, 1, 33, 78, 99, 100))
    if maybe(rng, 30):
        out.update(steady_part(rng))
    return out


def giants(rng: Random) -> tuple[dict[str, Any], int]:
    """Small pages and a few that nearly fill the budget: the way to a refill (docs/model.md).

    A giant is declared and presses the small ones, all worth the same, down to their floor; then a small one
    is declared and presses the giant out; then there is much room, and they are raised again. Returns the
    workload and its budget.
    """
    kinds = ("plan", "preference", "evidence", "conversation")
    small = [
        {"pointer": 1, "structured": rng.choice((2, 3, 4)), "full": rng.choice((6, 7, 9))}
        for _ in range(rng.randrange(3, 14))
    ]
    big = [{"pointer": 1, "full": rng.randrange(40, 90)} for _ in range(rng.randrange(1, 4))]
    names = rng.sample(IDS, len(small) + len(big))
    pages: list[dict[str, Any]] = []
    for name, tokens in zip(names, small + big, strict=True):
        pages.append(
            {
                "page_id": name,
                "type": rng.choice(kinds),
                "tokens": tokens,
                "provenance": {"kind": "file", "ref": "x"},
                "pin": "none",
            }
        )
    turns: list[dict[str, Any]] = []
    for _ in range(rng.randrange(2, 5)):
        turns.append({"demands": [{"page_id": rng.choice(names[len(small) :]), "fidelity": "full"}]})
        turns += [{}] * rng.choice((0, 0, 1, 3))
        turns.append({"demands": [{"page_id": rng.choice(names[: len(small)]), "fidelity": "full"}]})
        turns += [{"observed": [demand(rng, rng.choice(names))]} for _ in range(rng.choice((1, 1, 2, 3)))]
    room = max(tokens["full"] for tokens in big) + len(names) - 1 + rng.randrange(6)
    return {"workload_id": "giants", "pages": pages, "turns": turns}, room


def steady_part(rng: Random) -> dict[str, Any]:
    """Marks in the order that docs/model.md asks for. A steady policy has all that `clawweb` has."""
    refill, low, high = sorted(rng.choice((0, 1, 30, 50, 80, 95, 100)) for _ in range(3))
    return {
        "steady": True,
        "auto_pins": True,
        "prefetch": True,
        "upgrades": True,
        "high_water_percent": high,
        "low_water_percent": low,
        "refill_percent": refill,
        "raise_above": rng.choice((0, 0.5, 1, 1.5, 1.88, 2.4, 10)),
    }


def workloads(max_pages: int = 8, max_turns: int = 8) -> st.SearchStrategy[dict[str, Any]]:
    """The same as a Hypothesis strategy."""
    return st.randoms(use_true_random=False).map(lambda rng: workload(rng, max_pages, max_turns))


def cases(max_pages: int = 8, max_turns: int = 8) -> st.SearchStrategy[tuple[dict[str, Any], int]]:
    """A workload and a budget that fits it."""

    def both(rng: Random) -> tuple[dict[str, Any], int]:
        drawn = workload(rng, max_pages, max_turns)
        return drawn, budget(rng, drawn)

    return st.randoms(use_true_random=False).map(both)
