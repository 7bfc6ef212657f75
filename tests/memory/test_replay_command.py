"""``manage.py replay``: its forms, its exit status, and that it leaves nothing half written."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from memory import core, outputs, store
from memory.core import POLICIES, read_workload, replay_workload
from memory.store import cache
from memory.store.drain import drain
from memory.store.log import log_events
from tests.memory.cast import STARTED, session_events, undisturbed
from tests.support.processes import ROOT, clean_env

GOLDEN = ROOT / "tests" / "golden" / "replay"
GATES = GOLDEN / "gates.json"
LOG = GOLDEN / "observed.log.jsonl"
NAMES = [policy.name for policy in POLICIES.values() if policy.selects]


def run(*words: Any) -> str:
    """What the command printed; ``CommandError`` if it failed."""
    out = io.StringIO()
    call_command("replay", *map(str, words), stdout=out)
    return out.getvalue()


def refused(*words: Any, status: int = 2) -> str:
    with pytest.raises(CommandError) as caught:
        run(*words)
    assert caught.value.returncode == status
    return str(caught.value)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- as processes: no database, whatever the settings say ---


def test_as_it_is_typed(tmp_path: Path) -> None:
    """Exit status 0 and 2, errors on standard error, in an empty place without any database."""
    env = clean_env(
        CLAWWEB_DATA_DIR=str(tmp_path / "data"), DATABASE_URL="postgres://nobody@127.0.0.1:1/none"
    )

    def typed(words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, str(ROOT / "manage.py"), "replay", *words.split()]
        return subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    shutil.copy(GATES, tmp_path / "w.json")
    done = typed("w.json --policy clawvm --budget 180 --trace out.jsonl --metrics out.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("clawvm at 180 tokens: 9 turns, ")
    whole = replay_workload(read_workload(GATES.read_bytes()), POLICIES["clawvm"], 180)
    assert (tmp_path / "out.jsonl").read_bytes() == whole.trace_bytes()
    metrics = json.loads((tmp_path / "out.json").read_bytes())
    assert metrics == whole.metrics
    assert metrics["trace_sha256"] == hashlib.sha256((tmp_path / "out.jsonl").read_bytes()).hexdigest()
    (tmp_path / "bad.json").write_text('{"pages": [], "turns": [{}, {"dirty": ["plan"]}]}')
    done = typed("bad.json --policy clawvm --budget 180 --trace no.jsonl --metrics no.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "CommandError: bad.json: turn 1: dirty[0]: there is no page 'plan'\n"
    assert {name for name in files(tmp_path) if "/" not in name} == {
        "bad.json", "out.json", "out.jsonl", "w.json",
    }  # fmt: skip


# --- many runs ---


def test_all_policies_and_many_budgets(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    out = run(GATES, "--policies", "all", "--budgets", "120,180,500", "--out", folder)
    assert len(out.splitlines()) == 1 + 3 * len(NAMES)
    assert files(folder) == sorted(
        f"{name}-{budget}.{suffix}"
        for name in NAMES
        for budget in (120, 180, 500)
        for suffix in ("json", "jsonl")
    )
    assert {"oracle", "clawweb", "clawvm", "lru"} <= set(NAMES)
    metrics = json.loads((folder / "lru-180.json").read_bytes())
    assert (metrics["policy"], metrics["budget"]) == ("lru", 180)
    run(GATES, "--policy", "lru", "--budget", 180, "--trace", tmp_path / "one.jsonl")
    assert (folder / "lru-180.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()


def test_some_policies_one_of_them_declared(tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps({"name": "mine/../x", "auto_pins": True, "upgrades": True, "base_weight": 1}))
    out = run(GATES, "--policies", f"clawvm,{mine}", "--budgets", "180", "--out", tmp_path / "o")
    assert [line.split()[0] for line in out.splitlines()] == ["policy", "clawvm", "mine/../x"]
    assert "clawvm-180.json" in files(tmp_path / "o")
    assert len(files(tmp_path)) == 5


def test_a_policy_of_ones_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps({"name": "mine", "auto_pins": True}))
    assert run(GATES, "--policy", mine, "--budget", 180).startswith("mine at 180 tokens: ")
    mine.write_text(json.dumps({"name": "mine", "recency_weight": -1}))
    assert "mine.json: recency_weight: " in refused(GATES, "--policy", mine, "--budget", 180)


# --- what is refused ---


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("", "name one input"),
        ("{w}", "--policy and --budget"),
        ("{w} --policy clawvm", "--budget"),
        ("{w} --budget 180", "--policy"),
        ("{w} --policy nobody --budget 180", "no policy 'nobody'"),
        ("{w} --policy observed --budget 180", "no policy 'observed'"),
        ("{w} --policy no.json --budget 180", "cannot read"),
        ("{w} --policies all --out {t}/o", "--budgets"),
        ("{w} --policies all --budgets 180", "--out"),
        ("{w} --policies all --budgets 180 --out {t}/o --trace {t}/x", "either"),
        ("{w} --policies all --budgets 180,180 --out {t}/o", "twice"),
        ("{w} --policies clawvm,nobody --budgets 180 --out {t}/o", "nobody"),
        ("{w} --policies clawvm,clawvm --budgets 180 --out {t}/o", "same file"),
        ("{w} --policy clawvm --budget 1.5", "whole number"),
        ("{w} --policy clawvm --budget nan", "whole number"),
        ("{w} --policy clawvm --budget 10000000000000000", "whole number"),
        ("{w} --policy clawvm --budget 180 --trace {t}/x --metrics {t}/x", "same file"),
        ("{w} --policy clawvm --budget 180 --trace {w}", "the input"),
        ("{t}/none.json --policy clawvm --budget 180", "cannot read"),
        ("{t} --policy clawvm --budget 180", "cannot read"),
        ("{t}/none.jsonl", "cannot read"),
        ("{w} --session x", "name one input"),
        ("{w} --verify {t}/x", "--verify takes"),
        ("--verify {t}/none.jsonl", "cannot read"),
    ],
)
def test_a_wrong_command_is_refused_before_anything_is_made(words: str, why: str, tmp_path: Path) -> None:
    work = tmp_path / "w.json"
    shutil.copy(GATES, work)
    split = [word.format(w=work, t=tmp_path) for word in words.split()]
    with pytest.raises(CommandError) as caught:
        run(*split)
    assert why in str(caught.value)
    assert files(tmp_path) == ["w.json"] and not (tmp_path / "o").exists()
    assert work.read_bytes() == GATES.read_bytes()


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b'{"pages": [], "turns": [NaN]}', b'{"pages":[],"turns":[[]]}']
)
def test_bad_input_leaves_what_was_there(raw: bytes, tmp_path: Path) -> None:
    bad, trace = tmp_path / "bad.json", tmp_path / "out.jsonl"
    bad.write_bytes(raw)
    trace.write_bytes(b"before")
    assert refused(bad, "--policy", "lru", "--budget", 9, "--trace", trace).startswith(f"{bad}: ")
    assert (trace.read_bytes(), files(tmp_path)) == (b"before", ["bad.json", "out.jsonl"])


def test_a_bad_log_is_refused_by_its_line(tmp_path: Path) -> None:
    log = tmp_path / "bad.jsonl"
    log.write_bytes(LOG.read_bytes() + b"{}\n")
    assert f"{log}: line 65: seq: is missing" in refused(log)
    log.write_bytes(b"")
    assert "session_started" in refused(log)


def test_outputs_are_written_together_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second file cannot be written: the first is not there either, nor is anything temporary."""
    trace = tmp_path / "out.jsonl"
    trace.write_bytes(b"before")
    words = (GATES, "--policy", "lru", "--budget", 180, "--trace", trace)
    why = refused(*words, "--metrics", tmp_path / "no" / "out.json", status=1)
    assert "cannot write" in why and "out.json" in why
    (tmp_path / "folder").mkdir()
    assert "is a folder" in refused(*words, "--metrics", tmp_path / "folder", status=1)
    assert (trace.read_bytes(), files(tmp_path)) == (b"before", ["out.jsonl"])

    def interrupted(self: Any, place: Path, content: bytes) -> None:
        raise KeyboardInterrupt

    write: Callable[..., None] = outputs.Outputs.write
    monkeypatch.setattr(
        outputs.Outputs,
        "write",
        lambda self, place, content: (interrupted if place.suffix == ".json" else write)(
            self, place, content
        ),
    )
    assert refused(*words, "--metrics", tmp_path / "out.json", status=130) == "stopped; nothing was written"
    assert (trace.read_bytes(), files(tmp_path)) == (b"before", ["out.jsonl"])


