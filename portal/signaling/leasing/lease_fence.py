"""The lease fence: it stops a worker from sending before its lease can belong to another worker.

The lease in the database decides who may claim a subscription, and when. The fence closes earlier,
by a local clock that cannot be set, whether or not the worker reaches the database (ADR 17).
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Final

LEASE: Final = timedelta(seconds=12)
"""For this long after a renewal no other worker may claim the subscription."""
MARGIN: Final = timedelta(seconds=2)
"""For clocks that drift apart, and for datagrams that the kernel has accepted but not sent."""
OPEN_FOR_S: Final = (LEASE - MARGIN).total_seconds()


def boottime() -> float:
    """Seconds of a clock that also runs while the process is stopped and while the
    machine sleeps.
    """
    # Only Linux has a clock that runs while the machine sleeps.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class LeaseFence:
    """Of one subscription, checked before every datagram. `asked_at`: `boottime()` before the lease
    was written. Any thread may call any method.
    """

    def __init__(self, *, asked_at: float) -> None:
        self._until = asked_at + OPEN_FOR_S
        self._lock = threading.Lock()

    def is_open(self) -> bool:
        with self._lock:
            return self._is_open()

    def extend(self, *, asked_at: float) -> None:
        """A closed fence stays closed: its session must not continue."""
        with self._lock:
            if self._is_open():
                self._until = max(self._until, asked_at + OPEN_FOR_S)

    def close(self) -> None:
        with self._lock:
            self._until = float("-inf")

    def _is_open(self) -> bool:
        if boottime() >= self._until:
            self._until = float("-inf")
        return self._until != float("-inf")
