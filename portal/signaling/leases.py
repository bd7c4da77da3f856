"""Which signal worker talks for a subscription: one at a time, through a claim that must be renewed.

A provider accepts one live session per client identity, so a worker whose claim is gone stops talking.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Q

from portal.providers.models import SessionState, Subscription

LEASE: Final = timedelta(seconds=15)
RENEW_EVERY: Final = timedelta(seconds=4)
NOBODY_HOLDS_IT: Final = "No signal worker of the portal is running."
MAX_CLAIMED: Final = 200
"""Subscriptions one sweep claims; the rest waits for the next, or for another worker."""


def claim(owner: str, *, now: datetime) -> list[UUID]:
    """Claim what nobody holds; the ids of all newly claimed subscriptions."""
    free = Q(owner="") | Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    candidates = (
        Subscription.objects.filter(free, enabled=True, organization__is_active=True)
        .order_by("pk")
        .values_list("pk", flat=True)[:MAX_CLAIMED]
    )
    return [
        subscription
        for subscription in candidates
        # Counted: of two workers that saw it free, one gets it.
        if Subscription.objects.filter(free, pk=subscription).update(
            owner=owner, lease_until=now + LEASE
        )
    ]


def renew(owner: str, held: Collection[UUID], *, now: datetime) -> set[UUID]:
    """Prolong what is still ours; the ids that are. The rest was lost, disabled or deleted."""
    still = Subscription.objects.filter(
        pk__in=held,
        owner=owner,
        enabled=True,
        organization__is_active=True,
        lease_until__gte=now,
    )
    kept = set(still.values_list("pk", flat=True))
    prolonged = Subscription.objects.filter(pk__in=kept, owner=owner, lease_until__gte=now)
    if prolonged.update(lease_until=now + LEASE) != len(kept):
        kept = set(still.values_list("pk", flat=True))
    return kept


def release(owner: str, held: Collection[UUID]) -> None:
    """Hand over at once what is still ours."""
    Subscription.objects.filter(pk__in=held, owner=owner).update(owner="", lease_until=None)


def mark_orphans(*, now: datetime) -> int:
    """Say of sessions whose worker is gone that nobody holds them; how many."""
    orphans = Subscription.objects.filter(
        Q(lease_until__lt=now) | Q(lease_until__isnull=True), session_state=SessionState.UP
    )
    return orphans.update(
        session_state=SessionState.DOWN, session_since=now, session_detail=NOBODY_HOLDS_IT
    )
