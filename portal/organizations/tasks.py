from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.organizations import idempotency


@shared_task
def prune() -> None:
    idempotency.prune(now=timezone.now())
