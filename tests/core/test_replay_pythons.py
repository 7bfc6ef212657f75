"""The same bytes from every Python from 3.11 on that is found here, and under any hash seed.

Pythons: ``python3.N`` on the PATH, those below ``PYENV_ROOT`` (else ~/.pyenv), and Pyodide where a
``node_modules`` of this project or of ``NODE_PATH`` has it (``npm install pyodide``): CPython in WebAssembly.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.core import POLICIES
from tests.core import byte_driver

ROOT = Path(__file__).parents[2]
DRIVER = Path(byte_driver.__file__)
OLDEST = (3, 11)


def candidates() -> Iterator[Path]:
    for folder in os.get_exec_path():
        for path in sorted(Path(folder).glob("python3.*")):
            if re.fullmatch(r"python3\.\d+", path.name):
                yield path
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob("versions/*/bin/python3"))


def version(python: Path) -> tuple[int, int] | None:
    """Its version, ``None`` if it does not run (a shim without a version does not)."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, timeout=20)
        major, minor = map(int, done.stdout.split())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return major, minor


def others() -> dict[str, Path]:
    """One Python of each version but this one's."""
    found: dict[str, Path] = {}
    seen = {Path(sys.executable).resolve()}
    for python in candidates():
        if python.resolve() in seen or not os.access(python, os.X_OK):
            continue
        seen.add(python.resolve())
        which = version(python)
        if which is not None and which >= OLDEST and which != sys.version_info[:2]:
            found.setdefault(f"{which[0]}.{which[1]}", python)
    return found


def pyodide() -> Path | None:
    places = [
        ROOT / "node_modules",
        *map(Path, filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep))),
    ]
    found = [place / "pyodide" for place in places if (place / "pyodide" / "pyodide.mjs").is_file()]
    return found[0] if found and shutil.which("node") else None


def run(*command: str | Path, **env: str) -> list[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    clean |= {"PYTHONDONTWRITEBYTECODE": "1", **env}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=clean)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def here() -> list[str]:
    return list(byte_driver.lines(ROOT))


def test_every_input_policy_and_budget_is_there(here: list[str]) -> None:
    policies = [policy for policy in POLICIES.values() if policy.selects]
    assert len(here) == 3 * len(policies) * len(byte_driver.BUDGETS)
    assert len({line.split()[3] for line in here}) == len(here)  # no two traces are the same


@pytest.mark.parametrize("seed", ["0", "271828"])
def test_any_hash_seed(seed: str, here: list[str]) -> None:
    assert run(sys.executable, DRIVER, ROOT, PYTHONHASHSEED=seed) == here


def test_other_pythons(here: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each one found; it is said which."""
    ran = [f"{sys.version_info[0]}.{sys.version_info[1]}"]
    for name, python in others().items():
        assert run(python, DRIVER, ROOT) == here, python
        ran.append(name)
    folder = pyodide()
    if folder is not None:
        first, *lines = run("node", DRIVER.with_suffix(".mjs"), folder, ROOT)
        assert lines == here, f"Pyodide, Python {first}"
        ran.append(f"{first} (Pyodide)")
    with capsys.disabled():
        print(f"\nsame bytes from Python {', '.join(ran)}")
