"""How a signal worker of release 0.1 owns subscriptions: its statements and decisions, as released.

It goes with `portal/signaling/leasing/old_leases.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Q

from portal.providers.models import Subscription
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.leasing import database_clock
from portal.signaling.leasing.lease_fence import LEASE, LeaseFence, boottime
from portal.signaling.models import SignalWorker

QUIET: Final = timedelta(seconds=3)
PRESENT_FOR: Final = timedelta(seconds=4)
LEFT_FOR_OTHERS_S: Final = 3.0
FORGOTTEN_AFTER: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OldLease:
    subscription: UUID
    owner: str
    until: datetime | None


@dataclass(slots=True)
class _Seen:
    lease: OldLease
    since: float
    free_since: float | None = None


class WorkerOf01:
    """`start` begins to use a subscription, until the fence that it gets closes."""

    def __init__(
        self, owner: str, *, threads: DatabaseThreads, start: Callable[[UUID, LeaseFence], None]
    ) -> None:
        self._owner = owner
        self._threads = threads
        self._start = start
        self._fences: dict[UUID, LeaseFence] = {}
        self._seen: dict[UUID, _Seen] = {}

    async def renew_and_balance(self) -> None:
        asked_at, now, kept, unrenewed, share = await self._threads.run(
            _renew, self._owner, list(self._fences)
        )
        for subscription_id, fence in list(self._fences.items()):
            if subscription_id in kept:
                fence.extend(asked_at=asked_at)
            else:
                fence.close()
            if not fence.is_open():
                del self._fences[subscription_id]
        wanted = self._to_claim(unrenewed, share, now, boottime())
        if wanted:
            asked_at, claimed = await self._threads.run(_claim, self._owner, wanted)
            for subscription_id in claimed:
                fence = LeaseFence(asked_at=asked_at)
                if fence.is_open() and subscription_id not in self._fences:
                    self._fences[subscription_id] = fence
                    self._start(subscription_id, fence)
        surplus = list(reversed(self._fences))[: max(0, len(self._fences) - share)]
        await self._give_back(surplus)

    async def hand_over(self) -> None:
        await self._give_back(list(self._fences))
        await self._threads.run(SignalWorker.objects.filter(name=self._owner).delete)

    async def _give_back(self, ids: list[UUID]) -> None:
        for subscription_id in ids:
            self._fences.pop(subscription_id).close()
        if ids:
            ours = Subscription.objects.filter(pk__in=ids, owner=self._owner)
            await self._threads.run(ours.update, owner="", lease_until=None)

    def _to_claim(
        self, unrenewed: list[OldLease], share: int, now: datetime, at: float
    ) -> list[OldLease]:
        seen = {}
        for lease in unrenewed:
            before = self._seen.get(lease.subscription)
            is_same = before is not None and before.lease == lease
            seen[lease.subscription] = before if before and is_same else _Seen(lease, at)
        self._seen = seen
        free = [
            one
            for subscription, one in self._seen.items()
            if subscription not in self._fences and self._is_free(one, now, at)
        ]
        room = max(0, share - len(self._fences))
        beyond = [
            one
            for one in free[room:]
            if one.free_since is not None and at - one.free_since >= LEFT_FOR_OTHERS_S
        ]
        return [one.lease for one in [*free[:room], *beyond]]

    def _is_free(self, seen: _Seen, now: datetime, at: float) -> bool:
        lease = seen.lease
        has_run_out = lease.until is None or lease.until < now or lease.until > now + LEASE + QUIET
        is_free = (
            not lease.owner
            or lease.until is None
            or lease.owner == self._owner
            or (has_run_out and at - seen.since >= QUIET.total_seconds())
        )
        if is_free and seen.free_since is None:
            seen.free_since = at
        return is_free


def _renew(owner: str, owned: list[UUID]) -> tuple[float, datetime, set[UUID], list[OldLease], int]:
    asked_at = boottime()
    now = database_clock.read()
    ours = Subscription.objects.filter(pk__in=owned, owner=owner)
    ours.update(lease_until=now + LEASE)
    kept = set(ours.values_list("pk", flat=True))
    # The tables have a default for the column that 0.1 does not know.
    SignalWorker.objects.update_or_create(
        name=owner, defaults={"seen_at": now}, create_defaults={"seen_at": now, "has_leases": False}
    )
    forget_workers(now=now)
    unrenewed = Subscription.objects.filter(
        Q(owner="")
        | Q(lease_until__isnull=True)
        | Q(lease_until__lt=now + LEASE - QUIET)
        | Q(lease_until__gt=now + LEASE + QUIET)
    ).order_by("pk")
    rows = [OldLease(*row) for row in unrenewed.values_list("pk", "owner", "lease_until")]
    present = SignalWorker.objects.filter(
        seen_at__gt=now - PRESENT_FOR, seen_at__lt=now + PRESENT_FOR
    )
    share = -(-Subscription.objects.count() // max(1, present.count()))
    return asked_at, now, kept, rows, share


def forget_workers(*, now: datetime) -> None:
    """A worker does this when it renews. Its Django knows no table that refers to this one."""
    forgotten = SignalWorker.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER)
    forgotten._raw_delete(forgotten.db)


def _claim(owner: str, wanted: list[OldLease]) -> tuple[float, list[UUID]]:
    asked_at = boottime()
    until = database_clock.read() + LEASE
    claimed = []
    for lease in wanted:
        unchanged = Subscription.objects.filter(pk=lease.subscription, owner=lease.owner)
        unchanged = (
            unchanged.filter(lease_until__isnull=True)
            if lease.until is None
            else unchanged.filter(lease_until=lease.until)
        )
        if unchanged.update(owner=owner, lease_until=until):
            claimed.append(lease.subscription)
    return asked_at, claimed
