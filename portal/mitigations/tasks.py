from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.mitigations import services


@shared_task
def end_taken_over() -> None:
    """End requests that newer ones filter all of."""
    services.end_taken_over(now=timezone.now())


@shared_task
def prune() -> None:
    services.thin_counters(now=timezone.now())
