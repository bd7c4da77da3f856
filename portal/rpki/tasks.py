from __future__ import annotations

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from portal.rpki import services


@shared_task
def refresh() -> None:
    """Read the validator's export again; nothing without PORTAL_RPKI_SOURCE."""
    if settings.PORTAL_RPKI_SOURCE:
        services.refresh(settings.PORTAL_RPKI_SOURCE, timezone.now())
