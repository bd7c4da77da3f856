"""The version of a mitigation's row: the database adds 1 whenever anything but numbers changes.

A trigger does it, so that no writer can forget: neither our own statements, nor a process of the
previous release, nor a person with `psql`. A process that keeps a row in memory sees by its
version that it is outdated, and makes a write conditional on it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

NUMBERS: Final = frozenset(
    {
        "last_heard_at",
        "reported_at",
        "expires_at",
        "bytes_dropped",
        "pkts_dropped",
        "bps_dropped",
        "pps_dropped",
        "counters_since",
        "counters_at",
        "sends",
        "last_sent_at",
    }
)
"""Columns that change with each report or datagram and do not raise the version."""


class RowVersion(NamedTuple):
    """What tells whether a row in memory is outdated."""

    mitigation: UUID
    subscription: UUID
    version: int
    expires_at: datetime | None
