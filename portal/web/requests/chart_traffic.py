"""The traffic that the chart of a request shows: time span, unit, detectors and providers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.http import QueryDict

from portal import wording
from portal.alerts import queries as alerts
from portal.alerts.models import ReceivedAlert
from portal.core.formatting import BITS_PER_BYTE
from portal.events.models import Event
from portal.events.queries import counter_reports, counter_reports_before
from portal.mitigations.models import MitigationRequest
from portal.web.live_amounts import own_amounts
from portal.web.options import Option, options
from portal.web.requests import chart
from portal.web.requests.chart import Chart, Series
from portal.web.requests.chart_lines import STYLES, Detected, DetectorReport
from portal.web.requests.samples import Rate, samples_of, within

SPANS: Final = {
    "15m": ("15 min", timedelta(minutes=15)),
    "1h": ("1 hour", timedelta(hours=1)),
    "all": ("All", None),
}
REDRAW_EVERY_S: Final = (10, 60)
"""The shortest and the longest time between two requests for the chart."""
BEFORE_REQUEST: Final = timedelta(minutes=15)
"""How much earlier than its request a chart begins at most, to show which report led to it."""
REPORTED_AS: Final[Mapping[str, Rate]] = {"bit": "bps_dropped", "packet": "pps_dropped"}
"""Units, and the names of their numbers in reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedTraffic:
    """The chart and the text around it."""

    chart: Chart | None
    is_expected: bool
    "a provider has accepted: without a chart, the page says that nothing was reported yet"
    dropping: dict[str, str]
    "providers that drop traffic now, with the amounts that the script keeps current"
    not_reporting: list[str]
    "providers that filter and report no amounts"
    has_more_alerts: bool
    "detectors reported more attacks than the chart has lines"
    is_repeated: bool
    "a detector may repeat its report, of which no event tells: the script asks for the chart"
    redraw_every_s: int
    "how often the script requests the chart while there are new amounts"
    unit: str
    units: list[Option]
    span: str
    spans: list[Option]


def reports_of(request: MitigationRequest, now: datetime, choice: QueryDict) -> list[Event]:
    """The counter reports that the chosen chart is drawn from, oldest first; of a request that is
    over, those that its numbers need too.
    """
    start, _ = _times(request, now, _span(request, choice))
    if request.is_over or start == request.created_at:
        return counter_reports([request.pk])
    return [
        *counter_reports_before([request.pk], start),
        *counter_reports([request.pk], since=start),
    ]


def traffic_of(
    request: MitigationRequest,
    facts: wording.RequestFacts,
    reports: Sequence[Event],
    now: datetime,
    choice: QueryDict,
) -> ReportedTraffic:
    unit = choice.get("unit", "")
    if unit not in chart.UNIT_NAMES:
        unit = "bit"
    span = _span(request, choice)
    reporting = alerts.reporting(request)
    detected = _detected(reporting, unit)
    return ReportedTraffic(
        chart=_chart(request, reports, detected, now, unit=unit, span=span),
        is_expected=any(one.confirmed_at is not None for one in facts.mitigations),
        dropping={
            one.short: own_amounts(one, now)
            for one in facts.started
            if wording.dropped_now([one], now)
        },
        not_reporting=[
            one.short
            for one in facts.started
            if one.mitigating_at is not None
            and one.bytes_dropped is None
            and one.bps_dropped is None
        ],
        has_more_alerts=len(detected) > len(STYLES),
        is_repeated=not request.is_over and any(one.ended_at is None for one in reporting),
        redraw_every_s=_redraw_every_s(request, now, span),
        unit=unit,
        units=options(chart.UNIT_NAMES, unit),
        span=span,
        spans=options({key: words for key, (words, _) in SPANS.items()}, span),
    )


def _span(request: MitigationRequest, choice: QueryDict) -> str:
    span = choice.get("span", "all" if request.is_over else "")
    return span if span in SPANS else "15m"


def _times(request: MitigationRequest, now: datetime, span: str) -> tuple[datetime, datetime]:
    """The start and the end of the chart."""
    length = SPANS[span][1]
    end = min(now, request.ended_at) if request.ended_at else now
    return (request.created_at if length is None else max(request.created_at, end - length)), end


def _redraw_every_s(request: MitigationRequest, now: datetime, span: str) -> int:
    """About as long as one column of the chart."""
    start, end = _times(request, now, span)
    column_s = int((end - start) / chart.COLUMNS / timedelta(seconds=1))
    return min(max(column_s, REDRAW_EVERY_S[0]), REDRAW_EVERY_S[1])


def _detected(reporting: Sequence[ReceivedAlert], unit: str) -> list[Detected]:
    """What they say in this unit; bit rates in bytes, as providers' are."""
    found = []
    for alert in reporting:
        rates = [(one, one.bps if unit == "bit" else one.pps) for one in alert.rates]
        said = tuple(
            DetectorReport(
                one.at, one.until, Decimal(rate) / (BITS_PER_BYTE if unit == "bit" else 1)
            )
            for one, rate in rates
            if rate is not None
        )
        if said:
            found.append(Detected(_name(alert), said, has_ended=alert.ended_at is not None))
    return found


def _name(alert: ReceivedAlert) -> str:
    """Which detector, and the target that it names."""
    first, *more = alert.targets.texts
    return f"{alert.endpoint.name} ({first}{f' and {len(more)} more' if more else ''})"


def _chart(
    request: MitigationRequest,
    reports: Sequence[Event],
    detected: Sequence[Detected],
    now: datetime,
    *,
    unit: str,
    span: str,
) -> Chart | None:
    start, end = _times(request, now, span)
    mitigations = sorted(request.mitigations.all(), key=lambda one: (one.position, one.mid))
    every = samples_of(mitigations, reports, REPORTED_AS[unit])
    samples = {one.pk: within(every[one.pk], start) for one in mitigations}
    if request.is_over:
        # After the last report there was nothing to report: no gap is drawn there.
        latest = [known[-1].at for known in samples.values() if known]
        seen = [min(said[-1].until, end) for one in detected if (said := one.before(end))]
        end = max(latest or seen, default=end)
    # A provider that was withdrawn and asked again is still one provider.
    by_provider: dict[str, list[chart.Sample]] = defaultdict(list)
    for one in mitigations:
        by_provider[one.subscription.provider.short_name] += samples[one.pk]
    series = [Series(name, tuple(known)) for name, known in by_provider.items()]
    start = _with_what_led_to_it(request, detected, start, end, span)
    return chart.draw(series, start=start, end=end, unit=unit, detected=detected)


def _with_what_led_to_it(
    request: MitigationRequest,
    detected: Sequence[Detected],
    start: datetime,
    end: datetime,
    span: str,
) -> datetime:
    """When the chart begins: before its request, if the span has room for earlier reports."""
    length = SPANS[span][1]
    limit = max([request.created_at - BEFORE_REQUEST, *([end - length] if length else [])])
    reports = [each for one in detected for each in one.between(limit, end)]
    return min([start, *(max(each.at, limit) for each in reports)])
