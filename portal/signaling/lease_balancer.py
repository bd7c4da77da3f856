"""Decide which free subscriptions a worker claims and which it gives back. Pure: no clock and no
database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from portal.signaling.leases import QUIET, Lease

QUIET_S: Final = QUIET.total_seconds()
LEFT_FOR_OTHERS_S: Final = 3.0
"""Claim a subscription beyond our share once it has been free for this long: no other worker wants
it.
"""
MAX_CLAIMED: Final = 100
"""At once, since claiming delays the next renewal."""
MAX_GIVEN_BACK: Final = 10


@dataclass(slots=True)
class _Seen:
    lease: Lease
    since: float
    free_since: float | None = None


class LeaseBalancer:
    """What one worker has seen of the others' leases. `at` is in seconds of a monotonic clock."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._seen: dict[UUID, _Seen] = {}

    def to_claim(
        self,
        unrenewed: Iterable[Lease],
        *,
        owned: Collection[UUID],
        share: int,
        now: datetime,
        at: float,
    ) -> list[Lease]:
        """The leases to claim, at most MAX_CLAIMED. `now` is the database's time.

        A lease has expired when the database's time says so and it has not changed while we
        watched: the database's clock may have jumped, and the owner may be about to renew.
        """
        self._watch(unrenewed, at)
        free = [
            seen
            for subscription, seen in self._seen.items()
            if subscription not in owned and self._is_free(seen, now=now, at=at)
        ]
        room = max(0, share - len(owned))
        beyond = [
            seen
            for seen in free[room:]
            if seen.free_since is not None and at - seen.free_since >= LEFT_FOR_OTHERS_S
        ]
        return [seen.lease for seen in [*free[:room], *beyond][:MAX_CLAIMED]]

    def _watch(self, unrenewed: Iterable[Lease], at: float) -> None:
        seen = {}
        for lease in unrenewed:
            before = self._seen.get(lease.subscription)
            is_same = before is not None and before.lease == lease
            seen[lease.subscription] = before if before and is_same else _Seen(lease, at)
        self._seen = seen

    def _is_free(self, seen: _Seen, *, now: datetime, at: float) -> bool:
        lease = seen.lease
        is_free = (
            lease.is_released()
            # We owned it, stopped sending in time, and no other worker took it.
            or lease.owner == self._owner
            or (lease.has_run_out(now) and at - seen.since >= QUIET_S)
        )
        if is_free and seen.free_since is None:
            seen.free_since = at
        return is_free


def to_give_back(idle: Iterable[UUID], *, owned: int, share: int) -> list[UUID]:
    """Idle subscriptions beyond our share. The others stay until they are idle too."""
    return list(idle)[: min(MAX_GIVEN_BACK, max(0, owned - share))]
