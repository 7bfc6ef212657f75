"""``manage.py token``, and the demo's and agent's choice of whether to start."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from clawweb.demo import local
from clawweb.demo.agent.runner import free_key
from memory import store

pytestmark = pytest.mark.django_db


def token(*words: str) -> str:
    out = StringIO()
    call_command("token", *words, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_a_token_is_made_listed_and_revoked() -> None:
    secret = token("create", "robot", "--role", "viewer").strip()
    info = store.authenticate_token(secret)
    assert info is not None and (info.name, info.role, info.project) == ("robot", "viewer", "default")
    listed = token("list")
    assert "robot\tviewer" in listed and secret not in listed
    with pytest.raises(CommandError, match="has a token 'robot'"):
        token("create", "robot")
    assert "revoked: robot" in token("revoke", "robot")
    assert store.authenticate_token(secret) is None
    assert "revoked" in token("list")
    with pytest.raises(CommandError, match="no good token"):
        token("revoke", "robot")
    assert token("create", "robot").strip() != secret


def test_mistakes_are_told() -> None:
    with pytest.raises(CommandError, match="no project 'nowhere'"):
        token("create", "robot", "--project", "nowhere")
    with pytest.raises(CommandError, match="a name is needed"):
        token("create")


def test_an_own_token_takes_the_place_of_the_last_one() -> None:
    first, second = local.own_token("demo"), local.own_token("demo")
    assert store.authenticate_token(first) is None
    info = store.authenticate_token(second)
    assert info is not None and info.role == "operator"


@pytest.mark.parametrize(
    ("keys", "found"),
    [([], False), (["agent-1"], False), (["agent-1", "mine"], True), (["demo-1"], True)],
)
def test_empty_means_nothing_of_ones_own(keys: list[str], found: bool) -> None:
    class Claw:
        def sessions(self, limit: int) -> dict[str, Any]:
            return {"items": [{"key": key} for key in keys], "total": len(keys)}

    assert local.has_sessions(Claw(), but="agent-") is found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keys", "free"),
    [
        ([], "demo-1"),
        (["demo-1", "demo-1/agent-a"], "demo-2"),
        (["mine-demo-7", "demo-x", "demo-3"], "demo-4"),
        ([f"demo-{n}" for n in range(1, 251)], "demo-251"),
    ],
)
def test_the_next_key_counts_no_sub_agent(keys: list[str], free: str) -> None:
    class Claw:
        def sessions(self, search: str, offset: int, limit: int) -> dict[str, Any]:
            found = [{"key": key} for key in keys if search in key]
            return {"items": found[offset : offset + limit], "total": len(found)}

    assert free_key(Claw(), "demo") == free  # type: ignore[arg-type]


def test_the_servers_address(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.delenv("CLAWWEB_URL", raising=False)
    settings.CLAWWEB_HOST, settings.CLAWWEB_PORT = "0.0.0.0", 99
    assert local.server_url() == "http://127.0.0.1:99"
    monkeypatch.setenv("CLAWWEB_URL", "http://claw.example/")
    assert local.server_url() == "http://claw.example"
