"""What the repository itself must and must not hold."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT, clean_env

LOCKS = ["requirements.txt", "requirements-dev.txt", "requirements-uv.txt"]


def tracked() -> list[Path]:
    """Every file of the repository; of a copy without git, everything but what .gitignore names."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if done.returncode:
        pytest.skip("not a git checkout, or git is not installed")
    return [ROOT / name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("name", LOCKS)
def test_locks_hold_hashes_and_name_no_hosts(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("--hash=", "hash="), re.MULTILINE), "an option in a lock"
    for block in re.split(r"^(?=[a-z])", text, flags=re.MULTILINE):
        assert not block.strip() or "--hash=sha256:" in block, block


def test_the_runtime_is_a_part_of_the_development_lock() -> None:
    """`make up` after `make test` installs nothing, so both must agree on every version."""

    def versions(name: str) -> dict[str, str]:
        pattern = r"^([a-z0-9.-]+)(?:\[.*?\])?==([^\s;]+)"
        return dict(re.findall(pattern, (ROOT / name).read_text(), re.MULTILINE))

    assert versions("requirements.txt").items() <= versions("requirements-dev.txt").items()


RUNTIME_ONLY = """
import importlib.metadata, importlib.abc, re, sys
runtime = set(re.findall(r"^([a-z0-9.-]+)", open("requirements.txt").read(), re.MULTILINE))
name = lambda words: re.sub(r"[-_.]+", "-", words).lower()
tops = importlib.metadata.packages_distributions()
blocked = {top for top, owners in tops.items() if not runtime & {name(owner) for owner in owners}}
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, wanted, path=None, target=None):
        if wanted in blocked:
            raise ModuleNotFoundError(f"{wanted} is not in requirements.txt")
assert "pytest" in blocked and "django" not in blocked
sys.meta_path.insert(0, Refuse())
import clawweb.asgi, clawweb.up.web, clawweb.up.prepare, clawweb.celery
import django.urls
django.urls.get_resolver().url_patterns
app = clawweb.celery.app
app.loader.import_default_modules()
app.connection().transport
import celery.worker.consumer, celery.concurrency.solo, celery.bin.worker, psycopg
"""


def test_the_runtime_lock_is_enough(data_dir: Path) -> None:
    """A package that only the development lock brings would be missed by `make up`, and by no other test."""
    env = clean_env(CLAWWEB_DATA_DIR=str(data_dir))
    done = subprocess.run([sys.executable, "-c", RUNTIME_ONLY], cwd=ROOT, env=env, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]


# Written so that this file does not hold what it looks for.
MACHINE_PATHS = re.compile(rb"/(?:root|work/(?:main|shared))/|\.py" + rb"env/")


def test_no_file_names_a_machines_paths() -> None:
    """Recordings and lists of words may hold such text of their own accord; sources may not."""
    guilty = []
    for path in tracked():
        if (
            path.suffix in {".py", ".md", ".toml", ".txt", ".html", ".js", ".css", ".sh", ""}
            and "vendor" not in path.parts
        ):
            found = MACHINE_PATHS.search(path.read_bytes())
            if found and path != Path(__file__):
                guilty.append(f"{path.relative_to(ROOT)}: {found.group().decode()}")
    assert not guilty


def test_only_the_agreed_folders() -> None:
    """docs/architecture.md, Folders: nothing else stands at the top."""
    allowed = {"clawweb", "memory", "inspector", "templates", "static", "tests", "docs", ".ci"}
    found = {path.relative_to(ROOT).parts[0] for path in tracked() if path.parent != ROOT}
    assert found <= allowed
