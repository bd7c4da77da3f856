"""The timeline, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from portal import wording
from portal.core.formatting import day
from portal.events.models import Event, EventType
from portal.mitigations.models import Cause, Mitigation, MitigationRequest
from portal.organizations.models import Organization
from portal.wording.from_rows.events import event_facts, subjects_of


@dataclass(frozen=True, slots=True)
class TimelineLine:
    """One line of the timeline, with its day if that is not clear."""

    entry: wording.Entry
    day: str


def by_day(entries: Iterable[wording.Entry], now: datetime) -> list[TimelineLine]:
    """The day is named once for each day that is not today."""
    lines: list[TimelineLine] = []
    before = now.date()
    for entry in entries:
        on = entry.at.date()
        lines.append(TimelineLine(entry, "" if on == before else day(entry.at, now)))
        before = on
    return lines


def timeline_of(
    request: MitigationRequest,
    events: Sequence[Event],
    reports: Sequence[Event],
    organization: Organization,
) -> list[wording.Entry]:
    """Newest first: events as text, silences that no event records, and counter reports folded into
    one entry.
    """
    subjects = subjects_of(events, [request])
    entries = [
        words
        for event in events
        if (words := wording.entry(event_facts(event, subjects, request.name, request.reason)))
        is not None
    ]
    mitigations = list(request.mitigations.all())
    for one in mitigations:
        if one.overdue_at is not None and not _answered_in_time(one, events):
            provider = one.subscription.provider.short_name
            instead = (
                other.subscription.provider.short_name
                for other in mitigations
                if other.cause == Cause.SILENT
                and other.cause_subscription_id == one.subscription_id
            )
            after = next(instead, "")
            entries.append(
                wording.silence_entry(provider, one.overdue_at, organization.patience_s, after)
            )
    if reports:
        entries.append(wording.reports_entry(len(reports), reports[0].at, reports[-1].at))
    entries.sort(key=lambda entry: entry.at, reverse=True)
    return wording.merged(entries)


def _answered_in_time(one: Mitigation, events: Iterable[Event]) -> bool:
    """It answered in time, but asked the portal to retry later: not confirmed, and not silent."""
    return any(
        event.type == EventType.MITIGATION_STATUS
        and "retry_at" in event.data
        and one.overdue_at is not None
        and one.asked_at <= event.at <= one.overdue_at
        for event in events
        if event.mitigation_id == one.pk
    )
