"""Leases: which signal worker owns a subscription (ADR 54).

A provider accepts one live session per client identity, so a worker without the lease sends nothing
(`lease_fence.py`) and writes nothing (`write_as_owner`). A worker renews all its leases with one
row, its own. Only its claims and releases, or its death, change leases. Every `now` here is the
database's time.

No function waits for a lock that a transaction outside this module may hold, except the fence of a
write. So a held row never delays a renewal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias, TypeVar
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from portal.providers.models import Subscription
from portal.signaling.leasing import old_leases
from portal.signaling.leasing.lease_fence import LEASE
from portal.signaling.models import Lease, SignalWorker

PRESENT_FOR: Final = timedelta(seconds=4)
"""A worker that has not renewed for this long has no share."""
MAX_READ: Final = 1000

STILL_OWNED: Final = """
    SELECT lease.subscription_id
    FROM signaling_lease lease
    JOIN providers_subscription subscription ON subscription.id = lease.subscription_id
    JOIN signaling_signalworker worker ON worker.name = lease.worker_id
    WHERE lease.worker_id = %(owner)s AND subscription.owner = %(owner)s
      AND lease.subscription_id = ANY(%(subscriptions)s)
    FOR KEY SHARE OF lease
"""
"""Django's ORM has no FOR KEY SHARE. Deleting a row needs FOR UPDATE, the only lock that conflicts
with it.
"""

T = TypeVar("T")


class NotOwner(Exception):
    """Another worker owns the subscription now: this write comes too late."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A signal worker as it was read."""

    name: str
    seen_at: datetime
    has_leases: bool = True

    def is_present(self, now: datetime) -> bool:
        return abs(self.seen_at - now) < PRESENT_FOR


SavedAt: TypeAlias = tuple[datetime | None, datetime | None]
"""When staff last saved the subscription, and its provider."""


@dataclass(frozen=True, slots=True)
class RenewedLeases:
    kept: frozenset[UUID]
    switched_off: frozenset[UUID]
    "still ours, to be given back"
    saved_at: Mapping[UUID, SavedAt]
    "of the leases that are still ours"
    workers: tuple[Worker, ...]
    "all, also the one that renewed"


def check_in(worker: str, *, now: datetime) -> None:
    """Begin to be a worker, with a name that was never used before."""
    SignalWorker.objects.create(name=worker, seen_at=now)


def renew(owner: str, *, now: datetime) -> RenewedLeases | None:
    """Renew every lease of `owner`, however late. None if it has lost them all, because another
    worker declared it dead.
    """
    if not SignalWorker.objects.filter(name=owner).update(seen_at=now):
        return None
    columns = SignalWorker.objects.order_by("name").values_list("name", "seen_at", "has_leases")
    workers = tuple(Worker(*row) for row in columns)
    is_beside_old = any(not one.has_leases for one in workers)
    old_leases.renew(owner, is_beside_old=is_beside_old, now=now)
    rows = list(
        Lease.objects.filter(worker=owner).values_list(
            "pk",
            "subscription__owner",
            "subscription__enabled",
            "subscription__organization__is_active",
            "subscription__changed_at",
            "subscription__provider__changed_at",
        )
    )
    if taken := [pk for pk, other, *_ in rows if other != owner]:
        release(owner, taken)  # a worker of 0.1 took them
    rows = [row for row in rows if row[1] == owner]
    on = {pk: is_enabled and is_active for pk, _, is_enabled, is_active, *_ in rows}
    return RenewedLeases(
        kept=frozenset(pk for pk, is_on in on.items() if is_on),
        switched_off=frozenset(pk for pk, is_on in on.items() if not is_on),
        saved_at={pk: (own, provider) for pk, *_, own, provider in rows},
        workers=workers,
    )


def declare_dead(worker: Worker) -> bool:
    """Delete a worker that has not renewed since it was read, with all its leases.

    False if it renewed, or while it writes: then nothing changed. Every later write of the worker
    raises NotOwner, and its next renewal returns None.
    """
    return _delete(SignalWorker.objects.filter(name=worker.name, seen_at=worker.seen_at))


def unleased() -> list[UUID]:
    """The subscriptions that have no owner, at most MAX_READ."""
    # Null without a lease, and without its worker.
    free = old_leases.without_old_owner(_wanted()).filter(lease__worker__seen_at__isnull=True)
    return list(free.order_by("pk").values_list("pk", flat=True)[:MAX_READ])


