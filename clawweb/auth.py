"""Signing in by a one-time link; everything but a few addresses needs it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase

# These answer strangers: the API authenticates by itself (token or session).
OPEN_PREFIXES = ("/signin/", "/static/", "/api/")
OPEN_PATHS = ("/healthz", "/favicon.ico")


class SignInRequired:
    """Sends strangers to the sign-in page; htmx is told to go there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if path in OPEN_PATHS or path.startswith(OPEN_PREFIXES) or request.user.is_authenticated:
            return self.get_response(request)
        if request.headers.get("HX-Request"):
            return HttpResponse(status=401, headers={"HX-Redirect": "/signin/"})
        return HttpResponseRedirect("/signin/")
