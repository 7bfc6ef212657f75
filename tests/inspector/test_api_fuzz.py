"""Whatever is sent, the API answers with an envelope or a result; never with a failure of its own."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.core.events import KINDS
from memory.store.drain import drain
from tests.inspector.api_support import API, Api, page

pytestmark = pytest.mark.django_db(transaction=False)
COMMON = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

odd_texts = st.sampled_from(["p", "full", "hard", "\0", "\ud800", "\u202e", "x" * 600])
texts = st.text(st.characters(), max_size=30) | odd_texts
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
FIELDS = sorted({field.name for kind in KINDS.values() for field in fields(kind)} | {"text", "args", "hint"})
bodies = st.dictionaries(st.sampled_from(FIELDS), values, max_size=6)
events = st.fixed_dictionaries(
    {"kind": st.sampled_from(sorted(KINDS)) | texts, "body": bodies | values},
    optional={"client_event_id": texts | values, "at": texts | values},
)


@pytest.fixture
def api() -> Api:
    return Api("fuzz")


@pytest.fixture
def path(api: Api) -> str:
    path = api.session("s")
    api.post(f"{path}/events", {"events": [page("p")]})
    assert not drain(path.split("/")[2])
    return path


def check(api: Api, method: str, path: str, body: Any = None, **more: Any) -> int:
    status, answer = api.call(method, path, body, **more)
    assert status < 500, (status, answer)
    if status >= 400:
        assert set(answer) == {"error"} and answer["error"]["message"]
    return status


@COMMON
@given(batch=st.lists(events, max_size=3))
def test_events(api: Api, path: str, batch: list[Any]) -> None:
    if check(api, "POST", f"{path}/events", {"events": batch}) == 200:
        assert not drain(path.split("/")[2])
        check(api, "GET", path)
        check(api, "GET", f"{path}/pages")
        check(api, "GET", f"{path}/faults")


@COMMON
@given(
    place=st.sampled_from(["/sessions", "{}/events", "{}/records", "{}/acts"]),
    body=values
    | bodies
    | st.dictionaries(st.sampled_from(["events", "records", "act", "key", "mode"]), values),
)
def test_bodies(api: Api, path: str, place: str, body: Any) -> None:
    check(api, "POST", place.format(path), body)


@COMMON
@given(
    raw=st.binary(max_size=200), kind=st.sampled_from(["application/json", "application/x-ndjson", "a/b", ""])
)
def test_bytes(api: Api, path: str, raw: bytes, kind: str) -> None:
    for place in ("/sessions", f"{path}/events", f"{path}/records"):
        check(api, "POST", place, raw, content_type=kind)


@COMMON
@given(
    act=st.fixed_dictionaries(
        {"act": st.sampled_from(["pin", "unpin", "demote", "restore", "undo"])},
        optional={
            "page_ids": st.just(["p"]) | st.lists(texts, max_size=2),
            "pin": texts,
            "cap": st.sampled_from(["absent", "pointer", "full"]),
            "min_fidelity": st.sampled_from(["absent", "structured", "full"]),
            "version": st.integers(-1, 2**70),
            "act_seq": st.integers(-1, 2**70),
            "based_on_seq": st.integers(-1, 2**70),
            "reason": texts,
            "dry_run": st.booleans(),
            "client_event_id": texts,
        },
    )
)
def test_acts(api: Api, path: str, act: dict[str, Any]) -> None:
    if check(api, "POST", f"{path}/acts", act) in (200, 201):
        assert not drain(path.split("/")[2])
        check(api, "GET", f"{path}/acts")


@COMMON
@given(
    place=st.sampled_from(["/sessions", "{}/pages", "{}/faults", "{}/turns", "{}/acts"]),
    query=st.dictionaries(
        st.sampled_from(
            ["limit", "offset", "sort", "side", "text", "search", "before_seq", "kind", "page_id", "live"]
        ),
        st.integers(-(2**70), 2**70).map(str) | texts.filter(lambda text: text.isprintable()),
        max_size=4,
    ),
)
def test_queries(api: Api, path: str, place: str, query: dict[str, str]) -> None:
    response = api.client.get(
        API + place.format(path),
        {name: value.encode("utf-8", "replace").decode() for name, value in query.items()},
        HTTP_AUTHORIZATION=f"Bearer {api.secret}",
    )
    assert response.status_code in (200, 422), response.content
    assert json.loads(response.content)
