"""The Now page: is anything happening, and does it need me?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from portal import wording
from portal.core.formatting import bit_rate, dialable
from portal.events.queries import counter_reports
from portal.mitigations import queries
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.states import REQUEST_TERMINAL
from portal.organizations.models import Membership, Organization
from portal.providers.models import Subscription
from portal.readiness.gather import readiness_of
from portal.web.frame import frame
from portal.web.now.readiness_summary import readiness_summary
from portal.web.requests import chart
from portal.web.requests.described import scope_line, short_life
from portal.web.requests.ended import ends
from portal.web.requests.provider_cards import Chip, ProviderCard, provider_cards_of, request_chip
from portal.web.requests.samples import samples_of, within
from portal.web.requests.shared import held_beside, past, pickable, subscriptions
from portal.web.unknown.page import found
from portal.wording.from_rows.mitigations import request_facts, session_of

TILES: Final = 3
RECENT: Final = 5
FULL_CARDS: Final = 6
SPARK_FOR: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A live request on the Now page."""

    request: MitigationRequest
    facts: wording.RequestFacts
    chip: Chip
    provider_cards: list[ProviderCard]
    targets: str
    tell: str
    rate: tuple[str, str] | None
    is_rate_old: bool
    "a provider that is now silent reported part of it"
    spark: str
    life: str
    is_full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A provider on the Now page."""

    name: str
    phone: str
    chip: Chip
    sentence: str


def now_page(membership: Membership, now: datetime, *, order: str = "") -> dict[str, Any]:
    start, organization = frame(membership, now), membership.organization
    by_id = subscriptions(organization)
    enabled = [one for one in by_id.values() if one.enabled]
    ongoing = list(queries.live_requests(organization))
    held = held_beside(organization, ongoing)
    live = [(one, request_facts(one, by_id, organization, live=held)) for one in ongoing]
    live.sort(key=lambda pair: (wording.rank(pair[1], now), pair[0].created_at))
    shown, moved = _keep_order(live, order)
    ended = ends(queries.ended_by_itself(organization), organization, by_id, now)
    worst = live[0][0].pk if live else None
    context: dict[str, Any] = {
        "frame": start,
        "here": "now",
        "connections": [_connection(one, now) for one in enabled],
        "cards": _cards(organization, shown, now, worst),
        "moved": moved,
        "ended": ended,
        "live_count": len(live),
        "unknown": found(start),
    }
    if live:
        context["say"] = wording.attack_says([facts for _, facts in live], now)
        context["title"] = f"{context['say'].badge.word or 'Now'} – {live[0][0].name}"
        return context
    verified = list(pickable(organization)[: TILES + 1])
    context["say"] = wording.calm_says(
        [(one.provider.short_name, session_of(one)) for one in enabled],
        emergency_phone=dialable(settings.PORTAL_EMERGENCY_PHONE),
    )
    title = "Now"
    if ended:
        said = [row.facts for row in ended.rows]
        context["say"] = wording.ended_says(said, context["say"], now, more=ended.more)
        title = f"{context['say'].badge.word} – {ended.rows[0].request.name}"
    context |= {
        "title": title,
        "ready": readiness_summary(readiness_of(membership, now), context["say"], now),
        "tiles": verified[:TILES],
        "has_more_resources": len(verified) > TILES,
        "to_do": not verified or not enabled,
        "has_resources": bool(verified),
        "recent": [past(one, by_id, organization, now) for one in _ended(organization)[:RECENT]],
    }
    return context


def _keep_order(
    live: list[tuple[MitigationRequest, wording.RequestFacts]], order: str
) -> tuple[list[tuple[MitigationRequest, wording.RequestFacts]], int]:
    """A row never moves under a finger: what is on the screen keeps its place, new ones
    come first.
    """
    place = {text: index for index, text in enumerate(order.split(",")[:200])}
    if not order:
        return live, 0
    kept = sorted(live, key=lambda pair: place.get(str(pair[0].pk), -1))
    return kept, sum(one is not other for one, other in zip(live, kept, strict=True))


def _cards(
    organization: Organization,
    live: Sequence[tuple[MitigationRequest, wording.RequestFacts]],
    now: datetime,
    worst: UUID | None,
) -> list[Card]:
    """The worst one's sentence is the page's headline: its card does not say it again."""
    samples = _recent_samples(organization, [request for request, _ in live], now)
    cards = []
    for request, facts in live:
        badge = wording.request_badge(facts, now)
        is_ordered = request.strategy == Strategy.FAILOVER
        rate = wording.dropped_now(facts.mitigations, now)
        provider_cards = provider_cards_of(facts, now, is_ordered=is_ordered)
        cards.append(
            Card(
                request=request,
                facts=facts,
                chip=request_chip(facts, now),
                provider_cards=provider_cards,
                targets=scope_line(request),
                tell=""
                if badge.family == "good" or request.pk == worst
                else wording.headline(facts, now),
                rate=_number_and_unit(bit_rate(rate)) if rate is not None else None,
                is_rate_old=any(
                    provider_card.rate is not None and provider_card.chip.as_of is not None
                    for provider_card in provider_cards
                ),
                spark=chart.spark(samples[request.pk], start=now - SPARK_FOR, end=now),
                life=short_life(request, facts, now),
                is_full=len(live) <= FULL_CARDS or badge.family != "good",
            )
        )
    return cards


def _number_and_unit(words: str) -> tuple[str, str]:
    number, _, unit = words.partition("\u00a0")
    return number, unit


def _recent_samples(
    organization: Organization, live: Sequence[MitigationRequest], now: datetime
) -> Mapping[UUID, Sequence[chart.Sample]]:
    """What all providers of a request report together, per report."""
    if not live:
        return {}
    reports = counter_reports([one.pk for one in live], since=now - SPARK_FOR)
    mitigations = [one for request in live for one in request.mitigations.all()]
    samples = samples_of(mitigations, reports, "bps_dropped")
    start = now - SPARK_FOR
    return {
        request.pk: chart.summed(
            [within(samples[one.pk], start) for one in request.mitigations.all()]
        )
        for request in live
    }


def _connection(subscription: Subscription, now: datetime) -> Connection:
    session = session_of(subscription)
    return Connection(
        name=subscription.provider.name,
        phone=dialable(subscription.provider.phone),
        chip=Chip(badge=wording.session_badge(session, now), status=session.state),
        sentence=wording.session_sentence(session, now, provider=subscription.provider.short_name),
    )


def _ended(organization: Organization) -> QuerySet[MitigationRequest]:
    return queries.requests(organization).filter(status__in=REQUEST_TERMINAL)
