"""Hypothesis as the core's tests use it: no deadline (machines are shared), a failure prints its seed."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "core",
    deadline=None,
    max_examples=int(os.environ.get("CLAWWEB_EXAMPLES", "40")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("core")
