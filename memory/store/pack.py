"""Bytes and JSON as they stand in binary columns."""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import Any, Final

#: Below this zlib gains too little for its time.
PACK_MIN_BYTES: Final = 200


def canonical(value: Any) -> bytes:
    """Canonical ASCII JSON: sorted keys, compact; lone surrogates survive as escapes.

    Raises ValueError for NaN and infinities.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def pack(raw: bytes) -> bytes:
    """zlib for what is worth it, else a NUL and the bytes as they are."""
    if len(raw) >= PACK_MIN_BYTES:
        packed = zlib.compress(raw, 1)
        if len(packed) < len(raw):
            return packed
    return b"\0" + raw


def unpack(packed: bytes | memoryview) -> bytes:
    """The inverse of ``pack`` (a zlib stream never begins with NUL)."""
    data = bytes(packed)
    return data[1:] if data[:1] == b"\0" else zlib.decompress(data)


def unpack_json(packed: bytes | memoryview) -> Any:
    return json.loads(unpack(packed))


def event_sha256(kind: str, body: bytes) -> str:
    """Identity of an event's content: its kind and canonical body."""
    return hashlib.sha256(kind.encode() + b"\n" + body).hexdigest()
