"""The Celery application: queues `default`, `signal`, `alerts` and `notices`."""

from __future__ import annotations

import faulthandler
import os
from typing import Final

from celery import Celery
from celery.signals import beat_init, worker_init, worker_shutting_down
from django.core.exceptions import ImproperlyConfigured

STDERR: Final = 2
"""Celery replaces sys.stderr."""
STOPS_WITHIN_S: Final = 35.0
"""A delivery of notices takes up to 30 s. Containers are killed 5 s later (docker-compose.yml)."""

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def _refuse_to_start_unprepared(**_: object) -> None:
    # All apps are loaded here, but not yet when this module is imported.
    from portal.checks import refuse_to_start

    try:
        refuse_to_start()
    except ImproperlyConfigured as error:
        # Celery logs any other exception of a receiver, and starts.
        raise SystemExit(str(error)) from error


@worker_shutting_down.connect
def _stop_in_time(**_: object) -> None:
    """Whatever hangs: a task, a connection, a thread. The log then shows each thread's stack."""
    faulthandler.dump_traceback_later(STOPS_WITHIN_S, exit=True, file=STDERR)
