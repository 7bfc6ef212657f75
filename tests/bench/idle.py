"""What `up` costs while nothing happens: CPU of one core and memory of all its processes.

Memory is PSS (shared pages counted once); RSS is printed beside it, because people read it in `top`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.table import Figure, show
from tests.support.poll import poll
from tests.support.processes import ROOT, children, clean_env, free_port

SETTLE_S = 5.0  # after the start, before measuring
MEASURE_S = 20.0


def _cpu_s(pids: list[int]) -> float:
    """Seconds of CPU (user and system) that the processes have used so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory_mb(pids: list[int]) -> tuple[float, float]:
    """PSS and RSS of the processes together, in MB."""
    pss = rss = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                pss += int(line.split()[1])
            elif line.startswith("Rss:"):
                rss += int(line.split()[1])
    return pss * 1024 / 1e6, rss * 1024 / 1e6


def main() -> None:
    """Starts `up --no-demo` on an empty folder, lets it settle, and measures."""
    folder = Path(tempfile.mkdtemp(prefix="claw-"))
    log = folder / "up.log"
    env = clean_env(CLAWWEB_DATA_DIR=str(folder), CLAWWEB_PORT=str(free_port()))
    argv = [sys.executable, str(ROOT / "manage.py"), "up", "--no-demo"]
    begin = time.monotonic()
    with open(log, "wb") as out:
        up = subprocess.Popen(argv, env=env, cwd=ROOT, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        poll(lambda: b"/signin/" in log.read_bytes(), 60, what="up prints its address")
        ready_s = time.monotonic() - begin
        time.sleep(SETTLE_S)  # a measurement, not a synchronisation
        pids = [up.pid, *children(up.pid)]
        before = _cpu_s(pids)
        time.sleep(MEASURE_S)
        share = (_cpu_s(pids) - before) / MEASURE_S * 100
        pss, rss = _memory_mb(pids)
    finally:
        up.send_signal(signal.SIGINT)
        stop_begin = time.monotonic()
        up.wait(30)
        stop_s = time.monotonic() - stop_begin
        shutil.rmtree(folder, ignore_errors=True)
    show(
        f"Idle: make up with nothing happening, {len(pids)} processes, over {MEASURE_S:.0f} s",
        [
            Figure("CPU of one core", share, "%", 3.0, "target"),
            Figure("memory, PSS of all processes", pss, "MB", 350.0, "target"),
            Figure("memory, RSS of all processes", rss, "MB", 350.0, "target; counts shared pages again"),
            Figure("start to address printed", ready_s, "s"),
            Figure("Ctrl-C to the end", stop_s, "s"),
        ],
    )
