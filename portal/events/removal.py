"""Remove events from the log, and count them in the next kept one."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence, Set
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F

from portal.events.data import EventData
from portal.events.models import Event

DELETE_BATCH_SIZE: Final = 500
"""Rows that one statement names."""


@transaction.atomic(savepoint=False)
def remove_events(organization_id: UUID, events: Sequence[Event], gone: Set[int]) -> None:
    """Delete the events numbered `gone`. The next kept one of `events` says how many numbers before
    it are missing.

    `events` are consecutive in the log of the organization; the last one must stay.
    """
    kept = [event.seq for event in events if event.seq not in gone]
    missing: Counter[int] = Counter()
    for event in events:
        if event.seq in gone:
            missing[kept[bisect_right(kept, event.seq)]] += 1 + event.thinned
    own = Event.objects.filter(organization_id=organization_id)
    numbers = sorted(gone)
    for start in range(0, len(numbers), DELETE_BATCH_SIZE):
        own.filter(seq__in=numbers[start : start + DELETE_BATCH_SIZE]).delete()
    for seq, count in missing.items():
        own.filter(seq=seq).update(thinned=F("thinned") + count)


def replace_data(event: Event, data: EventData) -> None:
    """For an event whose data refers to one that was removed."""
    Event.objects.filter(pk=event.pk).update(data=data)
