"""The Celery application: queues `default` and `signal`."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import beat_init, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def _refuse_to_start_unprepared(**_: object) -> None:
    # All apps are loaded here, but not yet when this module is imported.
    from portal.checks import refuse_to_start

    refuse_to_start()
