"""Older event bodies are migrated step by step; newer ones are refused with the advice to upgrade."""

from __future__ import annotations

from typing import Any

import pytest

from memory.core import KINDS, EventError, decode_body, encode_body, event_version, versions
from memory.core.events import Recall
from memory.core.types import RecallReason

#: Bytes as version 1 wrote them: canonical, defaults left out.
OLD_RECALLS = [
    (b'{"query":"which port","reason":"not indexed"}', RecallReason.NO_MATCH, "not indexed"),
    (b'{"query":"q","reason":"DENIED"}', RecallReason.DENIED, ""),
    (b'{"query":"q","reason":"backend error"}', RecallReason.BACKEND_ERROR, ""),
    (b'{"query":"q","reason":""}', None, ""),
    (b'{"found":2,"pages":["a"],"query":"q"}', None, ""),
    (b'{"query":"q","reason":null}', None, ""),
]


@pytest.mark.parametrize(("raw", "reason", "detail"), OLD_RECALLS)
def test_a_recall_of_version_1(raw: bytes, reason: RecallReason | None, detail: str) -> None:
    body = decode_body("recall", raw, 1)
    assert isinstance(body, Recall)
    assert (body.reason, body.detail) == (reason, detail)
    assert decode_body("recall", encode_body(body), 2) == decode_body("recall", encode_body(body)) == body


def test_an_old_body_is_not_mistaken_for_a_new_one() -> None:
    with pytest.raises(EventError) as caught:
        decode_body("recall", OLD_RECALLS[0][0])
    assert caught.value.where == "reason"


@pytest.mark.parametrize("body", [{"query": "q", "reason": 3}, {"query": "q", "reason": "x", "more": 1}, {}])
def test_what_was_wrong_in_version_1_stays_wrong(body: dict[str, Any]) -> None:
    before = dict(body)
    with pytest.raises(EventError):
        decode_body("recall", body, 1)
    assert body == before


@pytest.mark.parametrize("version", [0, -1, True, 1.0, "1"])
def test_what_is_no_version(version: Any) -> None:
    with pytest.raises(EventError) as caught:
        decode_body("noted", {"what": "x"}, version)
    assert caught.value.where == "version"


@pytest.mark.parametrize("kind", KINDS)
def test_a_newer_one_says_to_upgrade(kind: str) -> None:
    with pytest.raises(EventError) as caught:
        decode_body(kind, {}, event_version(kind) + 1)
    assert caught.value.where == "version"
    assert "upgrade" in caught.value.why


def test_steps_are_taken_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (lambda body: {"what": body["a"]}, lambda body: {"what": body["what"] + "!"})
    monkeypatch.setitem(versions.STEPS, "noted", steps)  # type: ignore[attr-defined]
    assert event_version("noted") == 3
    assert encode_body(decode_body("noted", {"a": "x"}, 1)) == b'{"what":"x!"}'
    assert encode_body(decode_body("noted", {"what": "x"}, 2)) == b'{"what":"x!"}'
    assert encode_body(decode_body("noted", {"what": "x"}, 3)) == b'{"what":"x"}'


def test_every_kind_with_steps_is_a_kind() -> None:
    assert set(versions.STEPS) <= set(KINDS)
