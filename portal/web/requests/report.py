"""The report of a request, for people who were not there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final

from django.http import QueryDict

from portal import wording
from portal.core.formatting import date
from portal.mitigations.models import MitigationRequest
from portal.web.frame import Frame
from portal.web.rendering import FramedPage
from portal.web.requests.chart_traffic import ReportedTraffic, reports_of, traffic_of
from portal.web.requests.described import RequestDescription, describe_request
from portal.web.requests.numbers import Number, numbers_of
from portal.web.requests.provider_cards import ProviderCard, is_ordered, provider_cards_of
from portal.web.requests.shared import facts_of
from portal.web.requests.timeline import TimelineLine, read_timeline

EVERYTHING: Final = QueryDict("span=all&entries=all")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPage(FramedPage):
    """The facts of the request's page, with a long timeline and the whole chart."""

    template: ClassVar = "requests/report.html"

    request_: MitigationRequest
    say: wording.Say
    numbers: tuple[Number, ...]
    provider_cards: list[ProviderCard]
    entries: list[TimelineLine]
    has_earlier_entries: bool
    "which the report does not name"
    facts: RequestDescription
    traffic: ReportedTraffic


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportText(ReportPage):
    """The same facts to paste into a ticket."""

    template: ClassVar = "requests/report.txt"


def report_page(
    start: Frame, request: MitigationRequest, kind: type[ReportPage] = ReportPage
) -> ReportPage:
    """`start` was made before `request` was read."""
    now, organization = start.now, start.organization
    reports = reports_of(request, now, EVERYTHING)
    facts = facts_of(organization, request)
    timeline = read_timeline(request, organization, EVERYTHING)
    return kind(
        frame=start,
        here="requests",
        title=f"{wording.request_badge(facts, now).word} – Report – {request.name}",
        request_=request,
        say=wording.request_says(facts, now),
        numbers=numbers_of(request, facts, reports, now),
        provider_cards=provider_cards_of(facts, now, is_ordered=is_ordered(request)),
        entries=_oldest_first(timeline.entries),
        has_earlier_entries=bool(timeline.earlier),
        facts=describe_request(request, facts, now),
        traffic=traffic_of(request, facts, reports, now, EVERYTHING),
    )


def _oldest_first(newest_first: Iterable[wording.Entry]) -> list[TimelineLine]:
    """Each day is named once, with its year, since a report is read later."""
    entries = list(newest_first)[::-1]
    days = ["", *(date(entry.at) for entry in entries)]
    return [
        TimelineLine(entry, "" if today == before else today)
        for entry, (before, today) in zip(entries, pairwise(days), strict=True)
    ]
