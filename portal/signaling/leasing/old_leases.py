"""Leases beside the processes of release 0.1, which know only the columns `owner` and `lease_until`
of a subscription.

Owner and time are kept there for them: signal workers of that release do not claim what a worker of
this one owns, and other processes of that release see that the subscription has an owner. Signal
workers of that release delete the rows of workers unseen for a day, and know no leases. The next
release drops this module, the two columns and `SignalWorker.has_leases`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from portal.providers.models import Subscription
from portal.signaling.leasing.lease_fence import LEASE
from portal.signaling.models import SignalWorker

NOT_RENEWED: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""`lease_until` while no signal worker of 0.1 runs. One that starts claims the subscription once it
has seen this time unchanged for 3 s, which is before our fence closes if our next renewal is slow.
So none may start any more: docs/operations.md, "Upgrading".
"""
OLD_LEASE: Final = LEASE + timedelta(seconds=3)
"""No signal worker of 0.1 writes a later time."""


def without_old_owner(subscriptions: QuerySet[Subscription]) -> QuerySet[Subscription]:
    """Without those that a worker of 0.1 owns. It owns them until another one declares it dead."""
    return subscriptions.exclude(
        Exists(SignalWorker.objects.filter(name=OuterRef("owner"), has_leases=False))
    )


def lock_without_old_owner(subscription_ids: Iterable[UUID]) -> list[UUID]:
    """The same of these, locked against claims by workers of 0.1. Leaves out locked rows."""
    subscriptions = Subscription.objects.filter(pk__in=list(subscription_ids))
    return _lock(without_old_owner(subscriptions))


def note_owner(owner: str, subscription_ids: Collection[UUID]) -> None:
    subscriptions = Subscription.objects.filter(pk__in=subscription_ids)
    subscriptions.update(owner=owner, lease_until=NOT_RENEWED)


def forget_owner(owner: str, subscription_ids: Collection[UUID] | None = None) -> None:
    """In rows that are not locked: in the others the name says nothing once its worker is gone."""
    subscriptions = Subscription.objects.filter(owner=owner)
    if subscription_ids is not None:
        subscriptions = subscriptions.filter(pk__in=subscription_ids)
    Subscription.objects.filter(pk__in=_lock(subscriptions)).update(owner="", lease_until=None)


def renew(owner: str, *, is_beside_old: bool, now: datetime) -> None:
    """Renew the columns in rows that are not locked, if a signal worker of 0.1 may run."""
    until = now + LEASE if is_beside_old else NOT_RENEWED
    ours = Subscription.objects.filter(owner=owner).exclude(lease_until=until)
    if not ours.exists():
        return
    with transaction.atomic():
        Subscription.objects.filter(pk__in=_lock(ours)).update(lease_until=until)


def is_owned(now: datetime) -> Q:
    """Of subscriptions: a worker of 0.1 owns it and renewed its lease in time."""
    return Q(lease__worker__seen_at__isnull=True, lease_until__range=(now, now + OLD_LEASE)) & ~Q(
        owner=""
    )


def _lock(subscriptions: QuerySet[Subscription]) -> list[UUID]:
    free = subscriptions.select_for_update(skip_locked=True, no_key=True)
    return list(free.order_by("pk").values_list("pk", flat=True))
