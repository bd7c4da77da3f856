"""The renewals of one worker: once a second for all its leases, in a separate thread.

Nothing else in the process delays them: no busy event loop, no queue for threads, no connection
pool that is empty.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from portal.signaling.leasing import database_clock, leases
from portal.signaling.leasing.lease_fence import LeaseFence, boottime
from portal.signaling.leasing.leases import RenewedLeases

logger = logging.getLogger(__name__)

RENEW_S: Final = 1.0
LOOP_HANGS_AFTER_S: Final = 30.0
"""An event loop that did nothing for this long may never do anything again: another worker should
have its subscriptions.
"""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What the database returned."""

    asked_at: float
    "the boot-time clock before the first query"
    read_at: float
    "the boot-time clock after the last one"
    now: datetime
    leases: RenewedLeases


class LeaseRenewals:
    """`renew` runs in its own thread, the rest on the agent's loop."""

    def __init__(self, process: str, *, fences: Callable[[], Mapping[UUID, LeaseFence]]) -> None:
        """`fences`: of all subscriptions that have a session now."""
        self.owner = ""
        "our name in the leases; it begins with `process`"
        self.last: Renewal | None = None
        self._process = process
        self._fences = fences
        self._loop_seen_at = boottime()

    def loop_is_alive(self) -> None:
        self._loop_seen_at = boottime()

    def renew(self) -> None:
        """Renew our leases and extend their fences. If we have lost them all, or have just started,
        check in.
        """
        if boottime() - self._loop_seen_at > LOOP_HANGS_AFTER_S:
            logger.error("agent %s: its event loop hangs, no lease is renewed", self._process)
            return
        # Read first: a session that begins during the renewal may have a newer lease.
        fences = dict(self._fences())
        renewal = _renew(self.owner)
        if renewal is None:
            self._lose(fences)
            fences = {}
            self.owner = f"{self._process}-{uuid4().hex[:6]}"
            leases.check_in(self.owner, now=database_clock.read())
            renewal = _renew(self.owner)
        if renewal is None:
            return
        kept, switched_off = renewal.leases.kept, renewal.leases.switched_off
        for subscription_id in kept & fences.keys():
            fences[subscription_id].extend(asked_at=renewal.asked_at)
        self._lose({key: one for key, one in fences.items() if key not in kept | switched_off})
        self.last = renewal

    def _lose(self, lost: Mapping[UUID, LeaseFence]) -> None:
        """Another worker owns these, or may claim them now. Their sessions end."""
        for subscription_id, fence in lost.items():
            if fence.is_open():  # otherwise we gave it back
                logger.warning("agent %s: lost the lease of %s", self._process, subscription_id)
                fence.close()


def _renew(owner: str) -> Renewal | None:
    asked_at = boottime()
    now = database_clock.read()
    database_clock.synchronize(now)
    renewed = leases.renew(owner, now=now)
    return None if renewed is None else Renewal(asked_at, boottime(), now, renewed)
