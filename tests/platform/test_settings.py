"""The environment's variables, as clawweb/env.py reads them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from clawweb import env


def test_the_database_is_a_file_in_the_data_folder_unless_told() -> None:
    found = env.database({"CLAWWEB_DATA_DIR": "/data"})
    assert found["NAME"] == "/data/clawweb.sqlite3"
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in found["OPTIONS"]["init_command"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///some/file.db", {"NAME": "some/file.db"}),
        ("sqlite:////abs/file.db", {"NAME": "/abs/file.db"}),
        (
            "postgres://me:p%40ss@db.local:6543/claw?sslmode=require",
            {"NAME": "claw", "USER": "me", "PASSWORD": "p@ss", "HOST": "db.local", "PORT": "6543"},
        ),
        ("postgresql://me@/claw?host=%2Frun%2Fpg", {"NAME": "claw", "HOST": "/run/pg", "PORT": ""}),
    ],
)
def test_database_urls(url: str, expected: dict[str, str]) -> None:
    found = env.database({"DATABASE_URL": url})
    assert {key: found[key] for key in expected} == expected


def test_options_of_a_postgres_url_reach_the_driver() -> None:
    options = env.database({"DATABASE_URL": "postgres://h/db?sslmode=require"})["OPTIONS"]
    assert options == {"connect_timeout": "5", "sslmode": "require"}


@pytest.mark.parametrize(
    "url", ["mysql://h/db", "postgres://h", "postgres://h:x/db", "sqlite://file.db", "sqlite:///", "nonsense"]
)
def test_bad_database_urls_say_so_without_the_password(url: str) -> None:
    with pytest.raises(env.BadSetting, match="DATABASE_URL"):
        env.database({"DATABASE_URL": url})


def test_the_broker_is_a_socket_in_the_data_folder_unless_told() -> None:
    assert env.redis_url({"CLAWWEB_DATA_DIR": "/data"}) == "unix:///data/run/broker.sock"
    assert env.redis_url({"REDIS_URL": "rediss://h:1/2"}) == "rediss://h:1/2"
    with pytest.raises(env.BadSetting, match="REDIS_URL"):
        env.redis_url({"REDIS_URL": "amqp://h"})


def test_a_long_data_folder_gets_a_short_socket_of_its_own() -> None:
    one, two = (env.runtime_dir(Path("/" + letter * 120)) for letter in "ab")
    assert one != two
    assert len(str(one / "broker.sock")) < 108


def test_celery_gets_the_socket_in_its_own_words() -> None:
    assert env.broker_url("unix:///run/b.sock") == "redis+socket:///run/b.sock"
    assert env.broker_url("redis://h/0") == "redis://h/0"


def test_the_secret_key_is_made_once_and_private(data_dir: Path) -> None:
    given = {"CLAWWEB_DATA_DIR": str(data_dir / "new")}
    key = env.secret_key(given)
    assert len(key) >= 50
    assert env.secret_key(given) == key
    assert stat.S_IMODE((data_dir / "new" / "secret_key").stat().st_mode) == 0o600
    assert [p.name for p in (data_dir / "new").iterdir()] == ["secret_key"]
    assert env.secret_key({"CLAWWEB_SECRET_KEY": "mine"}) == "mine"


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "x", "١"])
def test_numbers(text: str) -> None:
    with pytest.raises(env.BadSetting, match="N must be a whole number of at least 1"):
        env.whole_number("N", 4, {"N": text})
    assert env.whole_number("N", 4, {}) == 4


def test_a_private_folder_is_closed_to_others(data_dir: Path) -> None:
    (data_dir / "open").mkdir(mode=0o755)
    env.private_dir(data_dir / "open")
    assert stat.S_IMODE((data_dir / "open").stat().st_mode) == 0o700
    (data_dir / "link").symlink_to(data_dir / "open")
    with pytest.raises(OSError, match="belongs to someone else"):
        env.private_dir(data_dir / "link")
