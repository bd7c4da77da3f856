from __future__ import annotations

from celery import shared_task
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from portal.accounts import services


@shared_task
def prune() -> None:
    services.prune(now=timezone.now())
    SessionStore.clear_expired()
