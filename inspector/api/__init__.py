"""The API's resources, one module each; ``clawweb.api`` mounts them under ``/api/v1``."""

from __future__ import annotations

from ninja import NinjaAPI


def mount(api: NinjaAPI, prefix: str) -> None:
    """Adds the resources' routers under ``prefix`` and makes every error an envelope."""
    from inspector.api import acts, errors, events, history, pages, prompts, records, sessions

    errors.install(api)
    for module in (sessions, events, records, pages, history, prompts, acts):
        api.add_router(prefix, module.router)
