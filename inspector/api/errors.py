"""The API's one error envelope: ``{"error": {"code", "message", "where", "how", …}}``.

``code`` is for programs, ``message`` says what happened, ``where`` names the field, header or path, ``how``
says what to do. A refused batch adds ``items``: one entry a bad item with its index, field and reason.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

log = logging.getLogger(__name__)

HOW = {
    400: "Correct the request; it was not applied.",
    401: "Send 'Authorization: Bearer <token>' (manage.py token create), or sign in.",
    403: "Use a token or membership whose role allows this.",
    404: "Check the address, and that your token's project holds it.",
    405: "Use one of the methods in the Allow header.",
    409: "Read the current state and decide; nothing was changed.",
    413: "Send less at once; see 'limit' and 'got'.",
    415: "Send one of the content types named in the message.",
    422: "Correct the fields named in 'items'; nothing was applied.",
    429: "Wait as long as the Retry-After header says, then repeat the same request.",
    500: "Repeat the request with the same ids; if it fails again, look for this id in the server's log.",
    503: "Repeat the request with the same ids a little later.",
}
CODES = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "too_many_requests",
    500: "internal",
    503: "unavailable",
}


_NEVER_IN_AN_ID = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class ApiError(Exception):
    """A request is refused. ``extra`` goes into the envelope beside the four fixed fields."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        where: str = "",
        how: str = "",
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or CODES.get(status, "error")
        self.where = where
        self.how = how or HOW.get(status, "")
        self.headers = headers or {}
        self.extra = extra


def not_found(what: str, where: str = "path") -> ApiError:
    return ApiError(404, f"There is no such {what} here.", where=where)


def envelope(error: ApiError) -> HttpResponse:
    """The response of a refused request; ASCII JSON, so that any text survives."""
    body = {
        "code": error.code,
        "message": error.message,
        "where": error.where,
        "how": error.how,
        **error.extra,
    }
    response = HttpResponse(
        json.dumps({"error": body}, default=str),
        status=error.status,
        content_type="application/json; charset=utf-8",
    )
    for name, value in error.headers.items():
        response[name] = value
    return response


def validation_error(errors: list[dict[str, Any]]) -> ApiError:
    """Pydantic's findings as one refusal, at most twenty of them."""
    items = [{"where": ".".join(str(part) for part in e["loc"]), "why": str(e["msg"])} for e in errors[:20]]
    first = items[0] if items else {"where": "", "why": "not valid"}
    return ApiError(422, f"{first['where']}: {first['why']}", where=first["where"], items=items)


def too_large(what: str, limit: int, got: int | None) -> ApiError:
    got_text = "more" if got is None else f"{got:,}"
    return ApiError(
        413, f"{what}: the limit is {limit:,}, this has {got_text}.", where=what, limit=limit, got=got
    )


def _from_http_error(error: HttpError) -> ApiError:
    if isinstance(error.__cause__, ApiError):  # ninja hides what a parser raises behind a plain 400
        return error.__cause__
    if error.status_code == 401:
        message = "No valid token or session came with the request."
        return ApiError(401, message, where="Authorization", headers={"WWW-Authenticate": "Bearer"})
    headers = {}
    if error.status_code == 429:
        headers["Retry-After"] = str(int(getattr(error, "wait", None) or 1))
    return ApiError(error.status_code, error.message, headers=headers)


def _unavailable(error: Exception) -> ApiError:
    log.warning("database did not answer: %s", error)
    message = "The database did not take the request in time."
    return ApiError(503, message, headers={"Retry-After": "1"})


def _unfit(error: Exception) -> ApiError:
    log.warning("the database refused a value: %s", error)
    return ApiError(422, "A value of the request is outside what can be stored.")


def _internal(error: Exception) -> ApiError:
    log_id = secrets.token_hex(6)
    log.error("API error %s", log_id, exc_info=error)
    return ApiError(500, f"Something failed on our side (log id {log_id}).", log_id=log_id)


def _too_big(_error: Exception) -> ApiError:
    from django.conf import settings

    return too_large("request body, bytes", settings.CLAWWEB_MAX_BODY_BYTES, None)


CONVERT: list[tuple[type[Exception], Callable[[Any], ApiError]]] = [
    (ApiError, lambda e: e),
    (HttpError, _from_http_error),
    (ValidationError, lambda e: validation_error(e.errors)),
    (RequestDataTooBig, _too_big),
    (UnreadablePostError, lambda e: ApiError(400, "The body could not be read to its end.", where="body")),
    (Http404, lambda e: not_found("address")),
    (PermissionDenied, lambda e: ApiError(403, "This is not allowed.")),
    (BadRequest, lambda e: ApiError(400, "The request is malformed.")),
    (SuspiciousOperation, lambda e: ApiError(400, "The request is malformed.")),
    (OperationalError, _unavailable),  # away, locked, too busy: repeating may help
    (InterfaceError, _unavailable),
    (DataError, _unfit),  # repeating would not
    (UnicodeEncodeError, _unfit),
    (Exception, _internal),
]


def to_api_error(error: Exception) -> ApiError:
    """The refusal that stands for any exception; an unknown
    one is logged and becomes a 500 with the log's id.
    """
    return next(convert(error) for kind, convert in CONVERT if isinstance(error, kind))


def method_not_allowed(method: str, allow: str) -> ApiError:
    return ApiError(
        405, f"{method} is not possible here; {allow} is.", where="method", headers={"Allow": allow}
    )


def check_address(path: str, query: Iterable[tuple[str, str]]) -> None:
    """Refuses what no id can hold, before a database sees it: 404 in the path, 422 in a query's field."""
    if _NEVER_IN_AN_ID.search(path):
        raise not_found("address")
    for name, value in query:
        if _NEVER_IN_AN_ID.search(value):
            why = "holds a control character or half a surrogate pair"
            items = [{"where": name, "why": why}]
            raise ApiError(422, f"{name} {why}.", where=name, items=items)


def _handle(_request: HttpRequest, error: Any) -> HttpResponse:
    return envelope(to_api_error(error() if isinstance(error, type) else error))


def install(api: NinjaAPI) -> None:
    """Makes every exception inside the API an envelope."""
    for kind, _convert in CONVERT:
        api.add_exception_handler(kind, _handle)
