from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.wire import services


@shared_task
def prune() -> None:
    services.prune(now=timezone.now())
