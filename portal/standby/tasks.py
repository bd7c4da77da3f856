from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.standby import services


@shared_task
def follow() -> None:
    """What drills and changed plans wait for is in the rows; this looks at them."""
    services.follow_drills(now=timezone.now())
    services.finish_changes()
