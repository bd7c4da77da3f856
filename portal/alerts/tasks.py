from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.alerts.services import follow as following
from portal.alerts.services import map_waiting as mapping
from portal.alerts.services import poll as polling
from portal.alerts.services import prune as pruning


@shared_task
def map_waiting() -> None:
    """Map the payloads that wait; the rows say which."""
    mapping.map_waiting()


@shared_task
def poll() -> None:
    """Ask the detectors whose polls are due; the rows say which."""
    polling.poll_due(polling.alert_network(), timezone.now())


@shared_task
def follow() -> None:
    """End hold-downs, and proposals that are not needed any more."""
    following.follow(timezone.now())


@shared_task
def prune() -> None:
    pruning.prune(timezone.now())
