from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.mail import services


@shared_task
def send_due() -> None:
    services.send_due(now=timezone.now())
