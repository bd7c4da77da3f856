"""Decide which workers are dead, and which subscriptions a worker claims and gives back. Pure: no
clock and no database.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from portal.signaling.leasing.lease_fence import LEASE
from portal.signaling.leasing.leases import Worker

LEASE_S: Final = LEASE.total_seconds()
MAX_WATCHED_S: Final = 2.0
"""Count at most this much of the time between two readings: while the database is away, no worker
can renew.
"""
LEFT_FOR_OTHERS_S: Final = 3.0
"""Claim a subscription beyond our share once it has been free for this long: no other worker wants
it.
"""
MAX_CLAIMED: Final = 200
"""At once, since claiming delays the next renewal."""
MAX_GIVEN_BACK: Final = 10


class LeaseBalancer:
    """What one worker has seen of the others. `at` is in seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._watched_s: dict[Worker, float] = {}
        "how long each has not renewed"
        self._read_at = float("-inf")
        self._free_since: dict[UUID, float] = {}

    def dead(self, others: Iterable[Worker], *, at: float) -> list[Worker]:
        """The workers to declare dead: those that have not renewed while we watched for as long as
        a lease. Call it after each reading, with all other workers.

        The age of `seen_at` proves nothing: the database's clock may have jumped while the worker's
        fence, which has its own clock, is open.
        """
        passed = min(at - self._read_at, MAX_WATCHED_S)
        self._read_at = at
        self._watched_s = {
            one: self._watched_s[one] + passed if one in self._watched_s else 0.0 for one in others
        }
        return [worker for worker, watched in self._watched_s.items() if watched >= LEASE_S]

    def to_claim(self, free: Iterable[UUID], *, owned: int, share: int, at: float) -> list[UUID]:
        """The subscriptions to claim, at most MAX_CLAIMED. `owned`: how many are ours already."""
        self._free_since = {one: self._free_since.get(one, at) for one in free}
        room = max(0, share - owned)
        wanted = list(self._free_since)
        beyond = [one for one in wanted[room:] if at - self._free_since[one] >= LEFT_FOR_OTHERS_S]
        return [*wanted[:room], *beyond][:MAX_CLAIMED]


def to_give_back(idle: Iterable[UUID], *, owned: int, share: int) -> list[UUID]:
    """Idle subscriptions beyond our share. The others stay until they are idle too."""
    return list(idle)[: min(MAX_GIVEN_BACK, max(0, owned - share))]
