"""Who asks, and what they may. Everything is denied that is not allowed here.

Two ways in: a bearer token, which belongs to one project, and the browser's signed-in session, whose unsafe
requests need Django's CSRF token. A ``viewer`` reads; an ``operator`` also appends and acts. Another
project's session does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from ninja.security.apikey import APIKeyCookie
from ninja.security.http import HttpBearer
from ninja.utils import check_csrf

from inspector.api.errors import ApiError, not_found
from memory import store
from memory.store.rows import SessionRow

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Access:
    """``roles``: project id → role. ``actor``: the name that an act is logged under."""

    actor: str
    roles: Mapping[int, str]
    slugs: Mapping[int, str] = field(default_factory=dict)

    @property
    def project_ids(self) -> list[int]:
        return list(self.roles)

    def require(self, project_id: int, role: str) -> None:
        """Raises 404 for a project that this access does not see, 403 where its role is too low."""
        have = self.roles.get(project_id)
        if have is None:
            raise not_found("session")
        if role == "operator" and have != "operator":
            message = "This needs the role operator; the token or membership has viewer."
            raise ApiError(403, message, where="Authorization")


class TokenAuth(HttpBearer):
    """``Authorization: Bearer <secret>``. A header that is
    there and wrong is refused; no other way is tried.
    """

    def __call__(self, request: HttpRequest) -> Access | None:
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        scheme, _space, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise _unauthenticated("The Authorization header is not 'Bearer <token>'.")
        return self.authenticate(request, secret.strip())

    def authenticate(self, request: HttpRequest, token: str) -> Access:
        info = store.authenticate_token(token)
        if info is None:
            raise _unauthenticated("The token is unknown or was revoked.")
        return Access(f"token:{info.name}", {info.project_id: info.role}, {info.project_id: info.project})


class CookieAuth(APIKeyCookie):
    """The signed-in browser. Unsafe methods need the CSRF token, whatever the cookie says."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> Access | None:
        user: Any = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            return None
        if request.method not in SAFE_METHODS and check_csrf(request):
            raise ApiError(
                403,
                "The CSRF token is missing or wrong.",
                code="csrf_failed",
                where="X-CSRFToken",
                how="Send the CSRF cookie's value in the X-CSRFToken header, or use a bearer token.",
            )
        return self.authenticate(request, None)

    def authenticate(self, request: HttpRequest, key: str | None) -> Access:
        user: Any = request.user
        roles = store.visible_projects(user.pk)
        return Access(user.get_username(), roles, store.project_slugs(roles))


# CSRF is checked above, for signed-in users and unsafe methods only
AUTH = [TokenAuth(), CookieAuth(csrf=False)]


def _unauthenticated(message: str) -> ApiError:
    return ApiError(401, message, where="Authorization", headers={"WWW-Authenticate": "Bearer"})


def access_of(request: HttpRequest) -> Access:
    """What the request's sender may; set by ninja from ``AUTH``."""
    access: Access = request.auth  # type: ignore[attr-defined]
    return access


def session_for(request: HttpRequest, session_id: UUID, role: str = "viewer") -> SessionRow:
    """The session's row, if the sender sees it and has the role. Raises ``ApiError`` 404 or 403."""
    row = store.session_row(str(session_id))
    if row is None:
        raise not_found("session")
    access_of(request).require(row.project_id, role)
    return row
