from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from portal.audit.models import Chain
from portal.audit.retention import cut_all
from portal.audit.sealing import seal_all
from portal.audit.verification import verify

logger = logging.getLogger(__name__)

UNTIL_NEXT: Final = timedelta(hours=23)


@shared_task
def seal_missed() -> None:
    """Entries that waited longer than portal.events.tasks.audit looks back."""
    seal_all()


@shared_task
def verify_chains() -> None:
    """Verify every chain that was not verified since yesterday; the page shows what was found."""
    now = timezone.now()
    for chain in Chain.objects.order_by("pk").iterator():
        if chain.verified_at is not None and chain.verified_at > now - UNTIL_NEXT:
            continue
        problem = verify(chain.pk)
        if problem is not None:
            logger.error("the audit chain of %s is broken: %s", chain.pk, problem.as_json())
        Chain.objects.filter(pk=chain.pk).update(
            verified_at=timezone.now(), problem=problem.as_json() if problem else None
        )


@shared_task
def cut_chains() -> None:
    cut_all(before=timezone.now() - timedelta(days=settings.PORTAL_AUDIT_DAYS))
