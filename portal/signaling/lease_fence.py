"""How long this worker may speak for a subscription, on a clock that nobody can set.

The lease in the database says who may claim a subscription, and when. This says when its holder has to be silent: before
anybody else may claim it, whether or not the holder can reach the database to ask.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

LEASE: Final = timedelta(seconds=12)
"""So long after the last renewal nobody else may claim a subscription."""
MARGIN: Final = timedelta(seconds=2)
"""For clocks that run apart, and for what the kernel has taken but not sent."""
OPEN_FOR_S: Final = (LEASE - MARGIN).total_seconds()


def boottime() -> float:
    """Seconds that also pass while the process is stopped and while the machine sleeps."""
    # Only Linux tells the second.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class LeaseFence:
    """One subscription's; asked before every datagram. `asked_at`: the clock before the lease was written."""

    def __init__(self, *, asked_at: float) -> None:
        self._until = asked_at + OPEN_FOR_S

    def is_open(self) -> bool:
        return boottime() < self._until

    def extend(self, *, asked_at: float) -> None:
        """Once over it stays over: what was said on it must not go on."""
        if self.is_open():
            self._until = max(self._until, asked_at + OPEN_FOR_S)

    def close(self) -> None:
        self._until = float("-inf")
