"""Sessions over the API: made once, found again, and invisible to other projects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from memory import store
from tests.inspector.api_support import API, Api, fold, page

pytestmark = pytest.mark.django_db

BODY = {"key": "run 1", "harness": "mine", "mode": "enforced", "name": "First", "started": {"budget": 900}}


@pytest.fixture
def alpha() -> Api:
    return Api("alpha")


def test_made_once_and_found_again(alpha: Api) -> None:
    status, first = alpha.call("POST", "/sessions", BODY)
    assert (status, first["created"], first["last_seq"]) == (201, True, 1)
    status, again = alpha.call("POST", "/sessions", {**BODY, "started": {"budget": 5}})
    assert (status, again["created"], again["id"], again["last_seq"]) == (200, False, first["id"], 1)
    path = f"/sessions/{first['id']}"
    alpha.post(f"{path}/events", {"events": [{"kind": "prompt_requested", "body": {"request_id": "r"}}]})
    fold(path)
    assert alpha.get(path)["view"]["primary"]["budget"] == 900


def test_the_same_key_with_another_mode_is_a_conflict(alpha: Api) -> None:
    alpha.post("/sessions", BODY)
    error = alpha.refused("POST", "/sessions", {**BODY, "mode": "observed"}, status=409)
    assert (error["code"], error["where"]) == ("session_differs", "mode")


def test_null_started_leaves_the_first_event_to_the_sender(alpha: Api) -> None:
    made = alpha.post("/sessions", {**BODY, "started": None})
    assert made["last_seq"] == 0
    started = {"kind": "session_started", "body": {"harness": "mine", "mode": "enforced", "budget": 7}}
    assert alpha.post(f"/sessions/{made['id']}/events", {"events": [started]})["last_seq"] == 1


def test_listing_filters_and_pages(alpha: Api) -> None:
    for number in range(5):
        alpha.session(f"key-{number}", name=f"Name {number}")
    assert alpha.get("/sessions?limit=2&offset=4")["total"] == 5
    assert len(alpha.get("/sessions?limit=2&offset=4")["items"]) == 1
    assert [s["key"] for s in alpha.get("/sessions?search=Name 3")["items"]] == ["key-3"]
    assert alpha.get("/sessions?harness=other")["total"] == 0
    assert [s["name"] for s in alpha.get("/sessions?sort=name")["items"]] == [f"Name {n}" for n in range(5)]


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse")
def test_another_projects_session_does_not_exist(alpha: Api) -> None:
    beta = Api("beta")
    path = alpha.session("secret")
    alpha.post(f"{path}/events", {"events": [page("p")]})
    fold(path)
    assert beta.get("/sessions")["total"] == 0
    for rest in ("", "/pages", "/pages/p", "/faults", "/turns", "/trace", "/acts", "/acts/1", "/prompts/r"):
        assert beta.refused("GET", path + rest, status=404)["code"] == "not_found", rest
    for rest, body in (
        ("/events", {"events": [page("q")]}),
        ("/records", {"records": [{"record_key": "k", "raw": "{}"}]}),
        ("/prompts", {"request_id": "r"}),
        ("/acts", {"act": "pin", "page_ids": ["p"]}),
    ):
        beta.refused("POST", path + rest, body, status=404)
    assert alpha.get(path)["last_seq"] == 2
    made = beta.session("secret")  # the same key in another project is another session
    assert made != path


def test_viewers_cannot_write_anywhere(alpha: Api) -> None:
    path = alpha.session()
    alpha.post(f"{path}/events", {"events": [page("p")]})
    fold(path)
    viewer = Api("alpha", "viewer")
    for rest in ("", "/pages", "/pages/p", "/faults", "/turns", "/acts"):
        viewer.get(path + rest)
    for rest, body in (
        ("/events", {"events": [page("q")]}),
        ("/records", {"records": [{"record_key": "k", "raw": "{}"}]}),
        ("/prompts", {"request_id": "r"}),
        ("/acts", {"act": "pin", "page_ids": ["p"]}),
        ("/acts", {"act": "pin", "page_ids": ["p"], "dry_run": True}),
    ):
        assert viewer.refused("POST", path + rest, body, status=403)["code"] == "forbidden", rest
    assert alpha.get(path)["last_seq"] == 2


def test_a_revoked_token_opens_nothing(alpha: Api) -> None:
    info = store.authenticate_token(alpha.secret)
    assert info is not None and store.revoke_token(info.token_id)
    alpha.refused("GET", "/sessions", status=401)


class TestBrowser:
    """The signed-in person: the session cookie, with CSRF."""

    @pytest.fixture
    def browser(self, alpha: Api) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(store.ensure_operator("ann", "alpha"))
        return client

    def send(self, client: Client, path: str, body: Any, **headers: str) -> Any:
        return client.post(API + path, json.dumps(body), content_type="application/json", **headers)

    def csrf(self, client: Client, settings: Any) -> dict[str, str]:
        token = "a" * 32
        client.cookies[settings.CSRF_COOKIE_NAME] = token
        return {"HTTP_X_CSRFTOKEN": token}

    def test_reads_without_csrf_and_writes_only_with_it(
        self, browser: Client, alpha: Api, settings: Any
    ) -> None:
        path = alpha.session("x")
        assert browser.get(API + path).status_code == 200
        refused = self.send(browser, "/sessions", BODY)
        assert refused.status_code == 403 and refused.json()["error"]["code"] == "csrf_failed"
        made = self.send(browser, "/sessions", BODY, **self.csrf(browser, settings))
        assert made.status_code == 201 and made.json()["project"] == "alpha"

    def test_sees_only_the_own_projects(self, browser: Client, settings: Any) -> None:
        path = Api("beta").session("theirs")
        assert browser.get(API + path).status_code == 404
        headers = self.csrf(browser, settings)
        response = self.send(browser, "/sessions", {**BODY, "project": "beta"}, **headers)
        assert response.status_code == 404

    def test_a_bad_token_is_not_saved_by_a_good_cookie(self, browser: Client) -> None:
        assert browser.get(f"{API}/sessions", HTTP_AUTHORIZATION="Bearer wrong").status_code == 401

    def test_with_several_projects_one_must_be_named(self, browser: Client, settings: Any) -> None:
        store.ensure_project("beta", "Beta")
        store.ensure_operator("ann", "beta")
        headers = self.csrf(browser, settings)
        unsaid = self.send(browser, "/sessions", BODY, **headers)
        assert unsaid.status_code == 422 and "alpha, beta" in unsaid.json()["error"]["message"]
        said = self.send(browser, "/sessions", {**BODY, "project": "beta"}, **headers)
        assert said.json()["project"] == "beta"
