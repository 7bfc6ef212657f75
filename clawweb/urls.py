"""Addresses: the API under /api/, signing in, and the inspector's screens."""

from __future__ import annotations

import importlib.util

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path

from clawweb import auth


def healthz(request: HttpRequest) -> HttpResponse:
    """Says that this process answers; asks nothing of the database."""
    return HttpResponse("ok\n", content_type="text/plain")


handler400 = handler403 = "clawweb.errors.refused"
handler500 = "clawweb.errors.failed"

urlpatterns: list[URLPattern | URLResolver] = [path("healthz", healthz), *auth.urlpatterns]

if importlib.util.find_spec("clawweb.api"):
    from clawweb.api import api

    urlpatterns.append(path("api/", api.urls))
if importlib.util.find_spec("inspector.urls") and importlib.util.find_spec("inspector.views"):
    urlpatterns.append(path("", include("inspector.urls")))
