"""Every refusal of the API has one shape, whatever refused:
routing, sign-in, the parser, a limit, the store.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from memory import store

pytestmark = pytest.mark.django_db

Case = tuple[str, int, str]


def refusal(response: Any) -> dict[str, Any]:
    """The envelope's inside; fails if the answer is not an envelope."""
    assert response["Content-Type"] == "application/json; charset=utf-8", response.content[:200]
    body = json.loads(response.content)
    assert set(body) == {"error"}
    error = body["error"]
    assert {"code", "message", "where", "how"} <= set(error)
    assert all(isinstance(error[name], str) for name in ("code", "message", "where", "how"))
    assert error["message"] and error["how"]
    return dict(error)


@pytest.fixture
def secret() -> str:
    store.ensure_project("alpha", "Alpha")
    return store.create_token("alpha", "robot", "operator")


@pytest.fixture
def viewer() -> str:
    store.ensure_project("alpha", "Alpha")
    return store.create_token("alpha", "reader", "viewer")


def bearer(secret: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {secret}"}


def post(client: Client, path: str, body: Any, **extra: Any) -> Any:
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    return client.post(path, data, content_type=extra.pop("content_type", "application/json"), **extra)


GOOD = {"key": "k", "harness": "test", "mode": "observed", "adapter": "claude-code"}
NOWHERE = "/api/v1/sessions/00000000-0000-0000-0000-000000000000"


def test_strangers_are_refused(client: Client) -> None:
    for response in (
        client.get("/api/v1/sessions"),
        client.get("/api/v1/sessions", HTTP_AUTHORIZATION="Bearer nope"),
        client.get("/api/v1/sessions", HTTP_AUTHORIZATION="Basic abc"),
        client.get("/api/v1/sessions", HTTP_AUTHORIZATION="Bearer "),
        post(client, "/api/v1/sessions", GOOD),
        post(client, f"{NOWHERE}/prompts", {"request_id": "r"}),
    ):
        assert response.status_code == 401
        assert refusal(response)["code"] == "unauthenticated"
        assert response["WWW-Authenticate"] == "Bearer"


def test_viewers_read_only(client: Client, viewer: str) -> None:
    assert client.get("/api/v1/sessions", **bearer(viewer)).status_code == 200
    response = post(client, "/api/v1/sessions", GOOD, **bearer(viewer))
    assert response.status_code == 403
    assert refusal(response)["code"] == "forbidden"


def test_unknown_addresses(client: Client, secret: str) -> None:
    for path in ("/api/nothing", "/api/v1/sessions/x/y/z", "/api/v1/sessions/not-a-uuid", "/api/", NOWHERE):
        response = client.get(path, **bearer(secret))
        assert response.status_code == 404, path
        assert refusal(response)["code"] == "not_found"


def test_wrong_methods_name_the_right_ones(client: Client, secret: str) -> None:
    for path in ("/api/v1/sessions", f"{NOWHERE}/prompts", f"{NOWHERE}/trace"):
        response = client.delete(path, **bearer(secret))
        assert response.status_code == 405
        assert refusal(response)["code"] == "method_not_allowed"
        assert "DELETE" not in response["Allow"]


BAD_BODIES: list[tuple[str, bytes, int, str]] = [
    ("not json", b"{", 400, "bad_request"),
    ("empty", b"", 422, "invalid"),
    ("nan", b'{"key": NaN}', 400, "bad_request"),
    ("infinity", b'{"key": -Infinity}', 400, "bad_request"),
    ("too large a float", b'{"key": 1e999}', 400, "bad_request"),
    ("too many digits", b'{"key": ' + b"9" * 5000 + b"}", 400, "bad_request"),
    ("bad utf-8", b'{"key": "\xff"}', 400, "bad_request"),
    ("utf-16", json.dumps(GOOD).encode("utf-16"), 400, "bad_request"),
    ("deep", b"[" * 100 + b"]" * 100, 400, "bad_request"),
    ("very deep", b"[" * 200_000, 400, "bad_request"),
    ("two values", b"{} {}", 400, "bad_request"),
    ("a list", b"[]", 422, "invalid"),
    ("null", b"null", 422, "invalid"),
    ("a field too much", json.dumps({**GOOD, "typo": 1}).encode(), 422, "invalid"),
    ("no key", b'{"harness": "h", "mode": "observed"}', 422, "invalid"),
    ("unknown mode", json.dumps({**GOOD, "mode": "magic"}).encode(), 422, "invalid"),
    ("surrogate in a key", json.dumps({**GOOD, "key": "\ud800"}).encode(), 422, "invalid"),
    ("NUL in a key", json.dumps({**GOOD, "key": "a\0b"}).encode(), 422, "invalid_event"),
    ("long key", json.dumps({**GOOD, "key": "k" * 201}).encode(), 422, "invalid"),
]


@pytest.mark.parametrize(
    ("body", "status", "code"), [c[1:] for c in BAD_BODIES], ids=[c[0] for c in BAD_BODIES]
)
def test_bad_bodies(client: Client, secret: str, body: bytes, status: int, code: str) -> None:
    response = post(client, "/api/v1/sessions", body, **bearer(secret))
    assert (response.status_code, refusal(response)["code"]) == (status, code)


def test_depth_limit_is_exact(client: Client, secret: str) -> None:
    def settings_of(levels: int) -> dict[str, Any]:
        value: Any = 1
        for _ in range(levels - 3):  # the body, started and settings are three
            value = [value]
        return {**GOOD, "started": {"settings": {"deep": value}}}

    assert post(client, "/api/v1/sessions", settings_of(64), **bearer(secret)).status_code == 201
    response = post(client, "/api/v1/sessions", settings_of(65), **bearer(secret))
    assert response.status_code == 400 and "64" in refusal(response)["message"]


def test_large_bodies_say_limit_and_size(client: Client, secret: str, settings: Any) -> None:
    settings.CLAWWEB_MAX_BODY_BYTES = 1000
    response = post(client, "/api/v1/sessions", {**GOOD, "name": "n" * 2000}, **bearer(secret))
    assert response.status_code == 413
    error = refusal(response)
    assert error["limit"] == 1000 and error["got"] > 2000


def test_djangos_own_limit_is_an_envelope_too(client: Client, secret: str, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    response = post(client, "/api/v1/sessions", {**GOOD, "name": "n" * 150}, **bearer(secret))
    assert response.status_code == 413 and refusal(response)["code"] == "too_large"


def test_other_content_types(client: Client, secret: str) -> None:
    response = post(client, "/api/v1/sessions", "a=b", content_type="application/xml", **bearer(secret))
    assert response.status_code == 415 and refusal(response)["code"] == "unsupported_media_type"


def test_query_mistakes_name_the_field(client: Client, secret: str) -> None:
    response = client.get("/api/v1/sessions?limit=0&sort=magic", **bearer(secret))
    assert response.status_code == 422
    assert {item["where"] for item in refusal(response)["items"]} == {"query.limit", "query.sort"}


def test_too_many_waiting(client: Client, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from inspector.api import waiting

    session = _enforced_row(monkeypatch)
    monkeypatch.setattr(waiting, "MAX_WAITING", 0)
    response = post(client, f"/api/v1/sessions/{session}/prompts", {"request_id": "r"}, **bearer(secret))
    assert response.status_code == 429
    assert refusal(response)["code"] == "too_many_requests" and response["Retry-After"] == "1"


def _enforced_row(monkeypatch: pytest.MonkeyPatch) -> str:
    row, _created = store.find_or_create_session("alpha", "e", name="", harness="test", mode="enforced")
    return row.id


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(lambda: RuntimeError("boom"), 500, "internal"), (lambda: _locked(), 503, "unavailable")],
    ids=["bug", "database locked"],
)
def test_failures_inside(
    client: Client,
    secret: str,
    monkeypatch: pytest.MonkeyPatch,
    error: Callable[[], Exception],
    status: int,
    code: str,
) -> None:
    def fail(*_a: Any, **_k: Any) -> Any:
        raise error()

    monkeypatch.setattr(store, "list_sessions", fail)
    client.raise_request_exception = False
    response = client.get("/api/v1/sessions", **bearer(secret))
    assert response.status_code == status
    found = refusal(response)
    assert found["code"] == code and "boom" not in found["message"]


def _locked() -> Exception:
    from django.db import OperationalError

    return OperationalError("database is locked")


def test_description_is_complete(client: Client) -> None:
    schema = client.get("/api/openapi.json").json()
    assert schema["openapi"].startswith("3.")
    for path, operations in schema["paths"].items():
        assert path.startswith("/api/v1/"), path
        for method, operation in operations.items():
            assert operation["responses"]["default"]["content"], (path, method)
            assert operation["security"], (path, method)
    refs = set(_refs(schema))
    assert {ref.removeprefix("#/components/schemas/") for ref in refs} <= set(schema["components"]["schemas"])


def _refs(value: Any) -> list[str]:
    if isinstance(value, dict):
        found = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return found + [ref for item in value.values() for ref in _refs(item)]
    if isinstance(value, list):
        return [ref for item in value for ref in _refs(item)]
    return []


def test_docs_need_nothing_from_outside(client: Client) -> None:
    response = client.get("/api/docs")
    assert response.status_code == 200
    page = response.content.decode()
    assert "http://" not in page and "https://" not in page and "//cdn" not in page
    assert "script-src 'self';" in response["Content-Security-Policy"]


@pytest.mark.parametrize("error", ["DataError", "UnicodeEncodeError", "InterfaceError", "IntegrityError"])
def test_only_what_repeating_may_cure_says_so(error: str) -> None:
    import django.db

    from inspector.api.errors import to_api_error

    raised = {
        "DataError": (django.db.DataError("value too long"), 422),
        "UnicodeEncodeError": (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), 422),
        "InterfaceError": (django.db.InterfaceError("connection already closed"), 503),
        "IntegrityError": (django.db.IntegrityError("a bug of ours"), 500),
    }[error]
    found = to_api_error(raised[0])
    assert found.status == raised[1]
    assert ("Retry-After" in found.headers) == (found.status == 503)


CONTROL = ["%00", "a%00b", "%1b", "%7f", "%0a", "%C2%85", "%E2%80%A8"]


@pytest.mark.parametrize("sign", CONTROL)
def test_control_characters_in_an_address_are_refused_before_the_database(
    client: Client, secret: str, sign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inspector.api import auth

    monkeypatch.setattr(auth.store, "session_row", lambda _: pytest.fail("the database was asked"))
    path = "/api/v1/sessions/00000000-0000-0000-0000-000000000000"
    headers = {"Authorization": f"Bearer {secret}"}
    for place in (f"pages/{sign}", f"prompts/{sign}?wait_ms=0"):
        answer = client.get(f"{path}/{place}", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), place
    for place in (f"faults?page_id={sign}", f"faults?kind=a&kind={sign}", f"acts?page_id={sign}"):
        answer = client.get(f"{path}/{place}", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid"), place
        assert answer.json()["error"]["where"] == place.partition("?")[2].partition("=")[0]
