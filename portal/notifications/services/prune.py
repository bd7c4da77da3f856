"""Delete old notices, and those that are too many."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Count

from portal.core.sweeping import count_done
from portal.notifications.models import Notice

MAX_NOTICES: Final = 50_000
"""Per organization."""
MAX_DELETED: Final = 20_000
"""Per organization in one run."""


def prune(now: datetime) -> None:
    oldest = now - timedelta(days=settings.PORTAL_NOTICE_DAYS)
    Notice.objects.filter(created_at__lt=oldest).delete()
    counted = Notice.objects.order_by().values("organization_id").annotate(count=Count("pk"))
    many = counted.filter(count__gt=MAX_NOTICES)
    count_done(_keep_newest, list(many.values_list("organization_id", flat=True)))


def _keep_newest(organization_id: UUID) -> bool:
    own = Notice.objects.filter(organization_id=organization_id).order_by("-pk")
    too_many = list(own.values_list("pk", flat=True)[MAX_NOTICES : MAX_NOTICES + MAX_DELETED])
    Notice.objects.filter(pk__in=too_many).delete()
    return True
