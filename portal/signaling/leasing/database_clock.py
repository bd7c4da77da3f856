"""The database's time without a query each time, so that all workers write and compare times of one
clock.

The date of a worker's machine may be wrong, or be corrected in one jump. Between two queries the
database's time advances with a local clock that does not jump.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.utils import timezone

from portal.signaling.leasing.lease_fence import boottime

JUMP: Final = timedelta(seconds=2)
SETTLED_AFTER_S: Final = 30.0
"""After a jump of the database's clock, every provider has been polled again within this time."""


@dataclass(frozen=True, slots=True)
class _Known:
    time: datetime
    at: float


_known: _Known | None = None
_jumped_at = float("-inf")


def read() -> datetime:
    """The database's time now, also inside a transaction."""
    if connection.vendor != "postgresql":
        return timezone.now()  # SQLite has no clock
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        asked: datetime = cursor.fetchone()[0]
    return asked


def synchronize(time: datetime) -> None:
    """`time` is what the database returned just now."""
    global _known, _jumped_at
    if _known is not None and abs(time - now()) > JUMP:
        _jumped_at = boottime()
    _known = _Known(time, boottime())


def now() -> datetime:
    known = _known
    if known is None:
        return timezone.now()
    return known.time + timedelta(seconds=boottime() - known.at)


def is_settled() -> bool:
    """False for a while after a jump: an end time that seems reached may not be."""
    return boottime() - _jumped_at > SETTLED_AFTER_S
