from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.ownership import services
from portal.ownership.evidence import configured_network


@shared_task
def make_due_checks() -> None:
    """Make the checks that people asked for, or that are due each week; the rows say which."""
    services.make_due_checks(configured_network(), timezone.now())


@shared_task
def begin_rechecks() -> None:
    services.begin_rechecks(timezone.now())
