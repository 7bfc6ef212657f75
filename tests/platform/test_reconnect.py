"""The broker dies and comes back, empty: the worker takes tasks again without being started again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Site
from tests.support.poll import poll
from tests.support.processes import ROOT

pytestmark = pytest.mark.integration

# A task of Celery's own (it does nothing but leave a message), sent as a producer in another process would.
SEND = """
import django, sys
django.setup()
from clawweb.celery import app
app.send_task("celery.backend_cleanup", queue="drain.0")
"""
LENGTH = """
import django
django.setup()
from django.conf import settings
import redis
client = redis.Redis.from_url(settings.CLAWWEB_REDIS_URL)
print(client.llen("drain.0") + client.hlen("unacked"))
"""


def run(site: Site, source: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", source], env=site.env, cwd=ROOT, capture_output=True, timeout=60, check=True
    )
    return done.stdout.decode().strip()


def test_the_worker_survives_its_broker(site: Site) -> None:
    worker = site.worker()
    for _ in range(2):
        run(site, SEND)
        poll(lambda: run(site, LENGTH) == "0", 20, what="the task was taken")
        site.broker.restart()
        assert worker.running()
    run(site, SEND)
    poll(lambda: run(site, LENGTH) == "0", 20, what="the task was taken after two restarts")


def test_a_producer_without_a_broker_gives_up_at_once(site: Site) -> None:
    site.broker.kill()
    source = """
import django, time
django.setup()
from clawweb.celery import app
began = time.monotonic()
try:
    app.send_task("celery.backend_cleanup", queue="drain.0")
except Exception as error:
    print(type(error).__name__)
print(time.monotonic() - began < 2)
"""
    assert run(site, source).splitlines()[-1] == "True"


def test_the_web_server_answers_without_a_broker(make_site: Callable[..., Any]) -> None:
    site = make_site()
    web = site.web()
    site.broker.kill()
    web.wait_answer()
