"""Leases: which signal worker owns a subscription, one at a time, for as long as it renews.

A provider accepts one live session per client identity, so a worker without the lease stops sending
(`lease_fence.py`). Every `now` here is the database's time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias, TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from portal.providers.models import Subscription
from portal.signaling.lease_fence import LEASE
from portal.signaling.models import SignalWorker

QUIET: Final = timedelta(seconds=3)
"""A live owner renews several times within this time."""
PRESENT_FOR: Final = timedelta(seconds=4)
"""A worker that has not checked in for this long has no share."""
FORGOTTEN_AFTER: Final = timedelta(days=1)
MAX_READ: Final = 1000

T = TypeVar("T")


class NotOwner(Exception):
    """Another worker owns the subscription now: this write comes too late."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it was read. A claim succeeds only if it is still the same."""

    subscription: UUID
    owner: str
    until: datetime | None

    def is_released(self) -> bool:
        return not self.owner or self.until is None

    def has_run_out(self, now: datetime) -> bool:
        """Also true for a time that cannot be right: its writer had another time than the database
        has now.
        """
        return self.until is None or self.until < now or self.until > now + LEASE + QUIET


SavedAt: TypeAlias = tuple[datetime | None, datetime | None]
"""When staff last saved the subscription, and its provider."""


@dataclass(frozen=True, slots=True)
class RenewedLeases:
    kept: frozenset[UUID]
    switched_off: frozenset[UUID]
    "still ours, to be given back"
    saved_at: Mapping[UUID, SavedAt]
    "of the leases that are still ours"


def renew(owner: str, owned: Collection[UUID], *, now: datetime) -> RenewedLeases:
    """Renew the leases that no other worker took, even if they expired in the meantime."""
    ours = Subscription.objects.filter(pk__in=owned, owner=owner)
    ours.update(lease_until=now + LEASE)
    rows = list(
        ours.values_list(
            "pk", "enabled", "organization__is_active", "changed_at", "provider__changed_at"
        )
    )
    on = {pk: is_enabled and is_active for pk, is_enabled, is_active, *_ in rows}
    return RenewedLeases(
        kept=frozenset(pk for pk, is_on in on.items() if is_on),
        switched_off=frozenset(pk for pk, is_on in on.items() if not is_on),
        saved_at={pk: (own, provider) for pk, _, _, own, provider in rows},
    )


def unrenewed(*, now: datetime) -> list[Lease]:
    """Leases that were not renewed recently: free, about to expire, or with a time that cannot be
    right.
    """
    unrenewed = (
        Q(owner="")
        | Q(lease_until__isnull=True)
        | Q(lease_until__lt=now + LEASE - QUIET)
        | Q(lease_until__gt=now + LEASE + QUIET)
    )
    rows = _wanted().filter(unrenewed).order_by("pk")[:MAX_READ]
    return [Lease(*row) for row in rows.values_list("pk", "owner", "lease_until")]


def claim(owner: str, leases: Iterable[Lease], *, now: datetime) -> list[UUID]:
    """Claim those that are unchanged since they were read. Returns the claimed subscriptions."""
    return [
        lease.subscription
        for lease in leases
        # The count decides: of two workers that saw it free, one gets it.
        if Subscription.objects.filter(
            pk=lease.subscription, owner=lease.owner, **_until(lease)
        ).update(owner=owner, lease_until=now + LEASE)
    ]


def _until(lease: Lease) -> dict[str, datetime | bool]:
    return {"lease_until__isnull": True} if lease.until is None else {"lease_until": lease.until}


def release(owner: str, owned: Collection[UUID]) -> None:
    """Release the leases that are still ours, so that others can claim them at once."""
    Subscription.objects.filter(pk__in=owned, owner=owner).update(owner="", lease_until=None)


def check_in(worker: str, *, now: datetime) -> None:
    SignalWorker.objects.update_or_create(name=worker, defaults={"seen_at": now})
    SignalWorker.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()


def check_out(worker: str) -> None:
    SignalWorker.objects.filter(name=worker).delete()


def fair_share(*, now: datetime) -> int:
    """How many subscriptions each live worker should own at most."""
    present = SignalWorker.objects.filter(
        seen_at__gt=now - PRESENT_FOR, seen_at__lt=now + PRESENT_FOR
    )
    workers = max(1, present.count())
    return -(-_wanted().count() // workers)


def still_owned(owner: str, subscription_ids: Collection[UUID]) -> set[UUID]:
    """Those of the subscriptions that `owner` owns."""
    owned = Subscription.objects.filter(pk__in=subscription_ids, owner=owner)
    return set(owned.values_list("pk", flat=True))


def write_as_owner(subscription_id: UUID, owner: str, call: Callable[[], T]) -> T:
    """Run `call` and commit it if `owner` still owns the subscription; otherwise roll back and
    raise NotOwner.

    The owner is checked last, without a lock: a commit that overlaps with another worker's claim
    counts as earlier, because that worker's own writes wait for the locks of this one.
    """
    with transaction.atomic():
        done = call()
        if not Subscription.objects.filter(pk=subscription_id, owner=owner).exists():
            raise NotOwner
    return done


def _wanted() -> QuerySet[Subscription]:
    return Subscription.objects.filter(enabled=True, organization__is_active=True)
