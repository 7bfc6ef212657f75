"""What `up` shows of its parts' logs: no noise, and nothing that an agent wrote as it came."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest
from celery.exceptions import SecurityWarning
from celery.platforms import _warn_or_raise_security_error

from clawweb.celery import allow_root
from clawweb.up.process import Part


def warned() -> bool:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        allow_root()
        _warn_or_raise_security_error(0, 0, 0, 0, False)
    return any(issubclass(w.category, SecurityWarning) for w in found)


def test_a_worker_of_up_says_nothing_about_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLAWWEB_READY_FILE", raising=False)
    assert warned()  # who starts a worker by hand hears of it
    monkeypatch.setenv("CLAWWEB_READY_FILE", "ready")
    assert not warned()


def test_last_words_are_safe_for_a_terminal(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_bytes(b"fine\nValueError: \x1b]0;owned\x07\x1b[31m \xff " + b"x" * 500 + b"\n\n")
    said = Part("part", [sys.executable], env={}, log=log).last_words()
    assert said.startswith("ValueError: ") and len(said) == 300
    assert said.isprintable()
