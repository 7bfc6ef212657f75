"""The exact optimum of one selection and of a whole workload: by brute force, and as a mixed-integer program.

A workload is read here straight from its JSON form by the rules of ``replay.md``, without the engine.
The optimum knows every turn before the first one. It resolves handles, writes back at every boundary and
gives reasons, so it has neither flush misses nor silent recalls.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from memory.core.types import DEFAULT_MIN, DEFAULT_PIN, DEGRADATION_PATH, PageType

LEVEL = {"absent": 0, "pointer": 1, "structured": 2, "compressed": 3, "full": 4}
#: Policy-controllable faults, misses of class insufficient, tokens paged in; less is better, in this order.
Cost = tuple[int, int, int]


@dataclass(frozen=True)
class Seat:
    """One page in one prompt: every form that it can take (0: absent), with its tokens and its cost."""

    page_id: str
    forms: tuple[int, ...]
    tokens: tuple[int, ...]
    costs: tuple[Cost, ...]

    @property
    def matters(self) -> bool:
        return len(set(self.costs)) > 1


@dataclass(frozen=True)
class Prompt:
    """One prompt: the pages in the table, and whether the floor and the required set fit the budget."""

    seats: tuple[Seat, ...]
    required: int
    floor: int


# --- the workload as prompts ---


def serving(page: dict[str, Any], level: int) -> int:
    """The form that serves the level: it, or the next higher one that the page has."""
    return min(LEVEL[label] for label in page["tokens"] if LEVEL[label] >= level)


def minimum(page: dict[str, Any]) -> int:
    label = page.get("min_fidelity")
    return LEVEL[label] if label else int(DEFAULT_MIN[PageType(page["type"])])


def pin(page: dict[str, Any]) -> str:
    return page.get("pin") or DEFAULT_PIN[PageType(page["type"])].value


def tokens_at(page: dict[str, Any], form: int) -> int:
    return next((n for label, n in page["tokens"].items() if LEVEL[label] == form), 0)


def is_rule(page: dict[str, Any]) -> bool:
    return DEGRADATION_PATH[PageType(page["type"])][0] > 1


def required_levels(workload: dict[str, Any], number: int) -> dict[str, int]:
    """What an auto-pinning policy must install for turn ``number`` (from 0): page id → level."""
    turn = workload["turns"][number]
    after = {"compaction", "reset"} & set(turn["lifecycle"])
    levels: dict[str, int] = {}
    for page in workload["pages"]:
        if page["created"] <= number:
            if pin(page) == "hard" or (after and is_rule(page)):
                levels[page["page_id"]] = minimum(page)
            for demand in turn["demands"]:
                if demand["page_id"] == page["page_id"]:
                    at_least = max(levels.get(page["page_id"], 0), minimum(page))
                    levels[page["page_id"]] = max(at_least, LEVEL[demand["fidelity"]])
    return levels


def prompts(workload: dict[str, Any], budget: int) -> list[Prompt]:
    """Every prompt of the workload, with what each page costs at each form."""
    found, results = [], dict[str, str]()  # signature → the result page that a repeat is judged by
    for number, turn in enumerate(workload["turns"]):
        pages = [page for page in workload["pages"] if page["created"] <= number]
        levels = required_levels(workload, number)
        required = floor = 0
        for page in pages:
            level = levels.get(page["page_id"], 0)
            required += tokens_at(page, serving(page, level)) if level else 0
            floor += tokens_at(page, serving(page, max(level, minimum(page))))
        repeated: list[str] = []
        for call in turn["tool_calls"]:
            known = results.get(call["signature"])
            if known and not call.get("refresh") and call.get("kind", "read") == "read":
                repeated.append(known)
            if call.get("result"):
                results[call["signature"]] = call["result"]
        assert set(repeated) <= {page["page_id"] for page in pages}, (
            "a repeat before its result is in the table"
        )
        seats = [_seat(page, turn, repeated, required > budget, floor > budget) for page in pages]
        found.append(Prompt(tuple(seats), required, floor))
    return found


def _seat(page: dict[str, Any], turn: dict[str, Any], repeated: list[str], tight: bool, over: bool) -> Seat:
    """``tight``: the required set is larger than the budget; ``over``: the floor is."""
    forms = (0, *sorted(LEVEL[label] for label in page["tokens"]))
    mine = [d for d in (*turn["demands"], *turn["observed"]) if d["page_id"] == page["page_id"]]
    declared = any(d["page_id"] == page["page_id"] for d in turn["demands"])
    demanded = max((LEVEL[d["fidelity"]] for d in mine), default=0)
    needed = serving(page, max(demanded, minimum(page))) if mine else 0
    costs = []
    for form in forms:
        policy, insufficient, paged_in = 0, 0, 0
        misses = (pin(page) == "hard" and form < minimum(page)) + (
            bool({"compaction", "reset"} & set(turn["lifecycle"])) and is_rule(page) and form < minimum(page)
        )
        unmet = bool(mine) and not form
        policy += misses * (not tight) + unmet * (not (tight if declared else over))
        insufficient += misses * tight + unmet * (tight if declared else over)
        if 0 < form < needed:
            paged_in = tokens_at(page, needed)
        gone = repeated.count(page["page_id"]) * (not form)
        costs.append((policy + gone * (not over), insufficient + gone * over, paged_in))
    return Seat(page["page_id"], forms, tuple(tokens_at(page, form) for form in forms), tuple(costs))


def total(costs: Iterable[Cost]) -> Cost:
    rows = list(costs)
    return (sum(c[0] for c in rows), sum(c[1] for c in rows), sum(c[2] for c in rows))


def cost_of(prompt: Prompt, held: dict[str, int]) -> Cost:
    """What a given residency (page id → form) costs in the prompt."""
    return total(seat.costs[seat.forms.index(held.get(seat.page_id, 0))] for seat in prompt.seats)


def tokens_of(prompt: Prompt, held: dict[str, int]) -> int:
    return sum(seat.tokens[seat.forms.index(held.get(seat.page_id, 0))] for seat in prompt.seats)


# --- the least cost of a prompt: what a page costs depends on its own form only, so turns stand alone ---


def least_by_force(prompt: Prompt, budget: int) -> Cost:
    """The least cost over every residency that fits."""
    seats = [seat for seat in prompt.seats if seat.matters]
    rest = total(seat.costs[0] for seat in prompt.seats if not seat.matters)
    found: list[Cost] = []
    for choice in itertools.product(*(range(len(seat.forms)) for seat in seats)):
        if sum(seat.tokens[i] for seat, i in zip(seats, choice, strict=True)) <= budget:
            found.append(total([rest, *(seat.costs[i] for seat, i in zip(seats, choice, strict=True))]))
    return min(found)


class Unsolved(Exception):
    """The program ran out of time."""


@dataclass
class _Program:
    """A mixed-integer program in the making: variables from 0 to 1, rows of sparse coefficients."""

    costs: list[float]
    rows: list[tuple[dict[int, float], float, float]]
    whole: list[int]

    def variable(self, cost: float, *, whole: bool = True) -> int:
        """``whole``: 0 or 1. Steps of a flow between whole stands are whole by themselves."""
        self.costs.append(cost)
        self.whole.append(int(whole))
        return len(self.costs) - 1

    def row(self, coefficients: dict[int, float], low: float, high: float) -> None:
        self.rows.append((coefficients, low, high))

    def solve(self, seconds: float) -> tuple[float, list[int]]:
        """The least objective and the variables at 1. The bound is exact, or ``Unsolved`` is raised."""
        if not self.costs:
            return 0.0, []
        entries = [(r, c, v) for r, (row, _, _) in enumerate(self.rows) for c, v in row.items()]
        at, columns, values = zip(*entries, strict=True)
        matrix = coo_array((values, (at, columns)), shape=(len(self.rows), len(self.costs))).tocsr()
        lows, highs = [row[1] for row in self.rows], [row[2] for row in self.rows]
        done = milp(
            np.array(self.costs),
            constraints=LinearConstraint(matrix, lows, highs),
            integrality=np.array(self.whole),
            bounds=Bounds(0, 1),
            options={"time_limit": seconds, "mip_rel_gap": 0.0},
        )
        if done.status != 0:
            raise Unsolved(done.message)
        return float(done.fun), [i for i, x in enumerate(done.x) if x > 0.5]


def least(prompt: Prompt, budget: int, seconds: float = 10.0) -> Cost:
    """The same by a mixed-integer program: one binary a page and form."""
    seats = [seat for seat in prompt.seats if seat.matters]
    rest = total(seat.costs[0] for seat in prompt.seats if not seat.matters)
    price = 1 + sum(max(cost[2] for cost in seat.costs) for seat in seats)
    misses = 1 + sum(max(cost[1] for cost in seat.costs) for seat in seats)
    program, used, owner = _Program([], [], []), dict[int, float](), dict[int, Cost]()
    for seat in seats:
        one: dict[int, float] = {}
        for tokens, cost in zip(seat.tokens, seat.costs, strict=True):
            x = program.variable((cost[0] * misses + cost[1]) * price + cost[2])
            one[x], used[x], owner[x] = 1.0, float(tokens), cost
        program.row(one, 1, 1)
    if seats:
        program.row(used, 0, budget)
    _, chosen = program.solve(seconds)
    return total([rest, *(owner[x] for x in chosen)])


# --- moved tokens: what binds the turns together ---


def moved_of(before: Seat, form_before: int, now: Seat, form_now: int) -> int:
    """Tokens moved by one page from prompt to prompt."""
    if form_before == form_now:
        return 0
    return max(before.tokens[before.forms.index(form_before)], now.tokens[now.forms.index(form_now)])


def moved_tokens(found: Sequence[Prompt], held: Sequence[dict[str, int]]) -> int:
    """Tokens moved over a whole residency sequence; arrivals and departures do not count."""
    moved = 0
    for t in range(1, len(found)):
        was = {seat.page_id: seat for seat in found[t - 1].seats}
        for seat in found[t].seats:
            if seat.page_id in was:
                forms = (held[t - 1].get(seat.page_id, 0), held[t].get(seat.page_id, 0))
                moved += moved_of(was[seat.page_id], forms[0], seat, forms[1])
    return moved


def least_moved(
    found: Sequence[Prompt],
    budget: int,
    costs: Sequence[Cost],
    *,
    traffic: bool = False,
    seconds: float = 20.0,
) -> int:
    """The least moved tokens of all residency sequences that cost no more than ``costs`` in each turn.

    ``traffic``: only the faults are held to ``costs``; moved and paged-in tokens together are the least.
    A flow in layers for each page (a step for each pair of forms), bound together by the budget of each turn.
    """
    program, layers = _Program([], [], []), list[dict[tuple[str, int], int]]()
    for t, prompt in enumerate(found):
        layer, used = dict[tuple[str, int], int](), dict[int, float]()
        sums: tuple[dict[int, float], ...] = ({}, {}, {})
        for seat in prompt.seats:
            one: dict[int, float] = {}
            for form, tokens, cost in zip(seat.forms, seat.tokens, seat.costs, strict=True):
                x = layer[seat.page_id, form] = program.variable(float(cost[2]) if traffic else 0.0)
                one[x], used[x] = 1.0, float(tokens)
                for part, value in zip(sums, cost, strict=True):
                    if value:
                        part[x] = float(value)
            program.row(one, 1, 1)
        program.row(used, 0, budget)
        for part, most in list(zip(sums, costs[t], strict=True))[: 2 if traffic else 3]:
            if part:
                program.row(part, 0, most)
        if t:
            _flows(program, layers[-1], layer, found[t - 1], prompt)
        layers.append(layer)
    return round(program.solve(seconds)[0])


def _flows(
    program: _Program,
    old: dict[tuple[str, int], int],
    new: dict[tuple[str, int], int],
    before: Prompt,
    now: Prompt,
) -> None:
    """Steps of every page that stands in both prompts: what leaves a form and what enters one."""
    was = {seat.page_id: seat for seat in before.seats}
    for seat in now.seats:
        if seat.page_id not in was:
            continue
        leaves: dict[int, dict[int, float]] = {
            f: {old[seat.page_id, f]: -1.0} for f in was[seat.page_id].forms
        }
        enters: dict[int, dict[int, float]] = {g: {new[seat.page_id, g]: -1.0} for g in seat.forms}
        for f, g in itertools.product(leaves, enters):
            y = program.variable(float(moved_of(was[seat.page_id], f, seat, g)), whole=False)
            leaves[f][y] = enters[g][y] = 1.0
        for row in (*leaves.values(), *enters.values()):
            program.row(row, 0, 0)


def least_moved_by_force(
    found: Sequence[Prompt], budget: int, costs: Sequence[Cost], *, traffic: bool = False
) -> int:
    """The same by walking through every residency of every turn."""
    best: dict[tuple[int, ...], int] = {}
    for t, prompt in enumerate(found):
        now: dict[tuple[int, ...], int] = {}
        for choice in itertools.product(*(seat.forms for seat in prompt.seats)):
            held = {seat.page_id: form for seat, form in zip(prompt.seats, choice, strict=True)}
            cost = cost_of(prompt, held)
            most = costs[t][:2] if traffic else costs[t]
            if tokens_of(prompt, held) > budget or any(c > m for c, m in zip(cost, most, strict=False)):
                continue
            price = cost[2] if traffic else 0
            if not t:
                now[choice] = price
                continue
            ids = [seat.page_id for seat in found[t - 1].seats]
            now[choice] = price + min(
                before + moved_tokens(found[t - 1 : t + 1], [dict(zip(ids, old, strict=True)), held])
                for old, before in best.items()
            )
        best = now
    return min(best.values())


# --- one selection ---

Ladder = tuple[tuple[int, float], ...]  # of a page: extra tokens and worth of each stand from the floor up


def ladder(page: dict[str, Any], floor: int, utility: float) -> Ladder:
    """Where a page can stand above ``floor``: each step is worth its utility, whatever it costs."""
    forms = [floor, *sorted(f for label in page["tokens"] if (f := LEVEL[label]) > floor)]
    return tuple((tokens_at(page, f) - tokens_at(page, floor), k * utility) for k, f in enumerate(forms))


def most_worth_by_force(ladders: Sequence[Ladder], room: int) -> float:
    """The most worth that fits into ``room`` tokens."""
    return max(
        math.fsum(worth for _, worth in choice)
        for choice in itertools.product(*ladders)
        if sum(extra for extra, _ in choice) <= room
    )


def most_worth(ladders: Sequence[Ladder], room: int, seconds: float = 10.0) -> float:
    """The same by a mixed-integer program."""
    program, used = _Program([], [], []), dict[int, float]()
    for stands in ladders:
        one: dict[int, float] = {}
        for extra, worth in stands[1:]:
            if extra <= room:
                x = program.variable(-worth)
                one[x], used[x] = 1.0, float(extra)
        if one:
            program.row(one, 0, 1)
    if used:
        program.row(used, 0, room)
    return -program.solve(seconds)[0]


def most_met_by_force(tokens: Sequence[int], room: int, *, ranked: bool) -> tuple[bool, ...]:
    """Which required pages to install: the lexicographically largest choice, or (not ``ranked``) the most."""
    choices = [
        choice
        for choice in itertools.product((True, False), repeat=len(tokens))
        if sum(n for n, taken in zip(tokens, choice, strict=True) if taken) <= room
    ]
    return max(choices) if ranked else max(choices, key=lambda choice: (sum(choice), choice))


def most_met(tokens: Sequence[int], room: int, *, ranked: bool, seconds: float = 10.0) -> tuple[bool, ...]:
    """The same by a mixed-integer program (``ranked``: up to 30 pages, for the weights double)."""
    program = _Program([], [], [])
    for place in range(len(tokens)):
        program.variable(-float(2 ** (len(tokens) - place)) if ranked else -1.0)
    if tokens:
        program.row({i: float(n) for i, n in enumerate(tokens)}, 0, room)
    chosen = set(program.solve(seconds)[1])
    return tuple(i in chosen for i in range(len(tokens)))
