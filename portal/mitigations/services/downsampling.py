"""Remove old counter reports, one portion of the log at a time; each event that stays counts those removed before it."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict
from uuid import UUID

from django.conf import settings
from django.db import transaction

from portal.events.models import Event, EventCounter, EventType
from portal.mitigations.downsampling import CounterReport, Downsampled, downsample

PORTION: Final = 5_000
"""Events looked at in one transaction."""
MAX_PORTIONS: Final = 100
"""In one run over all organizations; the rest waits for the next run."""
AT_ONCE: Final = 500
"""Rows that one statement deletes."""


class _Event(TypedDict):
    seq: int
    type: str
    mitigation_id: UUID
    at: datetime
    data: Any


def downsample_counters(*, now: datetime) -> int:
    """Downsample the reports older than PORTAL_COUNTER_DAYS; return how many were removed."""
    until = now - timedelta(days=settings.PORTAL_COUNTER_DAYS)
    thinned, left = 0, MAX_PORTIONS
    for organization_id in list(EventCounter.objects.values_list("pk", flat=True)):
        while left:
            left -= 1
            looked_at, went = _downsample(organization_id, until)
            thinned += went
            if looked_at < PORTION:
                break
    return thinned


@transaction.atomic
def _downsample(organization_id: UUID, until: datetime) -> tuple[int, int]:
    """Do the next portion of one log; return how many events it has and how many were removed."""
    counter = EventCounter.objects.filter(pk=organization_id)
    begin = counter.values_list("thinned_to", flat=True).get()
    events = _old_events(organization_id, begin, until)
    if not events:
        return 0, 0
    found = downsample(_report(event) for event in events if event["type"] == _COUNTERS)
    if found.gone:
        _remove(organization_id, events, found)
    # Last, since writers of the log wait for this row. Of two runs at the same time, the second one rolls back here.
    if not counter.filter(thinned_to=begin).update(thinned_to=events[-1]["seq"]):
        transaction.set_rollback(True)
        return 0, 0
    return len(events), len(found.gone)


_COUNTERS: Final = EventType.MITIGATION_COUNTERS.value


def _old_events(organization_id: UUID, begin: int, until: datetime) -> list[_Event]:
    rows = Event.objects.filter(organization_id=organization_id, seq__gt=begin).order_by("seq")
    found = list(rows.values("seq", "type", "mitigation_id", "at", "data")[:PORTION])
    young = next((index for index, one in enumerate(found) if one["at"] >= until), len(found))
    return found[:young]


def _report(event: _Event) -> CounterReport:
    return CounterReport(
        seq=event["seq"],
        mitigation=event["mitigation_id"],
        at=event["at"],
        rate=event["data"].get("bps_dropped") or 0,
        is_after_repeats="held_until" in event["data"],
    )


def _remove(organization_id: UUID, events: list[_Event], found: Downsampled) -> None:
    """Each event that stays says how many numbers before it are missing."""
    gone = found.gone
    kept = [event["seq"] for event in events if event["seq"] not in gone]
    missing: Counter[int] = Counter()
    for event in events:
        if event["seq"] in gone:
            # The last report of each mitigation stays, so something that stays always follows.
            missing[kept[bisect_right(kept, event["seq"])]] += 1
    own = Event.objects.filter(organization_id=organization_id)
    for numbers in _portions(sorted(gone)):
        own.filter(seq__in=numbers).delete()
    for seq, count in missing.items():
        own.filter(seq=seq).update(thinned=count)
    for event in events:
        if event["seq"] in found.loose:
            data = {name: value for name, value in event["data"].items() if name != "held_until"}
            own.filter(seq=event["seq"]).update(data=data)


def _portions(numbers: list[int]) -> list[list[int]]:
    return [numbers[at : at + AT_ONCE] for at in range(0, len(numbers), AT_ONCE)]
