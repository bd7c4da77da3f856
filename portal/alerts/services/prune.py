"""Delete alerts and rejected payloads that are old, or too many."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import QuerySet

from portal.alerts.models import (
    OPEN_STATES,
    AlertEndpoint,
    AlertPayload,
    Incident,
    ProposalState,
    ReceivedAlert,
)
from portal.core.sweeping import count_done

MAX_ALERTS: Final = 10_000
"""of one endpoint"""
MAX_REJECTED: Final = 200
"""of one endpoint"""
MAX_DELETED: Final = 10_000
"""of one endpoint in one run"""


def prune(now: datetime) -> None:
    oldest = now - timedelta(days=settings.PORTAL_ALERT_DAYS)
    ReceivedAlert.objects.filter(last_at__lt=oldest).delete()
    closed = Incident.objects.filter(last_at__lt=oldest).exclude(state__in=OPEN_STATES)
    closed.exclude(proposals__state=ProposalState.OPEN).delete()
    AlertPayload.objects.filter(is_waiting=False, received_at__lt=oldest).delete()
    count_done(_prune_endpoint, list(AlertEndpoint.objects.order_by("pk")))


def _prune_endpoint(endpoint: AlertEndpoint) -> bool:
    alerts = ReceivedAlert.objects.filter(endpoint=endpoint).order_by("-last_at", "-id")
    rejected = AlertPayload.objects.filter(endpoint=endpoint, is_waiting=False)
    _keep(alerts, MAX_ALERTS)
    _keep(rejected.order_by("-received_at", "-id"), MAX_REJECTED)
    return True


def _keep(rows: QuerySet[ReceivedAlert] | QuerySet[AlertPayload], most: int) -> None:
    too_many = list(rows.values_list("pk", flat=True)[most : most + MAX_DELETED])
    rows.model._default_manager.filter(pk__in=too_many).delete()
