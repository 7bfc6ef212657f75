"""What is fuzzed: each target makes an example from a Random, checks it, and can make a bad one smaller."""

from __future__ import annotations

import json
import traceback
from collections import Counter
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from memory.core import KINDS, POLICIES, Policy, read_policy
from memory.core.describe import EXAMPLES
from tests.reference import generate
from tests.support.workloads import FAMILIES, anything

from . import bodies, checks, invariants, mutate, sessions, smaller, streams
from .checks import Finding
from .trees import text_of


class Target:
    """``seen``: accepted and refused, by kind."""

    name = ""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def example(self, rng: Random) -> Any:
        """An input."""
        raise NotImplementedError

    def check(self, example: Any) -> None:
        """Raises ``Finding``, or any other error, which is a finding too."""
        raise NotImplementedError

    def smaller(self, example: Any, shows: Callable[[Any], bool]) -> Any:
        return example

    def shown(self, example: Any) -> str:
        return repr(example)[:4000]


def signature(error: BaseException) -> str:
    """The same for the same fault: what must not be, or where in the core it was raised."""
    if isinstance(error, Finding):
        return error.what
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/memory/" in f.filename]
    place = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].name}" if frames else "?"
    return f"{type(error).__name__} in {place}"


def _text(rng: Random, example: Any, others: list[Any]) -> bytes:
    """A text that was changed as a tree, by its bytes, or (seldom) not at all."""
    match rng.randrange(10):
        case 0:
            return text_of(example).encode()
        case 1 | 2:
            return mutate.raw(rng, text_of(example).encode())
        case _:
            return mutate.tree(rng, example, others).encode("utf-8", "surrogatepass")


class Codec(Target):
    """Bodies of every kind."""

    name = "codec"

    def example(self, rng: Random) -> tuple[str, bytes, int]:
        kind = rng.choice(list(KINDS))
        names = bodies.Names(rng, 8)
        tree = EXAMPLES[kind] if rng.randrange(3) == 0 else bodies.body(rng, names, kind)
        other = rng.choice(list(KINDS))
        others = [EXAMPLES[other], bodies.body(rng, names, other), EXAMPLES[kind]]
        return kind, _text(rng, tree, others), rng.randrange(1000)

    def check(self, example: tuple[str, bytes, int]) -> None:
        kind, raw, number = example
        states = sessions.running()
        state = states[number % len(states)]
        memory = number % 40 == 0
        accepted = checks.body(kind, raw, memory=memory, state=state)
        self.seen[f"{kind} {'accepted' if accepted else 'refused'}"] += 1

    def smaller(self, example: tuple[str, bytes, int], shows: Callable[[Any], bool]) -> Any:
        kind, raw, number = example
        return kind, smaller.text(raw, lambda less: shows((kind, less, number))), number


@cache
def _families() -> list[Any]:
    small = [
        make(1, pages=8, turns=6, observed=observed)
        for make in FAMILIES.values()
        for observed in (False, True)
    ]
    return small + [anything(seed) for seed in range(4)]


def _workload(rng: Random) -> Any:
    if rng.randrange(4) == 0:
        return rng.choice(_families())
    return generate.workload(rng, rng.choice((2, 5, 10)), rng.choice((1, 3, 6)))


def _policy_of(rng: Random) -> Policy:
    if rng.randrange(3):
        return POLICIES[rng.choice([name for name in POLICIES if POLICIES[name].selects])]
    return read_policy(bodies.policy(rng, "own"))


class Workloads(Target):
    """Workload files."""

    name = "workload"

    def example(self, rng: Random) -> tuple[bytes, int]:
        return _text(rng, _workload(rng), [_workload(rng)]), rng.randrange(10**6)

    def check(self, example: tuple[bytes, int]) -> None:
        raw, number = example
        rng = Random(number)
        ways = [(_policy_of(rng), rng.choice((0, 5, 30, 80, 150, 400, 10**9))) for _ in range(2)]
        accepted = checks.workload(raw, ways, memory=number % 40 == 0, compare=number % 3 == 0)
        self.seen["accepted" if accepted else "refused"] += 1

    def smaller(self, example: tuple[bytes, int], shows: Callable[[Any], bool]) -> Any:
        raw, number = example
        return smaller.text(raw, lambda less: shows((less, number))), number


