"""Bodies are read strictly: what is not described is refused, with the field named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from memory.core import EventError, decode_body, dump_state, encode_body, load_state, step
from memory.core.types import MAX_LIST, MAX_PAGE_ID
from tests.core.cast import Session, page


def created(**fields: Any) -> dict[str, Any]:
    return page("a", **fields)[1]


@pytest.mark.parametrize(
    ("kind", "body", "where"),
    [
        ("nonsense", {}, "kind"),
        ("session_ended", [], "body"),
        ("session_ended", {"why": ""}, "why"),
        ("session_ended", {"reason": 3}, "reason"),
        ("session_started", {"harness": "x"}, "mode"),
        ("session_started", {"harness": "x", "mode": "sometimes"}, "mode"),
        ("session_started", {"harness": "x", "mode": "observed", "budget": -1}, "budget"),
        ("session_started", {"harness": "x", "mode": "observed", "budget": True}, "budget"),
        ("session_started", {"harness": "x", "mode": "observed", "settings": []}, "settings"),
        ("page_created", {"page": None}, "page"),
        ("page_created", created(nonsense=1), "page.nonsense"),
        ("page_created", created(tokens={"pointer": 3}), "page.representations.full"),
        ("page_created", created(tokens={"pointer": 9, "full": 9}), "page.representations.full.tokens"),
        ("page_created", created(tokens={"full": 0}), "page.representations.full.tokens"),
        ("page_created", created(tokens={"full": 1.0}), "page.representations.full.tokens"),
        ("page_created", created(tokens={"absent": 1, "full": 9}), "page.representations.absent"),
        (
            "page_created",
            page("a", "plan", tokens={"compressed": 1, "full": 9})[1],
            "page.representations.compressed",
        ),
        ("page_created", page("a", "constraint", min_fidelity="pointer")[1], "page.min_fidelity"),
        ("page_created", created(base_utility=-1), "page.base_utility"),
        ("page_created", created(base_utility=10**400), "page.base_utility"),
        ("page_created", created(provenance={"kind": "file", "ref": ""}), "page.provenance.ref"),
        ("page_created", created(resources=["x"] * (MAX_LIST + 1)), "page.resources"),
        ("demand_observed", {"page_id": "a", "fidelity": "absent"}, "fidelity"),
        ("demand_observed", {"page_id": "a", "fidelity": 4}, "fidelity"),
        ("operator_pin", {"page_ids": []}, "page_ids"),
        ("operator_pin", {"page_ids": "a"}, "page_ids"),
        ("noted", {"what": "x", "data": {"a": [1, {"b": float("inf")}]}}, "data"),
        ("model_answered", {"request_id": "r", "usage": {"input": -1}}, "usage.input"),
    ],
)
def test_refused_with_the_field_named(kind: str, body: Any, where: str) -> None:
    with pytest.raises(EventError) as caught:
        decode_body(kind, body if isinstance(body, dict) else json.dumps(body).encode())
    assert caught.value.where == where


@pytest.mark.parametrize(
    "page_id", ["", "a\0", "a\n", "\x1b[31m", "\ud800", "x" * (MAX_PAGE_ID + 1), 7, None]
)
def test_hostile_ids_are_refused(page_id: Any) -> None:
    with pytest.raises(EventError) as caught:
        decode_body("dirty_marked", {"page_id": page_id})
    assert caught.value.where == "page_id"


@pytest.mark.parametrize("page_id", ["é", "<script>", "a\u202eb", "'; DROP TABLE", "x" * MAX_PAGE_ID, "💥"])
def test_odd_but_sound_ids_pass(page_id: str) -> None:
    body = decode_body("dirty_marked", {"page_id": page_id})
    assert decode_body("dirty_marked", encode_body(body)) == body


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"a":1}{"b":2}',
        b"\xff",
        b"\0" * 50,
        b'{"reason":NaN}',
        b"[" * 100_000,
        b"9" * 5000,
        b'"x"',
    ],
)
def test_bytes_that_are_no_body(raw: bytes) -> None:
    with pytest.raises(EventError):
        decode_body("session_ended", raw)


def test_infinite_number_by_overflow_is_refused() -> None:
    with pytest.raises(EventError):
        decode_body("noted", b'{"what":"x","data":{"a":1e999}}')


def test_text_survives_whatever_it_is() -> None:
    """NUL, lone surrogates, ANSI and right-to-left marks go through; the bytes are ASCII."""
    text = "\0\ud800\x1b[31m\u202e<script>" + "x" * 1000
    raw = json.dumps(
        {"page": {**created()["page"], "representations": {"full": {"tokens": 9, "text": text}}}}
    ).encode()
    body = decode_body("page_created", raw)
    assert body.page.representations[4].text == text  # type: ignore[union-attr, index]
    encoded = encode_body(body)
    assert encoded.isascii()
    assert decode_body("page_created", encoded) == body


def test_canonical_bytes_do_not_depend_on_the_order_of_fields() -> None:
    one = decode_body("demand_observed", b'{"page_id":"a","fidelity":"full","exact":true}')
    other = decode_body("demand_observed", b'{"exact":true,"fidelity":"full","page_id":"a","rule":""}')
    assert encode_body(one) == encode_body(other) == b'{"fidelity":"full","page_id":"a"}'


def test_a_reloaded_state_goes_on_with_the_same_bytes() -> None:
    """No order of a set gets in: with these pages a set of dirty ones iterates otherwise after a reload."""
    session = Session(policy="retrieval", budget=1000)
    for number in range(40):
        session.add(f"p{number}")
    for number in (33, 1, 8, 17, 25, 9):
        session.dirty(f"p{number}")
    again = load_state(dump_state(session.state))
    session.boundary("compaction")
    step(again, session.events[-1])
    assert dump_state(again) == dump_state(session.state)
