"""The Celery application. Tasks carry a session's id, never data; every one may be repeated without harm."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawweb.settings")

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import celeryd_init, setup_logging, worker_init, worker_ready
from django.conf import settings
from kombu import Queue

from clawweb import broker
from clawweb.env import broker_url
from memory import stream

broker.install()
app = Celery("clawweb", set_as_current=True)

DRAIN_QUEUES = [f"drain.{n}" for n in range(settings.CLAWWEB_DRAIN_QUEUES)]
QUEUES = ["default", *DRAIN_QUEUES]

app.conf.update(
    broker_url=broker_url(settings.CLAWWEB_REDIS_URL),
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # a broker that comes back finds its worker waiting
    broker_transport_options={
        # A task whose worker was killed comes back after this many seconds; the sweeper is faster.
        # Longer than any drain, or two workers would do the same work (harmless, but work).
        "visibility_timeout": 120,
        "socket_connect_timeout": 1,  # seconds
        "socket_timeout": 10,  # above the worker's own blocking read
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.1,
        "interval_max": 0.2,
    },
    # A producer never waits for a dead broker: the sweeper finds what was not enqueued.
    task_publish_retry=False,
    task_default_queue="default",
    task_queues=[Queue(name) for name in QUEUES],
    task_create_missing_queues=True,
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_serializer="json",
    accept_content=["json"],
    result_backend=None,
    worker_prefetch_multiplier=1,
    worker_pool="solo",
    worker_concurrency=1,
    worker_enable_remote_control=False,  # nobody asks; its pub/sub costs idle time
    worker_cancel_long_running_tasks_on_connection_loss=False,
    enable_utc=True,
    timezone="UTC",
)
app.autodiscover_tasks(["memory"])


@celeryd_init.connect
def allow_root(**_: Any) -> None:
    """A worker that `up` starts (it names the file) says nothing about running as root: in a container that
    is ordinary, and what Celery warns of, tasks as pickles, is refused (``accept_content``).
    """
    if os.environ.get("CLAWWEB_READY_FILE"):
        warnings.filterwarnings("ignore", category=SecurityWarning)


@worker_init.connect
def keep_connections(**_: Any) -> None:
    """A worker keeps its database connection between tasks; a web process under ASGI must not."""
    settings.DATABASES["default"]["CONN_MAX_AGE"] = 600


@setup_logging.connect
def keep_logging(**_: Any) -> None:
    """Being connected is enough: Celery then leaves logging as Django's settings made it."""


@worker_ready.connect
def say_ready(**_: Any) -> None:
    """Makes the file that a supervisor waits for."""
    if path := os.environ.get("CLAWWEB_READY_FILE"):
        Path(path).touch()


stream.configure(settings.CLAWWEB_REDIS_URL, key=settings.CLAWWEB_STREAM_KEY)
