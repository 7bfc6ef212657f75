"""Signing in by link, and that everything else asks for it."""

from __future__ import annotations

import pytest
from django.test import Client

from clawweb.headers import CSP
from memory import store

pytestmark = pytest.mark.django_db


@pytest.fixture
def secret() -> str:
    store.ensure_project("default", "Default")
    return store.create_sign_in_link(store.ensure_operator("operator", "default"))


def test_strangers_are_sent_to_the_sign_in_page(client: Client) -> None:
    for address in ["/", "/sessions/x/", "/nowhere"]:
        answer = client.get(address)
        assert answer.status_code == 302, address
        assert answer.headers["Location"] == "/signin/"


def test_htmx_is_told_to_go_there(client: Client) -> None:
    answer = client.get("/", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/signin/"


def test_health_is_open_and_carries_the_headers(client: Client) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"] == CSP
    assert "unsafe" not in CSP
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_static_files_are_open_and_ask_again(client: Client) -> None:
    answer = client.get("/static/js/signin.js")
    assert answer.status_code == 200
    assert "max-age=0" in answer.headers["Cache-Control"]
    assert client.get("/static/../manage.py").status_code in (302, 404)


def test_looking_at_a_link_does_not_spend_it(client: Client, secret: str) -> None:
    for _ in range(3):
        assert b"<form" in client.get(f"/signin/{secret}/").content
    answer = client.post(f"/signin/{secret}/")
    assert answer.headers["Location"] == "/"
    assert client.get("/signin/").headers["Location"] == "/"


def test_a_link_works_once(client: Client, secret: str) -> None:
    client.post(f"/signin/{secret}/")
    second = Client()
    answer = second.post(f"/signin/{secret}/")
    assert answer.status_code == 403
    assert "used already" in answer.content.decode()
    assert second.get("/").status_code == 302


def test_an_unknown_link_is_refused(client: Client) -> None:
    assert client.post("/signin/nonsense/").status_code == 403


def test_the_form_is_protected_against_other_sites(secret: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(f"/signin/{secret}/").status_code == 403
    strict.get(f"/signin/{secret}/")
    name = next(name for name in strict.cookies if name.startswith("clawweb_csrf"))
    token = strict.cookies[name].value
    assert strict.post(f"/signin/{secret}/", {"csrfmiddlewaretoken": token}).status_code == 302


def test_signing_out(client: Client, secret: str) -> None:
    client.post(f"/signin/{secret}/")
    assert client.get("/signout/").status_code == 405
    client.post("/signout/")
    assert client.get("/").status_code == 302


def test_another_host_is_refused(client: Client) -> None:
    assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 400
