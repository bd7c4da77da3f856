"""Decide which workers are dead, and which subscriptions a worker claims and gives back. Pure: no
clock and no database.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from portal.signaling.leases import QUIET, Worker

QUIET_S: Final = QUIET.total_seconds()
LEFT_FOR_OTHERS_S: Final = 3.0
"""Claim a subscription beyond our share once it has been free for this long: no other worker wants
it.
"""
MAX_CLAIMED: Final = 100
"""At once, since claiming delays the next renewal."""
MAX_GIVEN_BACK: Final = 10


class LeaseBalancer:
    """What one worker has seen of the others. `at` is in seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._unchanged_since: dict[Worker, float] = {}
        self._free_since: dict[UUID, float] = {}

    def dead(self, others: Iterable[Worker], *, now: datetime, at: float) -> list[Worker]:
        """The workers to declare dead. `now` is the database's time.

        A worker is dead when it is overdue by the database's time and has not renewed while we
        watched: the database's clock may have jumped, and the worker may be about to renew.
        """
        self._unchanged_since = {one: self._unchanged_since.get(one, at) for one in others}
        return [
            worker
            for worker, since in self._unchanged_since.items()
            if worker.is_overdue(now) and at - since >= QUIET_S
        ]

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
