"""The plans of an organization, those that are on first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from portal import wording
from portal.mitigations import queries as mitigation_queries
from portal.mitigations.models import Mitigation, RequestKind
from portal.mitigations.states import RequestStatus
from portal.organizations.models import Membership
from portal.providers.models import Subscription
from portal.standby import queries
from portal.standby.models import StandbyPlan
from portal.web.frame import frame
from portal.web.rendering import FramedPage
from portal.web.requests.described import scope_line
from portal.web.requests.ended import Ends, ends
from portal.web.requests.provider_cards import Chip, ProviderCard, provider_cards_of
from portal.web.requests.shared import subscriptions
from portal.web.standby.shown import is_wanted, may_not, off_words, ongoing_words, plan_chip
from portal.wording import standby as words
from portal.wording.from_rows.mitigations import mitigation_facts, request_facts

HELD: Final = wording.REQUEST_BADGES[RequestStatus.STANDBY]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCard:
    """A plan in the list."""

    plan: StandbyPlan
    facts: wording.RequestFacts
    chip: Chip
    provider_cards: list[ProviderCard]
    targets: str
    tell: str
    ongoing: str
    "the person who activated it, while that request is live"
    can_stop: bool
    "a provider filters for it"


@dataclass(frozen=True, slots=True, kw_only=True)
class StillHeld:
    """A mitigation of a plan that its provider did not release."""

    mitigation: Mitigation
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StandbyPage(FramedPage):
    """All plans."""

    template: ClassVar = "standby/standby.html"
    parts: ClassVar = {"standby": "standby/_standby.html"}

    say: wording.Say
    ended: Ends
    cards: list[PlanCard]
    kept: list[StillHeld]
    refusal: str


def standby_page(membership: Membership, now: datetime) -> StandbyPage:
    start, organization = frame(membership, now), membership.organization
    by_id = subscriptions(organization)
    cards = [_card(plan, by_id, now) for plan in queries.plans(organization)]
    cards.sort(key=lambda card: not card.plan.is_on)
    on = [card.facts for card in cards if card.plan.is_on]
    say = words.standby_says(on, len(cards) - len(on), now)
    waiting = mitigation_queries.ended_by_itself(organization).filter(kind=RequestKind.STANDBY)
    ended = ends(waiting, organization, by_id, now)
    if ended:
        said = [row.facts for row in ended.rows]
        say = wording.ended_says(said, say, now, more=ended.more, noun="plan")
    return StandbyPage(
        frame=start,
        here="standby",
        title="Standby" if say.badge == HELD else f"{say.badge.word} – Standby",
        say=say,
        ended=ended,
        cards=cards,
        kept=[_still_held(one, now) for one in queries.still_held(organization)],
        refusal=may_not(membership),
    )


def _still_held(mitigation: Mitigation, now: datetime) -> StillHeld:
    facts = mitigation_facts(mitigation)
    return StillHeld(
        mitigation=mitigation,
        words=f"{facts.short} confirmed the withdrawal of {mitigation.request.name}, and still "
        f"holds it. {wording.still_held(facts, now)}",
    )


def _card(plan: StandbyPlan, by_id: Mapping[str, Subscription], now: datetime) -> PlanCard:
    facts = request_facts(plan.request, by_id, plan.organization)
    is_acted_on = plan.request.status in queries.ACTED_ON
    return PlanCard(
        plan=plan,
        facts=facts,
        chip=plan_chip(plan, facts, now),
        provider_cards=provider_cards_of(facts, now, is_ordered=False) if plan.is_on else [],
        targets=scope_line(plan.request),
        tell="" if plan.is_on else off_words(plan, now),
        ongoing=ongoing_words(plan.live_activation, now),
        can_stop=plan.is_on and (is_wanted(plan.live_activation) or is_acted_on),
    )
