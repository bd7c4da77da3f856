"""Reads of one organization's log."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from portal.events.models import Event, EventCounter

MAX_EVENTS: Final = 1000
"""Events in one page of a replay."""
MAX_SEQ: Final = 2**63 - 1
"""The largest number that an event can have."""


def last_seq(organization_id: UUID) -> int:
    """The number of the newest event; 0 if there is none."""
    counter = EventCounter.objects.filter(pk=organization_id).values_list("last_seq", flat=True)
    return counter.first() or 0


def events_after(organization_id: UUID, seq: int, *, limit: int = MAX_EVENTS) -> list[Event]:
    """Events numbered above `seq`, oldest first, at most `limit`."""
    return list(
        Event.objects.filter(organization_id=organization_id, seq__gt=seq).order_by("seq")[:limit]
    )
