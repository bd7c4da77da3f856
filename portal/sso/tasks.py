from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.ownership.evidence import configured_network
from portal.sso import services


@shared_task
def check_domains() -> None:
    """Look for the records that are due; the rows say which."""
    services.make_due_checks(configured_network(), timezone.now())


@shared_task
def end_tokens() -> None:
    """End those that outlived the single sign-on by which they were made."""
    services.end_orphaned_tokens(timezone.now())


@shared_task
def recheck_domains() -> None:
    services.begin_rechecks(timezone.now())
