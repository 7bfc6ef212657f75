"""``manage.py watch`` beside real processes: a worker folds
it; a server takes it; nobody there, it folds itself.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.memory.test_watch import GOOD
from tests.support.processes import ROOT, manage

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    path = tmp_path / "sess-1.jsonl"
    path.write_bytes(b"\n".join(GOOD) + b"\n")
    return path


def test_a_worker_folds_it(site: Any, transcript: Path) -> None:
    site.worker()
    said = site.manage("watch", str(transcript))
    assert "records: 4 read, 4 new" in said
    assert "turns: 2" in said
    assert "pending" not in said


def test_without_a_worker_it_folds_itself(site: Any, transcript: Path) -> None:
    site.broker.kill()
    said = site.manage("watch", str(transcript))
    assert "turns: 2" in said
    assert "records: 4 read, 0 new, 4 duplicate" in site.manage("watch", str(transcript))
    assert "0 sessions have work pending" in site.manage("doctor")


def test_without_waiting_it_stays_pending(site: Any, transcript: Path) -> None:
    said = site.manage("watch", str(transcript), "--no-wait")
    assert "4 new" in said
    assert "1 sessions have work pending" in site.manage("doctor")


def test_a_server_takes_it(live_site: Callable[..., Any], transcript: Path) -> None:
    server = live_site()
    token = re.findall(r"cw_\S+", server.site.manage("token", "create", "watcher"))[0]
    words = ("watch", str(transcript), "--server", server.url, "--token", token)
    assert "records: 4 read, 4 new" in (said := server.site.manage(*words))
    assert "turns: 2" in said
    assert "records: 4 read, 0 new, 4 duplicate" in server.site.manage(*words)


def test_a_server_says_as_much_as_this_machine(live_site: Callable[..., Any], tmp_path: Path) -> None:
    """The same file, here and sent: the same report but for the session's address."""
    path = tmp_path / "sess-1.jsonl"
    huge = b'{"type":"user","uuid":"big","message":{"role":"user","content":"' + b"y" * 12_000_000 + b'"}}'
    path.write_bytes(b"\n".join([GOOD[0], b"{broken", *GOOD[1:3], huge, b"\xff\xfe", GOOD[3][:50]]))
    server = live_site()
    token = re.findall(r"cw_\S+", server.site.manage("token", "create", "watcher"))[0]
    sent = server.site.manage("watch", str(path), "--server", server.url, "--token", token)
    site = server.site
    other = {**site.env, "CLAWWEB_DATA_DIR": str(tmp_path / "other")}
    manage(other, "migrate", "-v", "0", "--skip-checks")
    here = manage(other, "watch", str(path), "--drain")
    assert sent.splitlines()[1:] == here.splitlines()[1:]
    assert "7 read, 7 new" in sent
    for said in ("4 broken", "line 2: ", "line 5: over the size limit", "line 6: ", "line 7: "):
        assert said in sent, sent
    again = server.site.manage("watch", str(path), "--server", server.url, "--token", token)
    assert "7 read, 0 new, 7 duplicate;" in again


@pytest.mark.parametrize("token", ["wrong", ""])
def test_what_a_server_refuses_is_one_sentence(
    live_site: Callable[..., Any], transcript: Path, token: str
) -> None:
    server = live_site(worker=False)
    argv = [sys.executable, str(ROOT / "manage.py"), "watch", str(transcript), "--server", server.url]
    done = subprocess.run(
        [*argv, "--token", token], env=server.site.env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "token" in done.stderr and len(done.stderr.strip().splitlines()) == 1


@pytest.mark.traces
def test_the_largest_recorded_session(site: Any, traces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.worker()
    began = time.monotonic()
    said = site.manage("watch", str(traces / "claude-code" / "entireio-cli__cd_95adddad32_0.jsonl"))
    seconds = time.monotonic() - began
    with capsys.disabled():
        print(f"\n3.9 MB from file to the last event drained, start of the command included: {seconds:.1f} s")
    assert "893 read, 893 new" in said
    assert "turns: 225" in said
    assert "pending" not in said
