"""Bad input beside real processes: a line of 50 MB costs nobody much memory, and PostgreSQL keeps hostile
text as SQLite does.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memory.client import ClawWeb, Session, event
from tests.memory.test_bad_input import HOSTILE
from tests.memory.test_watch import GOOD
from tests.support.processes import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

MAX_MB = 300
WATCH = """
import re, sys
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "watch", *sys.argv[1:]])
print("peak", re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
"""


def peak_mb(pid: int) -> float:
    """The most memory that a living process has had."""
    status = (Path("/proc") / str(pid) / "status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024  # type: ignore[index]


def watch(site: Any, *words: str) -> tuple[str, float]:
    """What the command printed, and its peak in MB."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *words],
        env=site.env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said, _, peak = done.stdout.rpartition("peak ")
    return said, int(peak) / 1024


def test_a_line_of_50_mb_is_cheap_for_everyone(live_site: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "sess-1.jsonl"
    with path.open("wb") as file:
        file.write(GOOD[0] + b"\n" + b'{"type":"user","uuid":"big","message":{"role":"user","content":"')
        for _ in range(50):
            file.write(b"y" * 1_000_000)
        file.write(b'"}}\n' + b"\n".join(GOOD[1:]) + b"\n")
    server = live_site()
    token = re.findall(r"cw_\S+", server.site.manage("token", "create", "watcher"))[0]
    said, sender = watch(server.site, str(path), "--server", server.url, "--token", token)
    peaks = {"sender": sender, "web": peak_mb(server.web.pid), "worker": peak_mb(server.worker.pid)}
    with ClawWeb(server.url, token) as claw:
        (info,) = claw.sessions()["items"]
        (problem,) = Session(claw, info).problems()
    assert (info["turn"], info["broken_records"], info["record_count"]) == (2, 1, 5)
    assert problem["length"] > 50_000_000
    assert "line 2: over the size limit" in said
    _, peaks["watch"] = watch(server.site, str(path), "--name", "again", "--drain")
    assert max(peaks.values()) < MAX_MB, peaks


def hostile_session(claw: ClawWeb) -> dict[str, Any]:
    """Posts every hostile text as text, title and reason; all that can be read of it, without times."""
    session = claw.session("hostile", harness="mine", started={"budget": 10_000_000})
    where = {"kind": "import", "ref": "test"}
    prompts = []
    for n, (name, text) in enumerate(HOSTILE.items()):
        spec = {
            "page_id": f"p{n}",
            "type": "evidence",
            "text": text,
            "title": text[:900],
            "provenance": where,
        }
        session.append(
            [
                event("page_created", page=spec),
                event("demand_declared", page_id=f"p{n}", fidelity="full", rule=name),
                event("tool_called", call_id=f"c{n}", tool=text[:30], args={"x": text[:500]}),
                event("tool_returned", call_id=f"c{n}", page_id=f"p{n}"),
                event("demand_observed", page_id="nowhere", fidelity="full", rule=text[:80]),
                event("noted", what="title", data={"title": text[:1000]}),
            ]
        )
        prompts.append(session.prompt(f"r{n}").body)
        reason = text[:300].replace("\ud83d", "")  # a person's words must be text
        session.act("pin", [f"p{n}"], reason=reason, client_event_id=f"pin-{n}", wait_ms=5000)
    info = {k: v for k, v in session.refresh().items() if not k.endswith(("_at", "id")) and k != "live"}
    found: dict[str, Any] = {
        "info": info,
        "prompts": prompts,
        "pages": [page["page_id"] for page in session.pages()],
    }
    found["texts"] = [session.page(page_id)["representations"] for page_id in found["pages"]]
    found["faults"] = session.faults(limit=1000)
    found["acts"] = [{**act, "at": ""} for act in session.acts()]
    for side in ("primary", "shadow"):
        found[side] = claw.send("GET", f"/sessions/{session.id}/trace", params={"side": side}).content
    found["list"] = claw.sessions(search="hostile")["total"]
    return found


@pytest.mark.postgres
def test_postgresql_keeps_hostile_text_as_sqlite_does(
    live_site: Callable[..., Any], postgres_url: str
) -> None:
    found = []
    for changes in ({}, {"DATABASE_URL": postgres_url}):
        server = live_site(**changes)
        token = re.findall(r"cw_\S+", server.site.manage("token", "create", "tests"))[0]
        with ClawWeb(server.url, token) as claw:
            found.append(hostile_session(claw))
    for name in found[0]:
        assert found[0][name] == found[1][name], name
    assert found[0]["info"]["turn"] == len(HOSTILE)
