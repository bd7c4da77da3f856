"""The page of one request: does it work, and what now?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.http import QueryDict

from portal import wording
from portal.core.formatting import amount, bit_rate
from portal.events.models import Event
from portal.events.queries import counter_reports, timeline
from portal.mitigations import queries
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.replacement import Replaced
from portal.web.frame import Frame
from portal.web.requests import chart
from portal.web.requests.described import describe_request, targets_of
from portal.web.requests.ended import Ends, ended
from portal.web.requests.overlaps import told
from portal.web.requests.provider_cards import provider_cards_of, request_chip
from portal.web.requests.request_form import lifetime_choices
from portal.web.requests.samples import samples_of, within
from portal.web.requests.shared import held_beside, operators, subscriptions
from portal.web.requests.timeline import Number, dated, numbers, timeline_of
from portal.wording.from_rows.events import status_moments
from portal.wording.from_rows.mitigations import request_facts

SHOWN_ENTRIES: Final = 30
SPANS: Final = {
    "15m": ("15 min", timedelta(minutes=15)),
    "1h": ("1 hour", timedelta(hours=1)),
    "all": ("All", None),
}


def request_page(start: Frame, request: MitigationRequest, choice: QueryDict) -> dict[str, Any]:
    """`start` was made before `request` was read."""
    membership, now, organization = start.membership, start.now, start.organization
    by_id = subscriptions(organization)
    events = list(timeline([request.pk]))
    reports = counter_reports([request.pk])
    moments = status_moments(events)
    facts = request_facts(
        request,
        by_id,
        organization,
        status_at=moments,
        with_others=request.is_immediate,
        live=held_beside(organization, [request]),
    )
    entries = timeline_of(request, events, reports, organization)
    is_ordered = request.strategy == Strategy.FAILOVER
    can_act = membership.can_operate
    is_live = not request.is_over and not request.terminate_asked_at
    hidden = 0 if "entries" in choice else max(0, len(entries) - SHOWN_ENTRIES)
    filtering = [
        mitigation
        for mitigation in facts.started
        if wording.display_status(mitigation, now) in wording.FILTERING
    ]
    context: dict[str, Any] = {
        "frame": start,
        "request_": request,
        "request_facts": facts,
        "title": f"{wording.request_badge(facts, now).word} – {request.name}",
        "chip": request_chip(facts, now),
        "say": wording.request_says(facts, now),
        "next": wording.next_step(facts, now),
        "provider_cards": provider_cards_of(
            facts,
            now,
            is_ordered=is_ordered,
            targets=targets_of(request),
            can_act=can_act and is_live and request.is_immediate,
        ),
        "is_ordered": is_ordered,
        "facts": describe_request(request, facts, now),
        "entries": dated(entries[: len(entries) - hidden], now),
        "hidden_entries": hidden,
        "can_act": can_act,
        "is_live": is_live,
        "question": wording.terminate_question(
            facts, targets_of(request), now, plan=_plan_that_stays(request)
        ),
        "stop": wording.stop_question(facts, targets_of(request), now)
        if is_live and facts.is_plan and hasattr(request, "plan")
        else None,
        "lifetimes": lifetime_choices(queries.policy(organization), ""),
        "told": wording.goes_to([mitigation.short for mitigation in filtering])
        if filtering and request.is_immediate
        else "",
        "reported": [
            sentence
            for mitigation in facts.started
            if mitigation in filtering and (sentence := wording.efficacy_sentence(mitigation, now))
        ],
        "refusal": "" if can_act else wording.may_not_end(membership.role, operators(organization)),
        "reports": reports,
        "dropping": [
            mitigation.short
            for mitigation in facts.started
            if wording.dropped_now([mitigation], now)
        ],
        "has_chart": any(mitigation.confirmed_at is not None for mitigation in facts.mitigations),
        **_chart(facts, request, reports, now, choice),
    }
    if request.filtering_ended_at is not None and request.acknowledged_at is None:
        context["plan_ends"] = Ends(rows=(ended(request, facts, now),))
    if request.is_over:
        context["ended"] = ended(request, facts, now)
        context["numbers"] = numbers_of(request, facts, reports, now)
    return context


def ask_page(
    start: Frame, request: MitigationRequest, replaced: Sequence[Replaced]
) -> dict[str, Any]:
    """Ask for confirmation, because asking a provider for `request` would replace other requests
    there.
    """
    organization, now = start.organization, start.now
    facts = request_facts(request, subscriptions(organization), organization)
    ending = replaced[0].endings[0]
    return {
        "frame": start,
        "request_": request,
        "chip": request_chip(facts, now),
        "provider": ending.provider,
        "subscription": str(ending.mitigation.subscription_id),
        "overlaps": told(organization, replaced, now),
    }


def _plan_that_stays(request: MitigationRequest) -> str:
    """The name of the plan a person asked for this from, while that is on; empty: none."""
    if not request.is_immediate or request.is_over:
        return ""
    plans = request.activated_plans.filter(removed_at__isnull=True).select_related("request")
    return next((plan.name for plan in plans if plan.is_on), "")


def numbers_of(
    request: MitigationRequest, facts: wording.RequestFacts, reports: Sequence[Event], now: datetime
) -> tuple[Number, ...]:
    """The four numbers: at the end, or so far."""
    totals = [
        mitigation.bytes_dropped
        for mitigation in facts.started
        if mitigation.bytes_dropped is not None
    ]
    rates: dict[UUID | None, Decimal] = {}
    highest = Decimal(0)
    for report in reports:
        if report.data.get("bps_dropped") is not None:
            rates[report.mitigation_id] = Decimal(report.data["bps_dropped"])
            highest = max(highest, sum(rates.values(), Decimal(0)))
    dropped = amount(sum(totals)) if totals else ""
    rate = bit_rate(highest) if rates else ""
    return numbers(request, facts, rate, dropped, now)


def _chart(
    facts: wording.RequestFacts,
    request: MitigationRequest,
    reports: Sequence[Event],
    now: datetime,
    choice: QueryDict,
) -> dict[str, Any]:
    unit = choice.get("unit", "bit") if choice.get("unit") in chart.UNIT_NAMES else "bit"
    span = choice.get("span", "15m") if choice.get("span") in SPANS else "15m"
    if request.is_over and "span" not in choice:
        span = "all"
    end = min(now, request.ended_at) if request.ended_at else now
    length = SPANS[span][1]
    start = request.created_at if length is None else max(request.created_at, end - length)
    key = "bps_dropped" if unit == "bit" else "pps_dropped"
    mitigations = sorted(request.mitigations.all(), key=lambda one: one.position)
    every = samples_of(mitigations, reports, key)
    samples = {one.pk: within(every[one.pk], start) for one in mitigations}
    if request.is_over:
        # After the last report nobody had anything to report: no hole is drawn there.
        end = max((known[-1].at for known in samples.values() if known), default=end)
    # Who was withdrawn and asked anew is one provider still.
    by_provider: dict[str, list[chart.Sample]] = defaultdict(list)
    for one in sorted(mitigations, key=lambda one: (one.position, one.mid)):
        by_provider[one.subscription.provider.short_name] += samples[one.pk]
    series = [chart.Series(name, tuple(known)) for name, known in by_provider.items()]
    return {
        "chart": chart.draw(series, start=start, end=end, unit=unit),
        "not_reporting": [
            mitigation.short
            for mitigation in facts.started
            if mitigation.mitigating_at is not None
            and mitigation.bytes_dropped is None
            and mitigation.bps_dropped is None
        ],
        "units": [(name, key, key == unit) for key, name in chart.UNIT_NAMES.items()],
        "spans": [(name, key, key == span) for key, (name, _) in SPANS.items()],
        "unit": unit,
        "span": span,
    }
