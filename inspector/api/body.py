"""Reading request bodies: strict JSON with limits, and JSON lines.

Refused: invalid UTF-8, NaN and infinities (also as ``1e999``), nesting deeper than ``MAX_DEPTH``, bodies over
``CLAWWEB_MAX_BODY_BYTES``. Kept as they are: lone surrogates that come as ``\\ud8xx`` escapes.
"""

from __future__ import annotations

import json
import math
from typing import Any, Never, TypeVar

import pydantic
from django.conf import settings
from django.http import HttpRequest
from ninja.parser import Parser
from pydantic import BaseModel

from inspector.api.errors import ApiError, too_large, validation_error

MAX_DEPTH = 64  # levels of nesting; the outermost object is level 1
JSON_TYPES = ("", "application/json", "text/json", "text/plain")
NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")

Model = TypeVar("Model", bound=BaseModel)


def _refuse_constant(name: str) -> Never:
    raise ApiError(400, f"{name} is not a JSON number.", where="body")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        _refuse_constant(digits[:40])
    return value


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ApiError(400, f"The JSON is nested deeper than {MAX_DEPTH} levels.", where="body")
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        level = [item for item in inner if isinstance(item, dict | list)]


def parse_json(raw: bytes, where: str = "body") -> Any:
    """The value of strict JSON text. Raises ``ApiError`` 400 with the place of the first mistake."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"The body is not valid UTF-8: byte {error.start} is {raw[error.start]:#04x}."
        raise ApiError(400, message, where=where) from None
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise ApiError(400, f"The JSON is nested deeper than {MAX_DEPTH} levels.", where=where) from None
    except json.JSONDecodeError as error:
        message = f"Not JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        raise ApiError(400, message, where=where) from None
    except ValueError:  # an integer of thousands of digits
        raise ApiError(400, "A number has too many digits.", where=where) from None
    _check_depth(value)
    return value


def raw_body(request: HttpRequest) -> bytes:
    """The body's bytes; ``ApiError`` 413 over the limit, before it is read where the length was announced."""
    limit = settings.CLAWWEB_MAX_BODY_BYTES
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if announced.isdigit() and int(announced) > limit:
        raise too_large("request body, bytes", limit, int(announced))
    body = request.body
    if len(body) > limit:
        raise too_large("request body, bytes", limit, len(body))
    return body


def is_ndjson(request: HttpRequest) -> bool:
    return (request.content_type or "").lower() in NDJSON_TYPES


def json_body(request: HttpRequest) -> Any:
    """The body as strict JSON. Raises ``ApiError``."""
    if (request.content_type or "").lower() not in JSON_TYPES:
        raise ApiError(
            415, f"{request.content_type!r} is not read here; application/json is.", where="Content-Type"
        )
    return parse_json(raw_body(request))


def validate(model: type[Model], value: Any) -> Model:
    """``value`` as ``model``. Raises ``ApiError`` 422."""
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        raise validation_error([dict(item) for item in error.errors(include_url=False)]) from None


class StrictParser(Parser):
    """Ninja's parser with the limits above."""

    def parse_body(self, request: HttpRequest) -> Any:
        return json_body(request)
