"""The inspector's screens; page ids stand in the query, because an agent's text may name a page anything."""

from __future__ import annotations

from django.urls import path

from inspector import views

app_name = "inspector"

urlpatterns = [
    path("", views.sessions, name="sessions"),
    path("demo/", views.demo, name="demo"),
    path("agent/", views.agent, name="agent"),
    path("transcripts/", views.read_own, name="read-own"),
    path("sessions/<uuid:session_id>/", views.session, name="session"),
    path("sessions/<uuid:session_id>/text/", views.page_text, name="text"),
    path("sessions/<uuid:session_id>/act/", views.act, name="act"),
]
