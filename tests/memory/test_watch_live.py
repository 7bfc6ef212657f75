"""``manage.py watch`` beside real processes: a worker folds it; a server takes it; nobody there, it folds
itself.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.memory.test_watch import GOOD

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
