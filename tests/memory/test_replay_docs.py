"""docs/replay.md is run: its workload, its commands, its Python; its tables are compared with the code."""

from __future__ import annotations

import io
import json
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import call_command

from memory.core import POLICIES, read_workload, replay, replay_workload
from memory.core import workloads as reader
from memory.core.types import MAX_LIST, MAX_PAGES, MAX_TOKENS, ChangeReason
from tests.core.cast import Session
from tests.support.processes import ROOT

DOC = (ROOT / "docs" / "replay.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOC, re.DOTALL)


def section(title: str) -> str:
    return DOC.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def named(text: str) -> set[str]:
    """Words in backticks in the first column of its tables."""
    rows = re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
    return {word for row in rows for word in re.findall(r"`([a-z_0-9.]+)`", row)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (workload,) = blocks("json")
    (tmp_path / "WORKLOAD.json").write_text(workload, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_run(folder: Path) -> None:
    """One after the other, as they stand there."""
    lines = "".join(blocks("sh")).splitlines()
    assert len(lines) == 6
    for line in lines:
        python, manage, *words = shlex.split(line)
        assert (python, manage) == ("python", "manage.py")
        call_command(*words, stdout=io.StringIO())
    assert len(list((folder / "DIR").iterdir())) == 2 * 6 * sum(p.selects for p in POLICIES.values())


def test_the_python_runs(folder: Path) -> None:
    (code,) = blocks("python")
    exec(compile(code, "docs/replay.md", "exec"), {})


def test_the_fields_are_the_readers() -> None:
    fields = {
        *reader._FILE,
        *reader._PAGE,
        *reader._TURN,
        "fidelity",
        "signature",
        "result",
        "kind",
        "refresh",
    }
    fields |= {"query", "found", "reason"}
    assert named(section("Workload file")) == fields


def test_the_limits_are_the_readers() -> None:
    text = section("Workload file")
    assert reader.MAX_EVENTS == 999_999
    for limit in (MAX_LIST, MAX_TOKENS, MAX_PAGES, reader.MAX_TURNS, reader.MAX_BYTES // 2**20):
        assert str(limit) in text


def test_the_keys_are_the_traces() -> None:
    path = ROOT / "tests" / "golden" / "replay" / "churn.json"
    found = replay_workload(read_workload(path.read_bytes()), POLICIES["clawvm"], 180)
    keys = {key for line in found.trace for key in json.loads(line)}
    assert named(section("Trace")) == keys
    assert all(f"`{reason}`" in section("Trace") for reason in ChangeReason)


def test_the_names_are_the_metrics() -> None:
    session = Session(budget=10)
    session.prompt()
    assert named(section("Metrics")) == {*replay(session.events).metrics, "workload_id"}
