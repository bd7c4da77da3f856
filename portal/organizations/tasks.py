from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.organizations import acting, audit_heads, idempotency, service_tokens


@shared_task
def prune() -> None:
    idempotency.prune(now=timezone.now())
    service_tokens.prune(now=timezone.now())


@shared_task
def publish_audit_heads() -> None:
    audit_heads.publish_heads()


@shared_task
def end_acting() -> None:
    acting.end_expired(now=timezone.now())
