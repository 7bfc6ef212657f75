"""Token counts by o200k_base, offline and safe for hostile text.

The vocabulary is bundled (``memory/vocab``). Counts are of *ordinary* text: ``<|endoftext|>`` is fourteen
characters here, not one special token. A lone surrogate counts as ``?``. The encoder is linear but slow on
huge runs without a break, and its regular expression overflows on a huge run of blanks, so a run longer than
``MAX_RUN`` characters is cut; that can change the count by one token a cut.
"""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tiktoken import Encoding

ENCODING: Final = "o200k_base"
VERSION: Final = f"{ENCODING}/1"  # stored with what was counted; a new cutting rule is a new version
VOCABULARY: Final = Path(__file__).resolve().parent / "vocab"
MAX_RUN: Final = 4096  # characters of one class handed to the encoder in one piece
_CACHE_FROM: Final = 256  # characters; a shorter text is counted quicker than it is looked up
_CACHE_SIZE: Final = 20_000  # counts kept (a digest and a number each)

# The look-behind lets the search start only at the head of a run, which keeps it linear.
_LONG_RUN = re.compile(rf"(?<![^\s\d])[^\s\d]{{{MAX_RUN}}}|(?<!\s)\s{{{MAX_RUN}}}")
_PIECE = re.compile(rf"[^\s\d]{{1,{MAX_RUN}}}|\s{{1,{MAX_RUN}}}|\d+")

_lock = threading.Lock()
_encoding: Encoding | None = None
_counts: OrderedDict[bytes, int] = OrderedDict()


def encoding() -> Encoding:
    """The encoder, loaded at first use (about 0.3 s, 80 MB)."""
    global _encoding
    if _encoding is None:
        with _lock:
            if _encoding is None:
                _encoding = _load()
    return _encoding


def _load() -> Encoding:
    """tiktoken reads its cache folder from the environment: set for the load, then put back."""
    import tiktoken

    name = "TIKTOKEN_CACHE_DIR"
    before = os.environ.get(name)
    os.environ[name] = str(VOCABULARY)
    try:
        return tiktoken.get_encoding(ENCODING)
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def count(text: str) -> int:
    """Tokens of ``text`` (0 for the empty text)."""
    if len(text) < _CACHE_FROM:
        return _count(text)
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    known = _counts.get(digest)
    if known is None:
        known = _count(text)
        with _lock:
            _counts[digest] = known
            if len(_counts) > _CACHE_SIZE:
                _counts.popitem(last=False)
    return known


def count_many(texts: Iterable[str]) -> list[int]:
    """Tokens of each text, in order. (Threads gain nothing: the encoder is bound by memory.)"""
    return [count(text) for text in texts]


def _count(text: str) -> int:
    if not text:
        return 0
    encode = encoding().encode_ordinary
    safe = _without_surrogates(text)
    if len(safe) < MAX_RUN or not _LONG_RUN.search(safe):
        return len(encode(safe))
    return sum(len(encode(piece)) for piece in _cut(safe))


def _without_surrogates(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text


def _cut(text: str) -> Iterable[str]:
    """The text in pieces, cut only inside or beside runs longer than ``MAX_RUN``."""
    start = 0
    for run in _LONG_RUN.finditer(text):
        if run.start() < start:
            continue
        if run.start() > start:
            yield text[start : run.start()]
        start = run.start()
        while (piece := _PIECE.match(text, start)) is not None and piece.end() - start == MAX_RUN:
            yield piece.group()
            start = piece.end()
    if start < len(text):
        yield text[start:]
