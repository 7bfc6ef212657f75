"""Who may do what: API tokens, members, one-time sign-in
links. Secrets are never kept, only their SHA-256.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils import timezone

from memory import safe
from memory.models import ApiToken, Member, Project, Role, SignInLink
from memory.store.errors import UnknownProject
from memory.store.rows import TokenInfo

LINK_MINUTES: Final = 15
_USED_EVERY: Final = dt.timedelta(minutes=1)


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def ensure_project(slug: str, name: str = "") -> int:
    """The project's id, made if need be."""
    project, _ = Project.objects.get_or_create(slug=slug, defaults={"name": safe.one_line(name or slug, 200)})
    return int(project.pk)


def ensure_operator(username: str, project: str) -> Any:
    """The user of that name, made if need be (no password: signs in by link), operator in the project."""
    owner = Project.objects.filter(slug=project).first()
    if owner is None:
        raise UnknownProject(project)
    users = get_user_model()
    named: dict[str, Any] = {users.USERNAME_FIELD: username}
    user, created = users.objects.get_or_create(**named)
    if created:
        user.set_unusable_password()
        user.save()
    Member.objects.update_or_create(user=user, project=owner, defaults={"role": Role.OPERATOR})
    return user


def create_token(project: str, name: str, role: str = Role.OPERATOR) -> str:
    """A new API token's secret, to be shown once. Raises UnknownProject, ValueError (no such role)."""
    owner = Project.objects.filter(slug=project).first()
    if owner is None:
        raise UnknownProject(project)
    secret = "cw_" + secrets.token_urlsafe(32)
    ApiToken.objects.create(
        project=owner, name=safe.one_line(name, 200), role=Role(role).value, token_sha256=_sha256(secret)
    )
    return secret


def revoke_token(token_id: int) -> bool:
    """Whether the token was good until now."""
    return bool(ApiToken.objects.filter(pk=token_id, revoked_at=None).update(revoked_at=timezone.now()))


def authenticate_token(secret: str) -> TokenInfo | None:
    """Who the secret speaks for; None if it is unknown or revoked."""
    row = (
        ApiToken.objects.select_related("project")
        .filter(token_sha256=_sha256(secret), revoked_at=None)
        .first()
    )
    if row is None:
        return None
    now = timezone.now()
    if row.last_used_at is None or now - row.last_used_at > _USED_EVERY:  # not a write for every request
        old = Q(last_used_at=None) | Q(last_used_at__lt=now - _USED_EVERY)
        ApiToken.objects.filter(old, pk=row.pk).update(last_used_at=now)
    return TokenInfo(row.pk, row.project_id, row.project.slug, row.role, row.name)


def member_role(user_id: int, project_id: int) -> str | None:
    """``viewer``, ``operator`` or None."""
    return (
        Member.objects.filter(user_id=user_id, project_id=project_id).values_list("role", flat=True).first()
    )


def is_active(user_id: int) -> bool:
    """Whether the person exists and may sign in."""
    return bool(get_user_model().objects.filter(pk=user_id, is_active=True).exists())


def visible_projects(user_id: int) -> dict[int, str]:
    """Project id → role, of every project that the user may see."""
    return dict(Member.objects.filter(user_id=user_id).values_list("project_id", "role"))


def project_slugs(project_ids: Iterable[int]) -> dict[int, str]:
    """Project id → slug, of those that exist."""
    return dict(Project.objects.filter(pk__in=list(project_ids)).values_list("pk", "slug"))


def create_sign_in_link(user: Any, minutes: int = LINK_MINUTES) -> str:
    """The secret of a link that signs ``user`` in once, within ``minutes``."""
    secret = secrets.token_urlsafe(32)
    SignInLink.objects.create(
        user=user, token_sha256=_sha256(secret), expires_at=timezone.now() + dt.timedelta(minutes=minutes)
    )
    return secret


def use_sign_in_link(secret: str) -> Any | None:
    """The user whose link it is; None if it is unknown, used or expired, or the user is not active."""
    now = timezone.now()
    mine = SignInLink.objects.filter(token_sha256=_sha256(secret), used_at=None, expires_at__gt=now)
    if not mine.update(used_at=now):
        return None
    link = SignInLink.objects.select_related("user").get(token_sha256=_sha256(secret))
    return link.user if link.user.is_active else None
