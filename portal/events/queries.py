"""Queries of one organization's log, or of its events about requests and mitigations that the
caller has read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, Max, Min, QuerySet, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce

from portal.events.models import Event, EventCounter, EventType

MAX_EVENTS: Final = 1000
"""Events in one page of a replay."""
MAX_SEQ: Final = 2**63 - 1
"""The largest number that an event can have."""
MAX_SAMPLES: Final = 2000
"""Counter reports that one chart is drawn from."""
MAX_REPORTS_BEFORE: Final = 50


def last_seq(organization_id: UUID) -> int:
    """The number of the newest event; 0 if there is none."""
    counter = EventCounter.objects.filter(pk=organization_id).values_list("last_seq", flat=True)
    return counter.first() or 0


def last_seqs(organization_ids: Collection[UUID]) -> dict[UUID, int]:
    """The number of the newest event of each organization; those without events are missing."""
    counters = EventCounter.objects.filter(pk__in=organization_ids)
    return dict(counters.values_list("pk", "last_seq"))


def events_after(
    organization_id: UUID,
    seq: int,
    *,
    limit: int = MAX_EVENTS,
    types: Collection[EventType] | None = None,
) -> list[Event]:
    """Events numbered above `seq`, oldest first, at most `limit`; only those of `types`, with their
    actors, if given.
    """
    events = Event.objects.filter(organization_id=organization_id, seq__gt=seq).order_by("seq")
    if types is not None:
        events = events.filter(type__in=types).select_related("actor")
    return list(events[:limit])


def events_after_each(
    after: Mapping[UUID, int], *, limit: int, types: Collection[EventType]
) -> dict[UUID, list[Event]]:
    """The same for several organizations with one statement: events of `types` above the number of
    each, without their actors. Those without such events have an empty list.
    """
    found: dict[UUID, list[Event]] = {one: [] for one in after}
    if connection.vendor == "postgresql":
        wanted = [str(one) for one in types]
        parameters = [list(after), list(after.values()), wanted, limit]
        for event in Event.objects.raw(_AFTER_EACH, parameters):
            found[event.organization_id].append(event)
    else:
        for one, seq in after.items():
            found[one] = events_after(one, seq, limit=limit, types=types)
    return found


_AFTER_EACH: Final = """
SELECT own.* FROM unnest(%s::uuid[], %s::bigint[]) AS read (organization_id, seq),
LATERAL (
  SELECT * FROM mitigations_event AS event
  WHERE event.organization_id = read.organization_id AND event.seq > read.seq
    AND event.type = ANY(%s::text[])
  ORDER BY event.seq LIMIT %s
) AS own ORDER BY own.organization_id, own.seq
"""


def news(organization_id: UUID, after: int) -> QuerySet[Event]:
    """Events after a number, newest first, without counter reports."""
    return _without_counter_reports().filter(organization_id=organization_id, seq__gt=after)


def timeline(request_ids: Collection[UUID]) -> QuerySet[Event]:
    """Events of these requests, newest first, without counter reports, which the chart shows."""
    return _without_counter_reports().filter(request_id__in=request_ids)


def _without_counter_reports() -> QuerySet[Event]:
    return Event.objects.exclude(type=EventType.MITIGATION_COUNTERS).order_by("-seq")


def had_status(request_ids: Collection[UUID], status: str, *, before: int) -> set[UUID | None]:
    """The mitigations of these requests that got this status before the event of that number."""
    changes = Event.objects.filter(
        request_id__in=request_ids, type=EventType.MITIGATION_STATUS, seq__lt=before
    )
    reached = changes.annotate(status=data_text("status")).filter(status=status).order_by()
    return set(reached.values_list("mitigation_id", flat=True).distinct())


def status_moments(request_ids: Collection[UUID]) -> dict[UUID, datetime]:
    """When the newest status of each mitigation of these requests was first reported."""
    changes = (
        Event.objects.filter(
            request_id__in=request_ids,
            type=EventType.MITIGATION_STATUS,
            mitigation_id__isnull=False,
        )
        .annotate(
            status=data_text("status"),
            previous=data_text("previous"),
        )
        .exclude(status=F("previous"))
    )
    newest = changes.order_by().values("mitigation_id").annotate(newest=Max("at"))
    return {one["mitigation_id"]: one["newest"] for one in newest if one["mitigation_id"]}


def data_text(key: str) -> Coalesce:
    """A value of the data as text; empty if it has none."""
    return Coalesce(KT(f"data__{key}"), Value("", output_field=TextField()))


def counter_reports(request_ids: Collection[UUID], *, since: datetime | None = None) -> list[Event]:
    """The newest counter reports of these requests, oldest first, at most MAX_SAMPLES."""
    reports = _counter_reports(request_ids)
    if since is not None:
        reports = reports.filter(at__gte=since)
    return list(reports.order_by("-seq")[:MAX_SAMPLES])[::-1]


def counter_reports_before(request_ids: Collection[UUID], moment: datetime) -> list[Event]:
    """The last counter reports of these requests before a moment, oldest first, at most
    MAX_REPORTS_BEFORE: what the providers reported at that moment.
    """
    reports = _counter_reports(request_ids).filter(at__lt=moment)
    return list(reports.order_by("-seq")[:MAX_REPORTS_BEFORE])[::-1]


@dataclass(frozen=True, slots=True)
class ReportSpan:
    """How many counter reports there are, and when the first and the last came."""

    count: int
    first: datetime
    last: datetime


def notes_of(request_ids: Collection[UUID]) -> QuerySet[Event]:
    """The notes on these requests, oldest first."""
    return Event.objects.filter(request_id__in=request_ids, type=EventType.REQUEST_NOTE)


def report_span(request_ids: Collection[UUID]) -> ReportSpan | None:
    """Of all counter reports of these requests; None if there are none."""
    found = _counter_reports(request_ids).aggregate(
        count=Count("pk"), first=Min("at"), last=Max("at")
    )
    return ReportSpan(**found) if found["count"] else None


def _counter_reports(request_ids: Collection[UUID]) -> QuerySet[Event]:
    return Event.objects.filter(request_id__in=request_ids, type=EventType.MITIGATION_COUNTERS)


def of_mitigation(mitigation_id: UUID, type: EventType) -> QuerySet[Event]:
    return Event.objects.filter(mitigation_id=mitigation_id, type=type)
