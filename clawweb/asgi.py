"""The ASGI application: HTTP by Django, websockets by Channels (signed in, same origin only)."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawweb.settings")
http = get_asgi_application()  # sets Django up: nothing below may be imported before

from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings

from clawweb.limit import BodyLimit
from memory import store, stream

websocket_urlpatterns: list[Any] = []
if importlib.util.find_spec("inspector.consumers"):
    from inspector.routing import websocket_urlpatterns

# WhiteNoise hands files over as ordinary iterators; reading a small file at once is what we want.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

stream.configure_applied(database_sync_to_async(store.applied_seqs))

Message = MutableMapping[str, Any]


async def lifespan(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """The hub starts with its first reader; here it is stopped before the event loop ends."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await stream.stop_hub()
            await send({"type": "lifespan.shutdown.complete"})
            return


application = ProtocolTypeRouter(
    {
        "http": BodyLimit(http, settings.CLAWWEB_MAX_BODY_BYTES),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
        "lifespan": lifespan,
    }
)
