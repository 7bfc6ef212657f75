"""What tests and benchmarks find outside the project: the recorded sessions and a Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

TRACES = Path(__file__).resolve().parents[3] / "shared" / "traces"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str | None:
    """The system's Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)