def test_a_link_leads_on_and_a_file_keeps_its_mode(tmp_path: Path) -> None:
    place, link = tmp_path / "out.jsonl", tmp_path / "link"
    place.write_bytes(b"before")
    place.chmod(0o640)
    link.symlink_to(place)
    run(GATES, "--policy", "lru", "--budget", 180, "--trace", link)
    assert link.is_symlink() and place.read_bytes().startswith(b"{")
    assert place.stat().st_mode & 0o777 == 0o640
    place.chmod(0o440)
    why = refused(GATES, "--policy", "lru", "--budget", 90, "--trace", place, status=1)
    assert "may not be written" in why


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    """What is no regular file stays what it is."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit(pipe.read_bytes)
        run(GATES, "--policy", "lru", "--budget", 180, "--trace", pipe)
        assert read.result(timeout=20).startswith(b"{")
    assert pipe.is_fifo()


def test_a_folder_made_for_nothing_is_gone_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Any, place: Path, content: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(outputs.Outputs, "write", interrupted)
    refused(GATES, "--policies", "lru", "--budgets", 180, "--out", tmp_path / "new", status=130)
    assert files(tmp_path) == []


def test_either_side_of_a_log_that_was_only_read(tmp_path: Path) -> None:
    """The shadow unless asked; the recorded side by name. A workload has one."""
    assert " (shadow) " in run(LOG)
    assert run(LOG, "--side", "primary").startswith("observed")
    assert "has one side" in refused(GATES, "--policy", "lru", "--budget", 1, "--side", "shadow")


def test_events_left_out_are_named(tmp_path: Path) -> None:
    seq = LOG.read_bytes().count(b"\n") + 1
    log = tmp_path / "log.jsonl"
    line = {"seq": seq, "kind": "dirty_marked", "v": 1, "actor": "harness", "body": {"page_id": "nowhere"}}
    log.write_text(LOG.read_text("utf-8") + json.dumps(line) + "\n", "utf-8")
    err = io.StringIO()
    call_command("replay", str(log), stdout=io.StringIO(), stderr=err)
    assert f"event {seq} could not be applied and was left out: no page 'nowhere'" in err.getvalue()


# --- verify ---


def test_verify(tmp_path: Path) -> None:
    trace, metrics = tmp_path / "out.jsonl", tmp_path / "out.json"
    run(GATES, "--policy", "clawvm", "--budget", 180, "--trace", trace, "--metrics", metrics)
    assert run("--verify", trace) == f"{trace}: 9 turns, as they were written\n"
    assert run("--verify", trace, "--metrics", metrics)
    lines = trace.read_bytes().splitlines(keepends=True)
    last = lines[-1].replace(b'"budget":180', b'"budget":181')
    assert last != lines[-1]
    for edited, turn in (
        ([*lines[:4], lines[4].replace(b"180", b"181", 1), *lines[5:]], "turn 4: "),
        ([*lines[:-1], last], "turn 9: "),
        ([lines[0].replace(b"0.88", b"0.89"), *lines[1:]], "head: "),
        (lines[:-1], "turn 9: "),
        ([*lines[:-1], lines[-1][:-1]], "turn 9: "),
        ([*lines[:3], *lines[4:]], "turn 3: "),
    ):
        trace.write_bytes(b"".join(edited))
        assert refused("--verify", trace, status=1).startswith(f"{trace}: {turn}")


def test_verify_against_the_metrics_of_another_run(tmp_path: Path) -> None:
    for policy in ("lru", "clawvm"):
        run(GATES, "--policy", policy, "--budget", 180, "--trace", tmp_path / f"{policy}.jsonl",
            "--metrics", tmp_path / f"{policy}.json")  # fmt: skip
    words = ("--verify", tmp_path / "lru.jsonl", "--metrics")
    assert "is not the one of" in refused(*words, tmp_path / "clawvm.json", status=1)
    assert "holds no trace_sha256" in refused(*words, GATES)


# --- logs ---


def test_a_log_under_another_policy(tmp_path: Path) -> None:
    run(LOG, "--policy", "clawweb", "--budget", 200, "--metrics", tmp_path / "m.json")
    metrics = json.loads((tmp_path / "m.json").read_bytes())
    assert (metrics["policy"], metrics["budget"], metrics["side"]) == ("clawweb", 200, "shadow")
    out = run(LOG, "--policies", "lru,oracle", "--out", tmp_path / "o")
    assert len(out.splitlines()) == 3
    assert files(tmp_path / "o") == ["lru.json", "lru.jsonl", "oracle.json", "oracle.jsonl"]


def test_the_log_of_a_workload_gives_its_trace(tmp_path: Path) -> None:
    log, one, two = tmp_path / "log.jsonl", tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    run(GATES, "--policy", "lru", "--budget", 180, "--trace", one, "--export-log", log)
    run(log, "--trace", two)
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.django_db
def test_a_sessions_own_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run again it gives the trace that the workers wrote, from the rows and from the exported file."""
    cache.clear()
    store.ensure_project("default")
    row, _ = store.find_or_create_session(
        "default", "run-1", name="run", harness="mine", mode="enforced", started=STARTED
    )
    events = session_events(12)
    store.append_events(row.id, events)
    drain(row.id)
    cache.clear()
    log, trace = tmp_path / "log.jsonl", tmp_path / "out.jsonl"
    run("--session", "run-1", "--trace", trace, "--export-log", log)
    live = list(store.trace_lines(row.id))
    assert live == undisturbed(events)["primary"]
    assert trace.read_bytes().splitlines()[: len(live)] == live  # and the last turn, which is still open
    assert len(list(log_events(row.id, 10_000))) == len(events) + 1
    from_file = tmp_path / "again.jsonl"
    run(log, "--trace", from_file)
    assert from_file.read_bytes() == trace.read_bytes()
    assert run("--session", row.id, "--policy", "lru", "--budget", 300).startswith("lru at 300 tokens: ")
    assert "no session 'other'" in refused("--session", "other")
    store.ensure_project("second")
    store.find_or_create_session(
        "second", "run-1", name="r", harness="mine", mode="enforced", started=STARTED
    )
    assert "several sessions have the key 'run-1'" in refused("--session", "run-1")
    assert core.verify_trace(trace.read_bytes().splitlines()) == 12
