from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.accounts import services
from portal.accounts.session_store import SessionStore


@shared_task
def mail_links() -> None:
    services.mail_links()


@shared_task
def prune() -> None:
    services.prune(now=timezone.now())
    SessionStore.clear_expired()
