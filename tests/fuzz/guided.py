"""The same checks, with coverage choosing what is changed further. Needs ``atheris``; nothing else does.

An input is a byte that names the target, one for the event kind, and a text. What libFuzzer keeps because it
reached new code is changed on as a JSON tree or by its bytes.
"""

from __future__ import annotations

import json
import sys
import time
from random import Random
from typing import Any

from memory.core import KINDS
from memory.core.describe import EXAMPLES

from . import mutate
from .run import Found
from .targets import TARGETS, Logs, Target, signature

_KINDS = list(KINDS)


def guided(names: list[str], minutes: float, seed: str) -> int:
    """Runs for so long; streams have no text, and are left out. 1 if something was found."""
    import atheris  # type: ignore[import-not-found]

    targets = [TARGETS[name]() for name in names if name != "stream"]
    found: dict[tuple[str, str], Found] = {}
    started, count = time.monotonic(), 0

    def one(data: bytes) -> None:
        nonlocal count
        count += 1
        if len(data) < 3:
            return
        target = targets[data[0] % len(targets)]
        example = _example(target, data)
        try:
            target.check(example)
        except Exception as error:
            key = (target.name, signature(error))
            if key not in found:
                found[key] = Found(target, key[1], example, error, f"guided-{count}")
                print(found[key], flush=True)
        if count % 10_000 == 0:
            print(f"… {count} in {time.monotonic() - started:.0f} s, {len(found)} findings", flush=True)

    def changed(data: bytes, most: int, seed: int) -> bytes:
        rng = Random(seed)
        if len(data) < 3 or rng.randrange(20) == 0:
            return _fresh(rng, targets)[:most]
        head, text = data[:2], data[2:]
        if rng.randrange(4) == 0:
            return (head + atheris.Mutate(text, most - 2))[:most]
        try:
            new = mutate.tree(rng, json.loads(text), [EXAMPLES[rng.choice(_KINDS)]])
            return (head + new.encode("utf-8", "surrogatepass"))[:most]
        except (ValueError, RecursionError):
            return (head + mutate.raw(rng, text))[:most]

    from memory.core import codec, event_log, forms, policy_form, strict_json, workloads

    for module in (codec, event_log, forms, policy_form, strict_json, workloads):
        for value in vars(module).values():
            if (
                callable(value)
                and getattr(value, "__module__", "") == module.__name__
                and hasattr(value, "__code__")
            ):
                atheris.instrument_func(value)
    options = [
        f"-max_total_time={int(minutes * 60)}",
        f"-seed={sum(seed.encode())}",
        "-max_len=40000",
        "-rss_limit_mb=0",
    ]
    atheris.Setup([sys.argv[0], *options], one, custom_mutator=changed)
    atheris.Fuzz()
    return 1 if found else 0


def _fresh(rng: Random, targets: list[Target]) -> bytes:
    """An input from an example of the target's own."""
    number = rng.randrange(len(targets))
    made: Any = targets[number].example(rng)
    kind = _KINDS.index(made[0]) if isinstance(made[0], str) else 0
    text = (
        b"\n".join(made[0]) if isinstance(made[0], list) else made[1] if isinstance(made[0], str) else made[0]
    )
    return bytes([number, kind]) + text


def _example(target: Target, data: bytes) -> Any:
    text, number = data[2:], sum(data) % 1000
    if target.name == "codec":
        return _KINDS[data[1] % len(_KINDS)], text, number
    return (text.split(b"\n") if isinstance(target, Logs) else text), number
