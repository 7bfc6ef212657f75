"""Tokens, members and one-time links."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from memory import store
from memory.models import ApiToken, SignInLink

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def project() -> int:
    return store.ensure_project("default", "Default")


def test_a_token_speaks_for_its_project_until_revoked(project: int) -> None:
    secret = store.create_token("default", "ci\x00", "viewer")
    info = store.authenticate_token(secret)
    assert info is not None
    assert (info.project_id, info.project, info.role, info.name) == (project, "default", "viewer", "ci␀")
    assert secret not in str(ApiToken.objects.values())
    assert store.revoke_token(info.token_id)
    assert not store.revoke_token(info.token_id)
    assert store.authenticate_token(secret) is None


@pytest.mark.parametrize("secret", ["", "cw_", "nonsense", "\ud800", "x\x00" * 10_000])
def test_other_secrets_speak_for_nobody(secret: str) -> None:
    assert store.authenticate_token(secret) is None
    assert store.use_sign_in_link(secret) is None


def test_tokens_need_a_project_and_a_role() -> None:
    with pytest.raises(store.UnknownProject):
        store.create_token("nowhere", "x")
    with pytest.raises(ValueError, match="admin"):
        store.create_token("default", "x", "admin")


def test_a_token_notes_its_use_at_most_once_a_minute() -> None:
    secret = store.create_token("default", "x")
    store.authenticate_token(secret)
    used = ApiToken.objects.get().last_used_at
    assert used is not None
    store.authenticate_token(secret)
    assert ApiToken.objects.get().last_used_at == used


def test_a_link_signs_in_once(project: int) -> None:
    user = store.ensure_operator("ada", "default")
    assert store.ensure_operator("ada", "default").pk == user.pk
    assert not user.has_usable_password()
    secret = store.create_sign_in_link(user)
    assert store.use_sign_in_link(secret) == user
    assert store.use_sign_in_link(secret) is None
    assert store.member_role(user.pk, project) == "operator"
    assert store.visible_projects(user.pk) == {project: "operator"}
    assert store.project_slugs([project]) == {project: "default"}


def test_links_expire_and_the_inactive_stay_out() -> None:
    user = store.ensure_operator("ada", "default")
    late = store.create_sign_in_link(user)
    SignInLink.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert store.use_sign_in_link(late) is None
    fresh = store.create_sign_in_link(user)
    user.is_active = False
    user.save()
    assert store.use_sign_in_link(fresh) is None
