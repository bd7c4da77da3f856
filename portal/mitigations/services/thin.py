"""Old counter reports go, one portion of the log after the other; what is left says how many went before it."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict
from uuid import UUID

from django.conf import settings
from django.db import transaction

from portal.events.models import Event, EventCounter, EventType
from portal.mitigations.thinning import CounterReport, Thinning, thinning

PORTION: Final = 5_000
"""Events looked at in one transaction."""
MAX_PORTIONS: Final = 100
"""In one run, of all organizations; the rest waits for the next."""
AT_ONCE: Final = 500
"""Rows that one statement names."""


class _Event(TypedDict):
    seq: int
    type: str
    mitigation: UUID
    at: datetime
    data: Any


def thin_counters(*, now: datetime) -> int:
    """Thin what is older than the policy; how many reports went."""
    until = now - timedelta(days=settings.PORTAL_COUNTER_DAYS)
    thinned, left = 0, MAX_PORTIONS
    for organization_id in list(EventCounter.objects.values_list("pk", flat=True)):
        while left:
            left -= 1
            looked_at, went = _thin(organization_id, until)
            thinned += went
            if looked_at < PORTION:
                break
    return thinned


@transaction.atomic
def _thin(organization_id: UUID, until: datetime) -> tuple[int, int]:
    """The next portion of one log: how many events it has, and how many of them went."""
    counter = EventCounter.objects.filter(pk=organization_id)
    begin = counter.values_list("thinned_to", flat=True).get()
    events = _old_events(organization_id, begin, until)
    if not events:
        return 0, 0
    found = thinning(_report(event) for event in events if event["type"] == _COUNTERS)
    if found.gone:
        _remove(organization_id, events, found)
    # Last, since this row orders the log: whoever appends waits only for the commit. A run beside this one loses here.
    if not counter.filter(thinned_to=begin).update(thinned_to=events[-1]["seq"]):
        transaction.set_rollback(True)
        return 0, 0
    return len(events), len(found.gone)


_COUNTERS: Final = EventType.MITIGATION_COUNTERS.value


def _old_events(organization_id: UUID, begin: int, until: datetime) -> list[_Event]:
    rows = Event.objects.filter(organization_id=organization_id, seq__gt=begin).order_by("seq")
    found = list(rows.values("seq", "type", "mitigation", "at", "data")[:PORTION])
    young = next((index for index, one in enumerate(found) if one["at"] >= until), len(found))
    return found[:young]


def _report(event: _Event) -> CounterReport:
    return CounterReport(
        seq=event["seq"],
        mitigation=event["mitigation"],
        at=event["at"],
        rate=event["data"].get("bps_dropped") or 0,
        is_after_repeats="held_until" in event["data"],
    )


def _remove(organization_id: UUID, events: list[_Event], found: Thinning) -> None:
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