def claim(owner: str, wanted: Iterable[UUID]) -> list[UUID]:
    """Claim those that have no owner. Returns all of `wanted` that `owner` owns now."""
    with transaction.atomic():
        # No other worker declares `owner` dead before its new leases are committed.
        if not SignalWorker.objects.select_for_update(no_key=True).filter(name=owner):
            return []
        free = old_leases.lock_without_old_owner(wanted)
        Lease.objects.filter(pk__in=_without_worker(free)).delete()
        # The row decides: of two workers that saw the subscription free, one inserts it.
        Lease.objects.bulk_create(
            [Lease(subscription_id=pk, worker_id=owner) for pk in free], ignore_conflicts=True
        )
        ours = list(Lease.objects.filter(worker=owner, pk__in=free).values_list("pk", flat=True))
        old_leases.note_owner(owner, ours)
    return ours


def release(owner: str, owned: Collection[UUID]) -> None:
    """Release the leases that are still ours, so that others can claim them at once.

    Those for which a write is under way stay ours.
    """
    with transaction.atomic():
        ours = _free_of_writes(Lease.objects.filter(worker=owner, pk__in=owned))
        old_leases.forget_owner(owner, ours)
        Lease.objects.filter(pk__in=ours).delete()


def check_out(worker: str) -> bool:
    """Release all leases and stop being a worker. False if a write is under way for some: call it
    again.
    """
    release(worker, list(Lease.objects.filter(worker=worker).values_list("pk", flat=True)))
    return _delete(SignalWorker.objects.filter(name=worker)) or not (
        SignalWorker.objects.filter(name=worker).exists()
    )


def fair_share(workers: Iterable[Worker], *, now: datetime) -> int:
    """How many subscriptions each live worker should own at most."""
    present = sum(one.is_present(now) for one in workers)
    return -(-_wanted().count() // max(1, present))


def still_owned(owner: str, subscription_ids: Collection[UUID]) -> set[UUID]:
    """Those that `owner` owns, and will own until the end of the present transaction: no worker
    takes or releases a lease that is locked here. Writes do not wait for each other.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(STILL_OWNED, {"owner": owner, "subscriptions": list(subscription_ids)})
            return {pk for (pk,) in cursor.fetchall()}
    # A transaction of SQLite has the whole database to itself.
    ours = Lease.objects.filter(pk__in=subscription_ids, subscription__owner=owner)
    ours = ours.filter(worker=owner, worker__seen_at__isnull=False)
    return set(ours.values_list("pk", flat=True))


def write_as_owner(subscription_id: UUID, owner: str, call: Callable[[], T]) -> T:
    """Run `call` and commit it if `owner` owns the subscription; otherwise raise NotOwner."""
    with transaction.atomic():
        if not still_owned(owner, [subscription_id]):
            raise NotOwner
        return call()


def is_owned(now: datetime) -> Q:
    """Of subscriptions: a signal worker owns it, and renewed its lease in time."""
    return Q(lease__worker__seen_at__gte=now - LEASE) | old_leases.is_owned(now)


def _wanted() -> QuerySet[Subscription]:
    return Subscription.objects.filter(enabled=True, organization__is_active=True)


def _delete(workers: QuerySet[SignalWorker]) -> bool:
    """Delete the worker and all its leases, or nothing."""
    with transaction.atomic():
        # Locked: it is renewing, claiming, or being deleted.
        worker = workers.select_for_update(skip_locked=True).first()
        if worker is None:
            return False
        leases = Lease.objects.filter(worker=worker)
        if len(_free_of_writes(leases)) < leases.count():
            return False
        old_leases.forget_owner(worker.name)
        worker.delete()
    return True


def _without_worker(subscription_ids: Collection[UUID]) -> list[UUID]:
    """Lock the leases of workers that have no row, because one of 0.1 deleted it."""
    leases = Lease.objects.filter(pk__in=subscription_ids)
    return _free_of_writes(
        leases.exclude(Exists(SignalWorker.objects.filter(pk=OuterRef("worker"))))
    )


def _free_of_writes(leases: QuerySet[Lease]) -> list[UUID]:
    """Lock the leases for which no write is under way."""
    return list(leases.select_for_update(skip_locked=True).values_list("pk", flat=True))
