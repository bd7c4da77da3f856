from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.mitigations import services


@shared_task
def terminate_redundant() -> None:
    """End requests that newer ones filter all of."""
    services.terminate_redundant(now=timezone.now())


@shared_task
def prune() -> None:
    services.downsample_counters(now=timezone.now())
