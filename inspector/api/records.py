"""Appending raw records: JSON, or the lines of a file as they are."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router

from inspector.api.auth import session_for
from inspector.api.body import is_ndjson, json_body, raw_body, validate
from inspector.api.errors import ApiError
from inspector.api.events import bad_item, check_batch, refusals
from inspector.schemas import ProblemList, RecordBatch, RecordsAppended, plain, plain_all
from memory import store
from memory.store.rows import NewRecord

router = Router(tags=["log"])

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["records"],
                    "additionalProperties": False,
                    "properties": {
                        "records": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["record_key"],
                                "properties": {
                                    "record_key": {"type": "string", "maxLength": 200},
                                    "raw": {"type": "string"},
                                    "raw_base64": {"type": "string", "format": "byte"},
                                    "source": {"type": "string", "maxLength": 400},
                                    "offset": {"type": "integer", "minimum": 0},
                                    "content_type": {"type": "string", "default": "application/json"},
                                    "length": {"type": "integer", "minimum": 0},
                                    "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                                },
                            },
                        }
                    },
                }
            },
            "application/x-ndjson": {"schema": {"type": "string", "description": "one record a line"}},
        },
    }
}


def _raw(index: int, item: Any) -> bytes:
    if (item.raw is None) == (item.raw_base64 is None):
        raise bad_item(index, "raw", "exactly one of raw and raw_base64 is needed")
    if item.raw_base64 is not None:
        try:
            return base64.b64decode(item.raw_base64, validate=True)
        except (binascii.Error, ValueError):
            raise bad_item(index, "raw_base64", "is not base64") from None
    if not isinstance(item.raw, str):
        raise bad_item(index, "raw", "must be a string")
    # A lone surrogate cannot be UTF-8; its three-byte form is what a careless writer would have put in a
    # file.
    return item.raw.encode("utf-8", "surrogatepass")


def _json_records(request: HttpRequest) -> list[NewRecord]:
    batch = validate(RecordBatch, json_body(request))
    check_batch(len(batch.records))
    return [_new_record(index, item) for index, item in enumerate(batch.records)]


def _new_record(index: int, item: Any) -> NewRecord:
    raw, length, sha256 = _raw(index, item), item.length, item.sha256
    if length is not None and length < len(raw):
        raise bad_item(index, "length", f"is {length:,}, but {len(raw):,} bytes came")
    if length is not None and length > len(raw) and sha256 is None:
        raise bad_item(index, "sha256", "is needed where only a record's head comes")
    if sha256 is not None and length in (None, len(raw)) and hashlib.sha256(raw).hexdigest() != sha256:
        raise bad_item(index, "sha256", "is not that of the bytes that came")
    return NewRecord(item.record_key, raw, item.source, item.offset, item.content_type, length, sha256)


def line_records(data: bytes, session_key: str, source: str, offset: int | None) -> list[NewRecord]:
    """One record a line; empty lines are skipped. The key is the line's place, as ``manage.py watch`` makes
    it, or its hash where no place is known.
    """
    records, place = [], offset
    for line in data.split(b"\n"):
        if line.strip():
            key = f"sha256:{hashlib.sha256(line).hexdigest()}" if place is None else f"{session_key}@{place}"
            records.append(NewRecord(key, line, source, place))
        if place is not None:
            place += len(line) + 1
    return records


@router.post(
    "/sessions/{uuid:session_id}/records",
    response=RecordsAppended,
    summary="Append raw records",
    openapi_extra=_BODY,
)
def append_records(
    request: HttpRequest, session_id: UUID, source: str = "", offset: int | None = None
) -> dict[str, Any]:
    """Records are kept as they come and read by the session's
    adapter. The same `record_key` is the same record.

    As `application/x-ndjson` the body is lines of a file: `source` names it and `offset` is the first line's
    place in bytes, which makes its key. Without an offset the hash alone is the key:
    equal lines are one.
    """
    session = session_for(request, session_id, "operator")
    if is_ndjson(request):
        if len(source) > 400 or (offset is not None and not 0 <= offset <= 2**62):
            raise ApiError(422, "source or offset is out of range", where="query")
        records = line_records(raw_body(request), session.key, source, offset)
        check_batch(len(records))
    else:
        records = _json_records(request)
    with refusals():
        return dict(plain(store.append_records(str(session_id), records)))


@router.get(
    "/sessions/{uuid:session_id}/records/problems",
    response=ProblemList,
    summary="Records that could not be read",
)
def read_problems(
    request: HttpRequest, session_id: UUID, limit: int = Query(100, ge=1, le=1000)
) -> dict[str, Any]:
    """In their order, with what is wrong; the session's `broken_records` counts them."""
    session_for(request, session_id)
    return {"items": plain_all(store.problem_records(str(session_id), limit))}
