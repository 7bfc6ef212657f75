"""Refusals that no view made: middleware, routing and failures, outside and inside the API's addresses."""

from __future__ import annotations

import sys

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from inspector.api.errors import ApiError, envelope, to_api_error


def _refusal(error: Exception) -> ApiError:
    if isinstance(error, DisallowedHost):
        how = "Use one of the server's own names; CLAWWEB_ALLOWED_HOSTS (a list with commas) adds others."
        return ApiError(400, "This server does not answer to that name.", where="Host", how=how)
    return to_api_error(error)


def plain(error: ApiError) -> HttpResponse:
    """The refusal as text, for people."""
    text = f"{error.message} {error.how}\n"
    return HttpResponse(text, status=error.status, content_type="text/plain; charset=utf-8")


def _answer(request: HttpRequest, error: Exception) -> HttpResponse:
    refusal = _refusal(error)
    return envelope(refusal) if request.path_info.startswith("/api/") else plain(refusal)


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400 and handler403: also called where a middleware refuses, before any view."""
    return _answer(request, exception)


def failed(request: HttpRequest) -> HttpResponse:
    """Django's handler500: called while the exception is being handled."""
    error = sys.exc_info()[1]
    return _answer(request, error if isinstance(error, Exception) else RuntimeError("unknown"))
