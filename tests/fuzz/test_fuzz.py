"""A short, always equal run of the fuzzer, and its own parts. Minutes of it: ``python -m tests.fuzz``."""

from __future__ import annotations

import json
from random import Random

import pytest

from memory.core import KINDS
from memory.core.describe import EXAMPLES

from . import bodies, checks, smaller
from .run import fuzz
from .targets import TARGETS, Codec
from .trees import Pairs, Raw, text_of

EXAMPLES_EACH = {"codec": 200, "workload": 60, "policy": 40, "log": 60, "stream": 16}


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(name: str) -> None:
    found, report = fuzz([name], "tests", lambda number: number < EXAMPLES_EACH[name])
    assert not found, report
    accepted = [line for line in report.splitlines() if "accepted" in line or "applied" in line]
    assert accepted, report


def test_every_kind_has_a_maker_of_valid_bodies() -> None:
    assert set(bodies.MAKERS) == set(KINDS)
    for seed in range(20):
        rng = Random(seed)
        names = bodies.Names(rng, 8)
        for kind in KINDS:
            assert checks.body(kind, json.dumps(bodies.body(rng, names, kind)).encode())


def test_a_crash_is_found_once_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(kind: str, raw: bytes, **_: object) -> bool:
        if b"reason" in raw:
            raise ZeroDivisionError
        return True

    monkeypatch.setattr(checks, "body", crash)
    found, report = fuzz(["codec"], "crash", lambda number: number < 60, lambda _: None)
    assert len(found) == 1
    assert found[0].times > 1
    assert "ZeroDivisionError" in str(found[0])
    assert len(found[0].example[1]) < 30
    assert report.endswith("1 findings")


def test_trees_hold_what_json_cannot() -> None:
    tree = {"a": [Raw("1e400"), None, -0.5], "b": Pairs([("x", 1), ("x", "\ud800")])}
    assert text_of(tree) == '{"a":[1e400,null,-0.5],"b":{"x":1,"x":"\\ud800"}}'
    deep = json.loads("[" * 100 + "]" * 100)
    assert text_of(deep) == "[" * 100 + "]" * 100


def test_examples_are_the_same_for_the_same_number() -> None:
    assert Codec().example(Random("7")) == Codec().example(Random("7"))
    assert set(EXAMPLES) == set(KINDS)


def test_bytes_that_are_no_json_are_made_smaller_by_their_bytes() -> None:
    assert smaller.text(b"aaaa\xffbbbb" * 9, lambda raw: b"\xff" in raw) == b"\xff"
