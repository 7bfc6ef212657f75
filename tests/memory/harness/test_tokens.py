"""Counts are o200k_base's, offline, and no text makes them crash or crawl."""

from __future__ import annotations

import base64
import os
import random
import subprocess
import sys
import time

import pytest

from memory import tokens


@pytest.mark.parametrize(
    "text", ["", "hello world", "def f(x):\n    return x\n", "naïve café 漢字", "<|endoftext|>"]
)
def test_plain_text_is_counted_as_tiktoken_does(text: str) -> None:
    assert tokens.count(text) == len(tokens.encoding().encode_ordinary(text))


def test_cutting_long_runs_changes_next_to_nothing() -> None:
    text = "x = 1\n" * 2_000 + "a" * 20_000 + "\nend\n" * 500
    true = len(tokens.encoding().encode_ordinary(text))
    assert abs(tokens.count(text) - true) <= 12


@pytest.mark.parametrize(
    "text",
    [
        "a" * 5_000_000,
        " " * 5_000_000,
        " \n" * 2_500_000,
        "=" * 5_000_000,
        "\ud800" * 1_000_000,
        "漢" * 2_000_000,
    ],
    ids=["a", "blanks", "blank lines", "signs", "surrogates", "wide"],
)
def test_huge_runs(text: str) -> None:
    began = time.monotonic()
    assert tokens.count(text) > 0
    assert time.monotonic() - began < 15


def test_huge_base64() -> None:
    text = base64.b64encode(random.Random(1).randbytes(3_750_000)).decode()
    began = time.monotonic()
    assert tokens.count(text) > 1_000_000
    assert time.monotonic() - began < 15


def test_the_same_text_is_counted_once() -> None:
    text = "seldom " * 500
    assert tokens.count_many([text, text]) == [tokens.count(text)] * 2


def test_no_network_and_no_setting_is_needed() -> None:
    code = (
        "import os, socket\n"
        "def no(*a, **k): raise OSError('no network here')\n"
        "socket.socket.connect = no\n"
        "from memory.tokens import count\n"
        "print(count('hello world'), os.environ.get('TIKTOKEN_CACHE_DIR'))\n"
    )
    env = {k: v for k, v in os.environ.items() if k != "TIKTOKEN_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=60, check=True
    )
    assert done.stdout.split() == ["2", "None"]
