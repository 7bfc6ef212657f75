"""What the environment says, read without Django: the settings and the lean `up` share it.

Standard library only; every function is pure but for `secret_key` and `private_dir`, which make files.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
SOCKET_PATH_MAX_BYTES = 100  # the kernel's limit is 108 with the closing NUL; leave a little


class BadSetting(ValueError):
    """An environment variable holds what ClawWeb cannot use; the text is one sentence for the user."""


def data_dir(env: Mapping[str, str] = os.environ) -> Path:
    """The folder of the database, the secret key and the lock; not created here."""
    if given := env.get("CLAWWEB_DATA_DIR"):
        return Path(given).expanduser().resolve()
    base = env.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser().resolve() / "clawweb"


def runtime_dir(data: Path) -> Path:
    """Where the embedded broker's socket stands: in the data folder unless its path is too long."""
    inside = data / "run"
    if len(os.fsencode(inside / "broker.sock")) <= SOCKET_PATH_MAX_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"clawweb-{os.getuid()}-{digest}"


def private_dir(path: Path) -> Path:
    """Makes `path` a folder that only this user can enter. Raises OSError when it cannot be that."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to someone else")
    if stat.S_IMODE(info.st_mode) & 0o077:
        path.chmod(0o700)
    return path


def redis_url(env: Mapping[str, str] = os.environ) -> str:
    """`REDIS_URL`, or the address of the broker that `up` starts for this data folder."""
    given = env.get("REDIS_URL", "")
    if not given:
        return f"unix://{runtime_dir(data_dir(env)) / 'broker.sock'}"
    if urlsplit(given).scheme not in {"redis", "rediss", "unix"}:
        raise BadSetting("REDIS_URL must begin with redis://, rediss:// or unix:///path.")
    return given


def broker_url(url: str) -> str:
    """The same address in the words that Celery uses."""
    return "redis+socket" + url[len("unix") :] if url.startswith("unix:") else url


def database(env: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Django's settings of the one database, from `DATABASE_URL` or a SQLite file in the data folder."""
    url = env.get("DATABASE_URL", "")
    parts = urlsplit(url)
    if not url:
        return _sqlite(str(data_dir(env) / "clawweb.sqlite3"))
    if parts.scheme == "sqlite":
        # sqlite:///relative.db and sqlite:////absolute.db, as others read them
        name = unquote(parts.path)[1:]
        if parts.netloc or not name:
            raise BadSetting(
                "DATABASE_URL for SQLite must be sqlite:///relative/path or sqlite:////absolute/path."
            )
        return _sqlite(name)
    if parts.scheme in {"postgres", "postgresql"}:
        return _postgres(url)
    raise BadSetting("DATABASE_URL must begin with postgres://, postgresql:// or sqlite:///.")


def _sqlite(name: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",  # deferred ones fail with "database is locked" under load
            "timeout": 20,  # seconds
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
    }


def _postgres(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    options: dict[str, Any] = {"connect_timeout": "5", **dict(parse_qsl(parts.query))}
    name = unquote(parts.path)[1:]
    try:
        port = parts.port
    except ValueError:
        raise BadSetting("DATABASE_URL has a port that is no number.") from None
    if not name:
        raise BadSetting("DATABASE_URL names no database: postgresql://user:password@host:port/NAME.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or "") or options.pop("host", ""),
        "PORT": str(port or options.pop("port", "")),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


def whole_number(name: str, default: int, env: Mapping[str, str] = os.environ, *, least: int = 1) -> int:
    """The number in the variable `name`; BadSetting when it is none or under `least`."""
    given = env.get(name, "")
    if not given:
        return default
    if not given.isascii() or not given.isdigit() or int(given) < least:
        raise BadSetting(f"{name} must be a whole number of at least {least}.")
    return int(given)


def secret_key(env: Mapping[str, str] = os.environ) -> str:
    """`CLAWWEB_SECRET_KEY`, or the key kept in the data folder (made at first use, mode 0600)."""
    if given := env.get("CLAWWEB_SECRET_KEY"):
        return given
    path = data_dir(env) / "secret_key"
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        pass
    private_dir(path.parent)
    # Written aside and linked into place: two first starts at once agree on one whole key.
    aside = path.with_name(f"secret_key.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(50))
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
    return path.read_text("ascii")
