"""The tests leave the user's own ClawWeb alone: its data folder, database and broker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.support.processes import ROOT, clean_env


def run_pytest(home: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """A pytest of its own that touches settings and database, as a user's shell would start it."""
    env = {**clean_env(), "HOME": str(home), "XDG_DATA_HOME": str(home / "data"), **changes}
    if "DJANGO_SETTINGS_MODULE" not in changes:
        del env["DJANGO_SETTINGS_MODULE"]
    test = "tests/platform/test_own_data.py::test_settings_point_away_from_the_user"
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    return subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.django_db
def test_settings_point_away_from_the_user() -> None:
    given = os.environ["CLAWWEB_DATA_DIR"]
    assert str(settings.CLAWWEB_DATA_DIR) == str(Path(given).resolve())
    assert str(settings.CLAWWEB_DATA_DIR) in settings.CLAWWEB_REDIS_URL
    assert settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
    assert settings.SECRET_KEY == "tests-only"


def test_nothing_is_written_to_the_users_data_folder(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path, DATABASE_URL="postgresql://nobody@nowhere/users", CLAWWEB_SECRET_KEY="", CLAWWEB_PORT="x"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_settings_that_are_loaded_too_early_are_refused(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, DJANGO_SETTINGS_MODULE="clawweb.settings")
    assert done.returncode != 0
    assert "Unset DJANGO_SETTINGS_MODULE" in done.stdout + done.stderr
