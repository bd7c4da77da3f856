from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.notifications.services import collect as collecting
from portal.notifications.services import deliver as delivering
from portal.notifications.services import prune as pruning
from portal.notifications.services import release as releasing
from portal.notifications.services import timed


@shared_task
def collect() -> None:
    """Write the notices of new events."""
    collecting.collect()


@shared_task
def look() -> None:
    """Write the notices that no event tells, and queue what was held."""
    timed.look(timezone.now())
    releasing.release(timezone.now())


@shared_task
def deliver() -> None:
    delivering.deliver()


@shared_task
def look_at_certificates() -> None:
    timed.look_at_certificates(timezone.now())


@shared_task
def prune() -> None:
    pruning.prune(timezone.now())
