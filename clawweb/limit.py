"""The outermost layer of HTTP: what must be refused before Django has read a request.

Django writes a whole body to memory or disk before a view can look at it, also one that announces no length.
Here a body over the limit is refused at its first byte too many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from django.http import HttpResponse

from clawweb.errors import plain
from clawweb.headers import HEADERS
from inspector.api.errors import ApiError, envelope, too_large

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[..., Awaitable[None]]

#: A sender that is still sending hears the answer only if it may go on for a while: what comes is dropped.
LINGER_S: Final = 2.0


class _TooMuch(Exception):
    """More of the body came than is allowed."""


class BodyLimit:
    """ASGI application: ``app`` for requests whose body has at most ``limit`` bytes, 413 for the others."""

    def __init__(self, app: App, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        if refusal is not None:
            await _answer(scope, receive, send, refusal)
            return
        got, started = 0, False

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > self.limit:
                raise _TooMuch
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, counted, watched)
        except _TooMuch:
            if not started:
                await _answer(scope, receive, send, self._too_large(None))

    def _refusal(self, scope: Message) -> ApiError | None:
        """What can be said before the body."""
        length = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        if length.isdigit() and int(length) > self.limit:
            return self._too_large(int(length))
        return None

    def _too_large(self, got: int | None) -> ApiError:
        return too_large("request body, bytes", self.limit, got)


async def _answer(scope: Message, receive: Receive, send: Send, error: ApiError) -> None:
    """Sends the refusal, and lets the sender finish for a moment; the connection is not used again."""
    response: HttpResponse = envelope(error) if scope["path"].startswith("/api/") else plain(error)
    headers = {
        **HEADERS,
        **response.headers,
        "Content-Length": str(len(response.content)),
        "Connection": "close",
    }
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": raw})
    await send({"type": "http.response.body", "body": response.content, "more_body": True})
    try:
        async with asyncio.timeout(LINGER_S):
            while (await receive()).get("more_body", False):
                pass
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b""})
