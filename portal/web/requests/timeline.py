"""The timeline, newest first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Final
from uuid import UUID

from django.db.models import Q
from django.http import QueryDict

from portal import wording
from portal.core.formatting import day, local_day
from portal.core.numbers import whole_number
from portal.events.models import Event, EventType
from portal.events.queries import MAX_SEQ, had_status, report_span, timeline
from portal.mitigations.models import Cause, Mitigation, MitigationRequest
from portal.mitigations.states import Status
from portal.organizations.models import Organization
from portal.wording.from_rows.events import event_facts, subjects_of

SHOWN_EVENTS: Final = 30
MORE_EVENTS: Final = 500
"""On a page that a person asked for more, and in a report."""


@dataclass(frozen=True, slots=True)
class TimelineLine:
    """One line of the timeline, with its day if that is not clear."""

    entry: wording.Entry
    day: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A part of a timeline, newest first."""

    entries: list[wording.Entry]
    shown: str
    "the parameters of the page that show this part; empty for the newest"
    earlier: str
    "the parameters that show the part before it; empty if there is none"


def by_day(entries: Iterable[wording.Entry], now: datetime) -> list[TimelineLine]:
    """The day is named once for each day that is not today."""
    lines: list[TimelineLine] = []
    before = local_day(now)
    for entry in entries:
        on = local_day(entry.at)
        lines.append(TimelineLine(entry, "" if on == before else day(entry.at, now)))
        before = on
    return lines


def read_timeline(
    request: MitigationRequest,
    organization: Organization,
    choice: QueryDict,
    *,
    versions: Collection[UUID] = (),
) -> Timeline:
    """The part of the timeline that the parameters choose: by default the newest SHOWN_EVENTS
    events, with `entries` the newest MORE_EVENTS, with `before` the MORE_EVENTS before that number.

    `versions`: the ids of the requests of a plan, whose reports are not part of its timeline.
    """
    ids = versions or [request.pk]
    before, until = _start_of(ids, choice)
    limit = MORE_EVENTS if before is not None or "entries" in choice else SHOWN_EVENTS
    found = timeline(ids) if before is None else timeline(ids).filter(seq__lt=before)
    events = list(found[: limit + 1])
    has_earlier = len(events) > limit
    events = events[:limit]
    since = events[-1].at if has_earlier else None
    filtered = had_status(ids, Status.MITIGATING, before=events[-1].seq) if has_earlier else set()
    entries = _of_events(request, events, filtered)
    entries += [
        entry
        for entry in _without_events(request, organization, has_reports=not versions)
        if (since is None or entry.at >= since) and (until is None or entry.at < until)
    ]
    entries.sort(key=lambda entry: entry.at, reverse=True)
    shown = (
        f"before={before}" if before is not None else "entries=all" if limit > SHOWN_EVENTS else ""
    )
    more = f"before={events[-1].seq}" if limit > SHOWN_EVENTS else "entries=all"
    return Timeline(
        entries=wording.merged(entries), shown=shown, earlier=more if has_earlier else ""
    )


def _start_of(ids: Collection[UUID], choice: QueryDict) -> tuple[int | None, datetime | None]:
    """The event that `before` names, and its time; None if it is none of these requests."""
    before = whole_number(choice.get("before", ""), at_most=MAX_SEQ)
    if before is None:
        return None, None
    until = timeline(ids).filter(seq=before).values_list("at", flat=True).first()
    return (None, None) if until is None else (before, until)


def _of_events(
    request: MitigationRequest, events: Sequence[Event], filtered: set[UUID | None]
) -> list[wording.Entry]:
    """`events`: newest first, as the entries are. `filtered`: the mitigations whose provider
    reported before the oldest of them that it filters.
    """
    subjects = subjects_of(events, [request])
    entries: list[wording.Entry] = []
    filtered = set(filtered)
    for event in reversed(events):
        facts = event_facts(event, subjects, request.name, request.reason)
        words = wording.entry(replace(facts, has_filtered=event.mitigation_id in filtered))
        if words is not None:
            entries.append(words)
        if Status.MITIGATING in (event.data.get("status"), event.data.get("previous")):
            filtered.add(event.mitigation_id)
    return entries[::-1]


def _without_events(
    request: MitigationRequest, organization: Organization, *, has_reports: bool
) -> Iterator[wording.Entry]:
    """Silences, which no event records, and all counter reports folded into one entry."""
    mitigations = list(request.mitigations.all())
    overdue = [one for one in mitigations if one.overdue_at is not None]
    answered = _answered_in_time(overdue) if overdue else set()
    for one in overdue:
        if one.overdue_at is None or one.pk in answered:
            continue
        provider = one.subscription.provider.short_name
        instead = (
            other.subscription.provider.short_name
            for other in mitigations
            if other.cause == Cause.SILENT and other.cause_subscription_id == one.subscription_id
        )
        after = next(instead, "")
        yield wording.silence_entry(provider, one.overdue_at, organization.patience_s, after)
    if has_reports and (span := report_span([request.pk])):
        yield wording.reports_entry(span.count, span.first, span.last)


def _answered_in_time(overdue: Sequence[Mitigation]) -> set[UUID | None]:
    """Those that answered in time, but asked the portal to retry later: not confirmed, and not
    silent.
    """
    in_time = reduce(
        or_,
        (Q(mitigation_id=one.pk, at__range=(one.asked_at, one.overdue_at)) for one in overdue),
    )
    answers = Event.objects.filter(
        in_time, type=EventType.MITIGATION_STATUS, data__has_key="retry_at"
    )
    return set(answers.order_by().values_list("mitigation_id", flat=True).distinct())
