"""What happened and what came of it: the timeline, and the numbers of an ended request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from portal.core.formatting import day, exact_duration
from portal.mitigations import wording
from portal.mitigations.models import (
    Event,
    EventType,
    Mitigation,
    MitigationRequest,
    RequestKind,
)
from portal.organizations.models import Organization


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline, with its day where that is not clear."""

    entry: wording.Entry
    day: str


def dated(entries: Iterable[wording.Entry], now: datetime) -> list[Line]:
    """The day is named once for each day that is not today."""
    lines: list[Line] = []
    before = now.date()
    for entry in entries:
        on = entry.at.date()
        lines.append(Line(entry, "" if on == before else day(entry.at, now)))
        before = on
    return lines


@dataclass(frozen=True, slots=True)
class Number:
    """One of the four numbers of a request."""

    name: str
    parts: tuple[tuple[str, str], ...]


def numbers(
    request: MitigationRequest,
    asked: wording.Asked,
    highest_bps: str,
    dropped: str,
    now: datetime,
) -> tuple[Number, ...]:
    """At the end of the request, or so far."""
    began = [leg.first_mitigating_at for leg in asked.legs if leg.first_mitigating_at]
    first = min(began, default=None)
    last = max(
        (at for leg in asked.legs if leg.mitigating_at and (at := _filtered_until(leg, now))),
        default=None,
    )
    filtered = exact_duration((last - first).total_seconds()) if first and last else (("–", ""),)
    waited = exact_duration((first - request.created_at).total_seconds()) if first else (("–", ""),)
    return (
        Number("Filtered for", filtered),
        Number("Request to first filter", waited),
        Number("Dropped in all", _split(dropped)),
        Number("Highest rate dropped", _split(highest_bps)),
    )


def _filtered_until(leg: wording.Leg, now: datetime) -> datetime | None:
    if leg.ended_at is None and wording.face(leg, now) in wording.FILTERING:
        return leg.heard_at if wording.is_stale(leg, now) else now
    return leg.ended_at


def _split(words: str) -> tuple[tuple[str, str], ...]:
    number, _, unit = words.partition("\u00a0")
    return ((number, unit),) if words else (("–", ""),)


def told_of(
    event: Event, request_name: str = "", reason: str = "", *, provider: str = ""
) -> wording.Told:
    """`provider` names whom an event without a mitigation is about."""
    mitigation = event.mitigation
    kind = RequestKind(event.request.kind) if event.request else RequestKind.IMMEDIATE
    is_withdrawn = mitigation is not None and mitigation.withdrawn_by_id is not None
    return wording.Told(
        at=event.at,
        type=EventType(event.type),
        data=event.data,
        provider=mitigation.subscription.provider.short_name if mitigation else provider,
        actor=event.actor.username if event.actor else str(event.data.get("actor", "")),
        request=request_name,
        reason=reason,
        because=mitigation.because if mitigation else "",
        asked_at=mitigation.asked_at if mitigation else None,
        kind=kind,
        is_ours=bool(mitigation and mitigation.withdrawal_asked_at),
        is_stopped=is_withdrawn and kind == RequestKind.STANDBY,
    )


def timeline(
    request: MitigationRequest,
    events: Sequence[Event],
    reports: Sequence[Event],
    organization: Organization,
) -> list[wording.Entry]:
    """Newest first: events in words, silences nobody logged, and counter reports folded into one."""
    entries = [
        words
        for event in events
        if (words := wording.entry(told_of(event, request.name, request.reason))) is not None
    ]
    mitigations = list(request.mitigations.all())
    for one in mitigations:
        if one.overdue_at is not None and not _answered_in_time(one, events):
            provider = one.subscription.provider.short_name
            instead = (
                other.subscription.provider.short_name
                for other in mitigations
                if other.because == f"{provider} did not answer"
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
    """It answered in time but asked the portal to wait: neither a confirmation nor silence."""
    return any(
        event.type == EventType.MITIGATION_STATUS
        and "retry_at" in event.data
        and one.overdue_at is not None
        and one.asked_at <= event.at <= one.overdue_at
        for event in events
        if event.mitigation_id == one.pk
    )


def status_moments(events: Iterable[Event]) -> dict[UUID, datetime]:
    """When each mitigation's newest status was first reported; `events` newest first."""
    moments: dict[UUID, datetime] = {}
    for event in events:
        if event.type != EventType.MITIGATION_STATUS or event.mitigation_id is None:
            continue
        if event.data.get("status") != event.data.get("previous"):
            moments.setdefault(event.mitigation_id, event.at)
    return moments
