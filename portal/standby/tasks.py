from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.mitigations import services as mitigations
from portal.standby import services


@shared_task
def follow() -> None:
    """Advance drills, changed plans and stopping providers; their pending work is in the rows."""
    services.follow_drills(now=timezone.now())
    services.finish_changes()
    mitigations.resume_holding(now=timezone.now())
