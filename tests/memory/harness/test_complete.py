"""What a sender may leave out is filled in; what is complete stays as it is."""

from __future__ import annotations

from typing import Any

import pytest

from memory.complete import check, complete, complete_many
from memory.core import decode_body
from memory.core.errors import EventError
from memory.representations import VERSION

PAGE: dict[str, Any] = {"page_id": "p", "type": "evidence", "provenance": {"kind": "tool_call", "ref": "c"}}


def test_a_page_gets_its_representations() -> None:
    body = {"page": {**PAGE, "text": "word " * 400, "hint": {"tool": "Bash"}}}
    check("page_created", body)
    done = complete("page_created", body)
    assert done["rep_version"] == VERSION and "text" not in done["page"] and "hint" not in done["page"]
    reps = done["page"]["representations"]
    assert reps["full"]["text"] == body["page"]["text"]
    assert [reps[k]["tokens"] for k in reps] == sorted({r["tokens"] for r in reps.values()})
    decode_body("page_created", done)


def test_an_update_without_its_type_has_full_only() -> None:
    done = complete("page_updated", {"page_id": "p", "text": "word " * 400})
    assert set(done["representations"]) == {"full"}
    done = complete("page_updated", {"page_id": "p", "text": "word " * 400, "type": "evidence"})
    assert "pointer" in done["representations"] and "type" not in done


def test_a_call_gets_its_signature() -> None:
    body = {"call_id": "c", "tool": "Read", "args": {"file_path": "a.py"}, "cwd": "/w"}
    check("tool_called", body)
    done = complete("tool_called", body)
    assert (done["kind"], done["reads"], done["writes"]) == ("read", ["file:/w/a.py"], [])
    assert done["signature"].startswith("sig1:Read:") and "args" not in done
    decode_body("tool_called", done)


def test_complete_bodies_come_back_unchanged() -> None:
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("page_created", {"page": {**PAGE, "representations": {"full": {"tokens": 3, "text": "x"}}}}),
        ("tool_called", {"call_id": "c", "tool": "t", "signature": "s"}),
        ("noted", {"what": "x", "data": {"text": "y"}}),
    ]
    assert complete_many(bodies) == [body for _, body in bodies]


@pytest.mark.parametrize(
    ("kind", "body", "where"),
    [
        ("page_created", {"page": {**PAGE, "text": 7}}, "page.text"),
        ("page_created", {"page": {**PAGE, "text": "x", "hint": 7}}, "page.hint"),
        ("page_created", {"page": {**PAGE, "text": "x", "representations": {}}}, "page.text"),
        ("page_created", {"page": {**PAGE, "text": "x", "type": "nonsense"}}, "page.type"),
        ("page_updated", {"page_id": "p", "text": "x", "type": "nonsense"}, "type"),
        ("tool_called", {"call_id": "c", "tool": "t", "args": "x"}, "args"),
        ("tool_called", {"call_id": "c", "tool": "t", "args": {}, "signature": "s"}, "args"),
        ("tool_called", {"call_id": "c", "tool": "t"}, "signature"),
    ],
)
def test_what_is_wrong_is_named(kind: str, body: dict[str, Any], where: str) -> None:
    with pytest.raises(EventError) as error:
        check(kind, body)
    assert where in error.value.where
