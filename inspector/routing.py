"""Websocket addresses. Sign-in, project role and origin are checked before anything is read."""

from __future__ import annotations

from django.urls import path

from inspector import consumers

websocket_urlpatterns = [
    path("ws/sessions/", consumers.SessionsConsumer.as_asgi()),
    path("ws/sessions/<uuid:session_id>/", consumers.SessionConsumer.as_asgi()),
]
