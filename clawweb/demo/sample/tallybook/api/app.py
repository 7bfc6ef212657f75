"""The WSGI application: routing, JSON in and out, errors to status codes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from wsgiref.simple_server import make_server

from tallybook.api import handlers
from tallybook.auth import Sessions
from tallybook.config import Settings
from tallybook.db import open_database
from tallybook.errors import NotFound, TallybookError

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]
Handler = Callable[["Request"], dict[str, Any]]

ROUTES: list[tuple[str, str, Handler]] = [
    ("POST", r"/login", handlers.post_login),
    ("POST", r"/logout", handlers.post_logout),
    ("POST", r"/orders", handlers.post_order),
    ("DELETE", r"/orders/(?P<order>\d+)", handlers.delete_order),
    ("GET", r"/reports/(?P<year>\d{4})/(?P<month>\d{1,2})", handlers.get_report),
    ("GET", r"/accounts/(?P<code>\d+)/balance", handlers.get_balance),
]

Request = handlers.Request


class Application:
    """The service as a WSGI callable."""

    def __init__(self, settings: Settings) -> None:
        self.sessions = Sessions(open_database(settings.database), settings)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            status, body = HTTPStatus.OK, self.route(environ)
        except TallybookError as error:
            status, body = HTTPStatus(error.status), {"error": error.code, "message": str(error)}
        payload = json.dumps(body).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(payload)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [payload]

    def route(self, environ: Environ) -> dict[str, Any]:
        """Find the handler of a request and call it."""
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/")
        for wanted, pattern, handler in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and wanted == method:
                length = int(environ.get("CONTENT_LENGTH") or 0)
                raw = environ["wsgi.input"].read(length) if length else b"{}"
                token = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
                return handler(Request(self.sessions, token, match.groupdict(), json.loads(raw)))
        raise NotFound(f"no route {method} {path}")


def main() -> None:
    """Serve on port 8080."""
    with make_server("", 8080, Application(Settings.from_environment())) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
