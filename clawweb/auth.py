"""Signing in by a one-time link; everything but a few addresses needs it.

Opening a link spends nothing: mail scanners, chat previews and a browser's
address bar open links too. The page that it shows carries a form, and a
script that sends it: a person needs one click, a preview gets nowhere.
"""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from memory import store

# These answer strangers: the API authenticates by itself (token or session).
OPEN_PREFIXES = ("/signin/", "/static/", "/api/")
OPEN_PATHS = ("/healthz",)


class SignInRequired:
    """Sends strangers to the sign-in page; htmx is told to go there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        address = request.path_info
        if address in OPEN_PATHS or address.startswith(OPEN_PREFIXES) or request.user.is_authenticated:
            return self.get_response(request)
        if request.headers.get("HX-Request"):
            return HttpResponse(status=401, headers={"HX-Redirect": "/signin/"})
        return HttpResponseRedirect("/signin/")


@never_cache
@require_GET
def how_to_sign_in(request: HttpRequest) -> HttpResponse:
    """Says how to get a link."""
    if request.user.is_authenticated:
        return HttpResponseRedirect("/")
    return render(request, "clawweb/signin.html", {"state": "none"})


@never_cache
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest, secret: str) -> HttpResponse:
    """GET: the page with the form, whatever the secret is worth. POST: spends the link and signs in."""
    if request.method == "GET":
        if request.user.is_authenticated:
            return HttpResponseRedirect("/")
        return render(request, "clawweb/signin.html", {"state": "confirm"})
    user = store.use_sign_in_link(secret)
    if user is None:
        return render(request, "clawweb/signin.html", {"state": "spent"}, status=403)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponseRedirect("/")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ends the browser's session."""
    logout(request)
    return HttpResponseRedirect("/signin/")


urlpatterns: list[URLPattern] = [
    path("signin/", how_to_sign_in, name="signin"),
    path("signin/<str:secret>/", sign_in, name="signin-link"),
    path("signout/", sign_out, name="signout"),
]
