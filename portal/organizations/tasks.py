from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.organizations import audit_heads, idempotency


@shared_task
def prune() -> None:
    idempotency.prune(now=timezone.now())


@shared_task
def publish_audit_heads() -> None:
    audit_heads.publish_heads()
