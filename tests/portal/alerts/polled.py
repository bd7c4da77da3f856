"""Endpoints whose detectors the portal polls, and polls of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from portal.alerts.models import AlertEndpoint, AlertPoll, ReceivedAlert
from portal.alerts.services import poll as polling
from portal.alerts.services.map_waiting import map_waiting
from tests.portal.alerts.detector_apis import Shield, Sightline

LONG: timedelta = timedelta(days=1)


@dataclass(frozen=True)
class PolledSightline:
    endpoint: AlertEndpoint
    api: Sightline


@dataclass(frozen=True)
class PolledShield:
    endpoint: AlertEndpoint
    api: Shield


def poll(endpoint: AlertEndpoint, now: datetime | None = None) -> AlertPoll:
    """Poll it, whether it is due or not; how that went."""
    AlertPoll.objects.filter(pk=endpoint.pk).update(due_at=timezone.now() - LONG)
    polling.poll_due(polling.alert_network(), now or timezone.now())
    return AlertPoll.objects.get(pk=endpoint.pk)


def told() -> list[tuple[str, str, int]]:
    """What is mapped: event id, state and number of alerts of each attack, by event id."""
    while map_waiting():
        pass
    rows = ReceivedAlert.objects.order_by("event_id", "first_at")
    return [(row.event_id, row.state, row.count) for row in rows]
