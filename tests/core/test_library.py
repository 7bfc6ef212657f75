"""The core is a library of its own: documented, and nothing but Python's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import memory.core as core

ROOT = Path(__file__).resolve().parents[2]
DOC = (ROOT / "docs" / "core.md").read_text("utf-8")


def test_the_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)
    exec(compile(code, "docs/core.md", "exec"), {})


def test_what_the_page_imports_is_public() -> None:
    (names,) = re.findall(r"from memory\.core import \(([^)]*)\)", DOC)
    assert set(re.findall(r"\w+", names)) <= set(core.__all__)
    assert all(hasattr(core, name) for name in core.__all__)


def test_every_module_has_its_place_on_the_page() -> None:
    """Once, so that whoever looks for one finds it, and no name outlives its module."""
    table = DOC.partition("## Where what is")[2]
    named = [name for row in table.splitlines() for name in re.findall(r"`([a-z_]+)`", row)]
    there = {path.stem for path in (ROOT / "memory" / "core").glob("*.py")} - {"__init__"}
    assert sorted(named) == sorted(there)


def test_it_needs_nothing_installed() -> None:
    """In a Python without site-packages, importing it brings in the standard library and itself alone."""
    code = (
        "import sys, memory.core; known = sys.stdlib_module_names | {'memory', '__main__'};"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} - known))"
    )
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == []
