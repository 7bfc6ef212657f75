"""The one NinjaAPI: resources under ``/api/v1``, their
description at ``/api/docs`` and ``/api/openapi.json``.

Every answer of this address space is the API's: an unknown address, a wrong method and a failure inside come
in the same envelope as any other refusal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, re_path
from ninja import NinjaAPI
from ninja.openapi.docs import Swagger
from ninja.openapi.schema import OpenAPISchema

from inspector.api import mount
from inspector.api.auth import AUTH
from inspector.api.body import StrictParser
from inspector.api.errors import check_address, envelope, method_not_allowed, not_found, to_api_error

VERSION = "v1"
# The docs page sets its own policy: Swagger UI writes style attributes and draws its icons from data:
# addresses.
DOCS_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def _polish(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if isinstance(response, HttpResponseNotAllowed):
        return envelope(method_not_allowed(str(request.method), response["Allow"]))
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _check_address(request: HttpRequest) -> None:
    check_address(request.path, [(name, v) for name, values in request.GET.lists() for v in values])


def _enveloped(view: Callable[..., Any]) -> Callable[..., Any]:
    """The view, with plain 405s and whatever escapes ninja turned into envelopes."""
    if iscoroutinefunction(view):

        async def async_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                _check_address(request)
                response: Awaitable[HttpResponseBase] = view(request, *args, **kwargs)
                return _polish(request, await response)
            except Exception as error:  # an answer must be an envelope, whatever failed
                return envelope(to_api_error(error))

        wrapped: Callable[..., Any] = markcoroutinefunction(async_view)
    else:

        def sync_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                _check_address(request)
                return _polish(request, view(request, *args, **kwargs))
            except Exception as error:  # as above
                return envelope(to_api_error(error))

        wrapped = sync_view
    wrapped.csrf_exempt = True  # type: ignore[attr-defined]  # the API checks CSRF itself, for cookies only
    return wrapped


def _unknown_address(request: HttpRequest, rest: str = "") -> HttpResponseBase:
    return envelope(not_found("address"))


class Docs(Swagger):
    """Swagger UI from our own static files: no CDN, no inline script, no outside validator."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> Any:
        response = super().render_page(request, api, **kwargs)
        response["Content-Security-Policy"] = DOCS_CSP
        return response


class ClawWebAPI(NinjaAPI):
    """NinjaAPI whose every address answers in the envelope."""

    def _get_urls(self) -> list[URLResolver | URLPattern]:
        patterns = super()._get_urls()
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                pattern.callback = _enveloped(pattern.callback)
        return [*patterns, re_path(r"(?:.|\n)+", _enveloped(_unknown_address))]

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        """The description, with the error envelope as every operation's default answer."""
        schema = super().get_openapi_schema(**kwargs)
        ref = {"$ref": "#/components/schemas/Error"}
        refusal = {"description": "Refused", "content": {"application/json": {"schema": ref}}}
        for operations in schema["paths"].values():
            for operation in operations.values():
                operation["responses"].setdefault("default", refusal)
        schema["components"]["schemas"] |= _error_schemas()
        return schema


def _error_schemas() -> dict[str, Any]:
    from inspector.schemas import Error

    schema = Error.model_json_schema(ref_template="#/components/schemas/{model}")
    inner: dict[str, Any] = schema.pop("$defs")
    return {**inner, "Error": schema}


api = ClawWebAPI(
    title="ClawWeb",
    version=VERSION,
    description=(
        "Append a session's records or events, read its memory, ask for prompts, act on pages. "
        "Every request may be repeated safely with the same ids; every refusal has one shape."
    ),
    urls_namespace="api",
    auth=AUTH,
    parser=StrictParser(),
    docs=Docs({"validatorUrl": None, "docExpansion": "list", "persistAuthorization": False}),
)
mount(api, f"/{VERSION}")
