"""Remove old counter reports in batches. Each kept event counts the reports removed before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import shuffle
from typing import Final

from django.conf import settings

from portal.events.cursors import behind, next_events
from portal.events.models import Event, EventType
from portal.events.removal import remove_events, replace_data
from portal.mitigations.downsampling import CounterReport, downsample

CONSUMER: Final = "downsampling"
PORTION: Final = 5_000
"""Events per transaction."""
MAX_PORTIONS: Final = 100
"""Batches with events per run over all organizations; the rest waits for the next run."""


def downsample_counters(*, now: datetime) -> int:
    """Downsample the reports older than PORTAL_COUNTER_DAYS; return how many were removed."""
    until = now - timedelta(days=settings.PORTAL_COUNTER_DAYS)
    removed, left = 0, MAX_PORTIONS
    organizations = behind(CONSUMER)
    # Over many runs every organization comes early at some time, even if each run ends before the
    # last one.
    shuffle(organizations)
    for organization_id in organizations:
        while left:
            with next_events(CONSUMER, organization_id, limit=PORTION, before=until) as events:
                removed += _downsample(events)
            if events:
                left -= 1
            if len(events) < PORTION:
                break
    return removed


def _downsample(events: Sequence[Event]) -> int:
    """Downsample the next batch of one log; return how many reports were removed."""
    found = downsample(
        _report(event) for event in events if event.type == EventType.MITIGATION_COUNTERS
    )
    if found.gone:
        # The last report of each mitigation is kept, so a kept event always follows.
        remove_events(events[0].organization_id, events, found.gone)
    for event in events:
        if event.seq in found.loose:
            del event.data["held_until"]
            replace_data(event, event.data)
    return len(found.gone)


def _report(event: Event) -> CounterReport:
    return CounterReport(
        seq=event.seq,
        mitigation=event.mitigation_id,
        at=event.at,
        rate=event.data.get("bps_dropped") or 0,
        is_after_repeats="held_until" in event.data,
    )
