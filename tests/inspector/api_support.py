"""What the API's tests share: a client that sends tokens and JSON, sessions, and draining in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from memory import store
from memory.store.drain import drain

API = "/api/v1"


@dataclass
class Api:
    """A project's token on Django's test client. Each call gives (status, body); ``last`` is the response."""

    project: str
    role: str = "operator"
    client: Client = field(default_factory=Client)
    last: Any = None

    def __post_init__(self) -> None:
        store.ensure_project(self.project, self.project.title())
        self.secret = store.create_token(self.project, f"{self.project} {self.role}", self.role)

    def call(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.last = self.client.generic(
            method, API + path, data, content_type, HTTP_AUTHORIZATION=f"Bearer {self.secret}"
        )
        content = b"".join(self.last) if self.last.streaming else self.last.content
        if "ndjson" in self.last["Content-Type"]:
            return self.last.status_code, content
        return self.last.status_code, json.loads(content)

    def get(self, path: str) -> Any:
        status, body = self.call("GET", path)
        assert status == 200, body
        return body

    def post(self, path: str, body: Any) -> Any:
        status, answer = self.call("POST", path, body)
        assert status in (200, 201), answer
        return answer

    def refused(self, method: str, path: str, body: Any = None, *, status: int) -> dict[str, Any]:
        got, answer = self.call(method, path, body)
        assert got == status, (got, answer)
        return dict(answer["error"])

    def session(self, key: str = "s", *, mode: str = "enforced", budget: int = 1000, **more: Any) -> str:
        """The path of a session, made if need be."""
        body = {"key": key, "harness": "test", "mode": mode, "started": {"budget": budget}, **more}
        if body.get("adapter"):
            del body["started"]
        return f"/sessions/{self.post('/sessions', body)['id']}"


def page(page_id: str, text: str = "some text of the page", **more: Any) -> dict[str, Any]:
    """A ``page_created`` event."""
    spec = {
        "page_id": page_id,
        "type": "evidence",
        "text": text,
        "provenance": {"kind": "import", "ref": "t"},
    }
    return {"kind": "page_created", "body": {"page": {**spec, **more}}}


def fold(path: str) -> None:
    """Drains the session of that path, as a worker would."""
    assert not drain(path.split("/")[2])
