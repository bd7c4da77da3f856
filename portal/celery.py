"""The Celery application: queues `default`, `signal`, `alerts` and `notices`."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from celery import Celery
from celery.signals import beat_init, celeryd_init, worker_init, worker_shutting_down
from django.core.exceptions import ImproperlyConfigured

from portal import env
from portal.core.garbage import collect_rarely

STDERR: Final = 2
"""Celery replaces sys.stderr."""
STOPS_WITHIN_S: Final = 35.0
"""A delivery of notices takes up to 30 s. Containers are killed 5 s later (docker-compose.yml)."""

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@contextmanager
def _ends_if_misconfigured() -> Iterator[None]:
    """Celery logs any other exception of a receiver, and starts."""
    try:
        yield
    except ImproperlyConfigured as error:
        raise SystemExit(str(error)) from error


@worker_init.connect
@beat_init.connect
@_ends_if_misconfigured()
def _refuse_to_start_unprepared(**_: object) -> None:
    # All apps are loaded here, but not yet when this module is imported.
    from portal.checks import refuse_to_start

    refuse_to_start()


@worker_init.connect
def _collect_rarely(**_: object) -> None:
    collect_rarely()


@celeryd_init.connect
@_ends_if_misconfigured()
def _hold_sessions(**_: object) -> None:
    """In signal workers only. It is no setting of Django, so all processes have the same."""
    if env.flag("PORTAL_SIGNAL_AGENT"):
        from portal.signaling.worker import SignalAgentStep

        app.steps["worker"].add(SignalAgentStep)


@worker_shutting_down.connect
def _stop_in_time(**_: object) -> None:
    """Whatever hangs: a task, a connection, a thread. The log then shows each thread's stack."""
    faulthandler.dump_traceback_later(STOPS_WITHIN_S, exit=True, file=STDERR)