class Policies(Target):
    """Declared policies."""

    name = "policy"

    def example(self, rng: Random) -> tuple[bytes, int]:
        built = [{**policy.to_json(), "name": "own"} for policy in POLICIES.values()]
        tree = rng.choice((rng.choice(built), bodies.policy(rng, "own")))
        return _text(rng, tree, built), rng.randrange(10**6)

    def check(self, example: tuple[bytes, int]) -> None:
        raw, number = example
        rng = Random(number)
        drawn = generate.workload(rng, 6, 4)
        accepted = checks.policy(
            raw, [(json.dumps(drawn).encode(), generate.budget(rng, drawn))], memory=number % 40 == 0
        )
        self.seen["accepted" if accepted else "refused"] += 1

    def smaller(self, example: tuple[bytes, int], shows: Callable[[Any], bool]) -> Any:
        raw, number = example
        return smaller.text(raw, lambda less: shows((less, number))), number


class Logs(Target):
    """Event logs, line by line."""

    name = "log"

    def example(self, rng: Random) -> tuple[list[bytes], int]:
        trees = streams.lines(streams.stream(rng)[: rng.choice((1, 4, 12, 40))])
        lines = [text_of(tree).encode() for tree in trees]
        number = rng.randrange(len(lines))
        match rng.randrange(8):
            case 0:
                pass
            case 1:
                lines.insert(
                    rng.randrange(len(lines) + 1), rng.choice((b"", b"\n", b"{}", lines[number], b"\xff"))
                )
            case 2:
                del lines[number]
            case 3:
                other = rng.randrange(len(lines))
                lines[number], lines[other] = lines[other], lines[number]
            case 4:
                lines = mutate.raw(rng, b"\n".join(lines)).split(b"\n")
            case _:
                lines[number] = _text(rng, trees[number], trees)
        if rng.randrange(2):
            lines = [line + b"\n" for line in lines]
        return lines, rng.randrange(10**6)

    def check(self, example: tuple[list[bytes], int]) -> None:
        lines, number = example
        rng = Random(number)
        asked = [(_policy_of(rng), rng.choice((None, 0, 40, 200)))]
        accepted = checks.log(lines, asked, memory=number % 40 == 0)
        self.seen["accepted" if accepted else "refused"] += 1

    def smaller(self, example: tuple[list[bytes], int], shows: Callable[[Any], bool]) -> Any:
        lines, number = example
        while len(lines) > 1 and shows((lines[:-1], number)):
            lines = lines[:-1]
        for place in range(len(lines)):
            lines = self._with_smaller_line(lines, place, lambda less: shows((less, number)))
        return lines, number

    def _with_smaller_line(
        self, lines: list[bytes], place: int, shows: Callable[[list[bytes]], bool]
    ) -> list[bytes]:
        def around(line: bytes) -> list[bytes]:
            return [*lines[:place], line, *lines[place + 1 :]]

        return around(smaller.text(lines[place], lambda less: shows(around(less)), 2.0))


class Streams(Target):
    """Streams of valid events against the engine."""

    name = "stream"

    def example(self, rng: Random) -> tuple[list[streams.Given], int]:
        return streams.stream(rng), rng.randrange(10**6)

    def check(self, example: tuple[list[streams.Given], int]) -> None:
        given, number = example
        self.seen += invariants.check(invariants.Always() if number < 0 else Random(number), given)

    def smaller(self, example: tuple[list[streams.Given], int], shows: Callable[[Any], bool]) -> Any:
        given, number = example
        if shows((given, -1)):
            number = -1
        return smaller.stream(given, lambda less: shows((less, number))), number

    def shown(self, example: tuple[list[streams.Given], int]) -> str:
        rows = [json.dumps([one.kind, one.body, one.actor], ensure_ascii=True) for one in example[0]]
        return "\n".join(rows)[:8000] + f"\n(random {example[1]})"


TARGETS: dict[str, type[Target]] = {cls.name: cls for cls in (Codec, Workloads, Policies, Logs, Streams)}
