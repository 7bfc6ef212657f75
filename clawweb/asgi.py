"""The ASGI application: HTTP by Django, websockets by Channels (signed in, same origin only)."""

from __future__ import annotations

import importlib.util
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawweb.settings")
http = get_asgi_application()  # sets Django up: nothing below may be imported before

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator

websocket_urlpatterns: list = []
if importlib.util.find_spec("inspector.routing"):
    from inspector.routing import websocket_urlpatterns

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
