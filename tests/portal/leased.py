"""Subscriptions that a signal worker owns."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from portal.providers.models import Subscription
from portal.signaling.leasing import leases


def lease_to(owner: str, *subscriptions: Subscription, now: datetime | None = None) -> None:
    """`owner` renews, and claims these, which no other worker owns."""
    now = now or timezone.now()
    if leases.renew(owner, now=now) is None:
        leases.check_in(owner, now=now)
    wanted = {one.pk for one in subscriptions}
    assert set(leases.claim(owner, wanted)) == wanted
