from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.audit.sealing import RECENT, seal_all
from portal.events.acts import record_acts


@shared_task
def audit() -> None:
    """Make the audit entries of new acts, and seal all entries that have no seal yet."""
    record_acts()
    seal_all(since=timezone.now() - RECENT)
