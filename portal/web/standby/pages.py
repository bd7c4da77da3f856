"""What the pages of plans show, gathered with a known number of queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID, uuid4

from django.http import QueryDict
from django.urls import reverse

from portal import wording
from portal.accounts.wording import who_first
from portal.events.models import Event
from portal.events.queries import timeline
from portal.mitigations import queries as mitigation_queries
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind
from portal.mitigations.states import RequestStatus
from portal.organizations.models import Membership, Organization
from portal.providers.models import Subscription
from portal.standby import queries, services
from portal.standby.models import StandbyPlan
from portal.web.frame import Frame, frame
from portal.web.rendering import FramedPage
from portal.web.requests.described import describe_request, scope_line, targets_of
from portal.web.requests.ended import ends
from portal.web.requests.form_page import Choices, choices_of
from portal.web.requests.overlaps import NO_OVERLAPS, Overlaps, overlaps_of
from portal.web.requests.provider_cards import Chip, ProviderCard, provider_cards_of, request_chip
from portal.web.requests.request_form import RequestForm
from portal.web.requests.shared import operators, subscriptions
from portal.web.requests.timeline import dated, timeline_of
from portal.web.standby.plan_form import PlanForm
from portal.wording import standby as words
from portal.wording.from_rows.events import status_moments
from portal.wording.from_rows.mitigations import mitigation_facts, request_facts

HELD: Final = wording.REQUEST_BADGES[RequestStatus.STANDBY]
SHOWN_ENTRIES: Final = 30
MAX_ENTRIES: Final = 500

PARTS: Final = {
    "standby": "standby/_standby.html",
    "plan": "standby/_plan.html",
    "lanes": "requests/_provider_cards.html",
    "time": "requests/_time.html",
}
"""What a script may ask for instead of a whole page."""


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
    "who activated it, while that goes on"
    can_stop: bool
    "somebody filters for it"


def standby_page(membership: Membership, now: datetime) -> dict[str, Any]:
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
    return {
        "frame": start,
        "here": "standby",
        "title": "Standby" if say.badge == HELD else f"{say.badge.word} – Standby",
        "say": say,
        "ended": ended,
        "cards": cards,
        "kept": [(one, _mitigation_words(one, now)) for one in queries.still_held(organization)],
        "refusal": "" if membership.can_operate else _may_not(membership),
    }


def _mitigation_words(mitigation: Mitigation, now: datetime) -> str:
    facts = mitigation_facts(mitigation)
    return (
        f"{facts.short} confirmed the withdrawal of {mitigation.request.name}, and still holds "
        f"it. {wording.still_held(facts, now)}"
    )


def _may_not(membership: Membership) -> str:
    able = wording.colleagues(operators(membership.organization))
    return (
        f"You can see plans but not change or activate them: your role is {membership.role}.{able}"
    )


def _card(plan: StandbyPlan, by_id: Mapping[str, Subscription], now: datetime) -> PlanCard:
    facts = request_facts(plan.request, by_id, plan.organization)
    ongoing = plan.live_activation
    return PlanCard(
        plan=plan,
        facts=facts,
        chip=plan_chip(plan, facts, now),
        provider_cards=provider_cards_of(facts, now, is_ordered=False) if plan.is_on else [],
        targets=scope_line(plan.request),
        tell="" if plan.is_on else _off(plan, now),
        ongoing=words.activated_sentence(who_first(ongoing.requester), ongoing.created_at, now)
        if ongoing
        else "",
        can_stop=plan.is_on and (_is_wanted(ongoing) or plan.request.status in queries.ACTED_ON),
    )


def _is_wanted(activation: MitigationRequest | None) -> bool:
    """It goes on, and nobody has asked for its end."""
    return activation is not None and activation.terminate_asked_at is None


def _stop_question(
    plan: StandbyPlan,
    facts: wording.RequestFacts,
    by_id: Mapping[str, Subscription],
    now: datetime,
) -> wording.Question | None:
    if not plan.is_on:
        return None
    organization, ongoing, activation = plan.organization, plan.live_activation, None
    if ongoing is not None and _is_wanted(ongoing):
        found = mitigation_queries.requests(organization).get(pk=ongoing.pk)
        activation = request_facts(found, by_id, organization)
    targets = targets_of(plan.request)
    return wording.stop_question(facts, targets, now, activation=activation)


def _off(plan: StandbyPlan, now: datetime) -> str:
    by = plan.request.terminate_asked_by
    return words.off_sentence(by.username if by else "", plan.request.terminate_asked_at, now)


def plan_chip(plan: StandbyPlan, facts: wording.RequestFacts, now: datetime) -> Chip:
    if plan.request.is_over:
        return Chip(badge=words.OFF, status="off")
    return request_chip(facts, now)


def plan_page(start: Frame, plan: StandbyPlan, choice: QueryDict) -> dict[str, Any]:
    """`start` was made before `plan` was read."""
    membership, now, organization = start.membership, start.now, start.organization
    events = _events(plan)
    by_id = subscriptions(organization)
    facts = request_facts(
        plan.request,
        by_id,
        organization,
        status_at=status_moments(events),
    )
    entries = timeline_of(plan.request, events, [], organization)
    hidden = 0 if "entries" in choice else max(0, len(entries) - SHOWN_ENTRIES)
    chip = plan_chip(plan, facts, now)
    say = wording.request_says(facts, now)
    if plan.request.is_over:
        say = wording.Say(words.OFF, wording.headline(facts, now), _off(plan, now))
    ongoing = plan.live_activation
    filtering = queries.filtering_for_earlier(plan)
    waiting = mitigation_queries.ended_by_itself(organization).filter(pk__in=_versions(plan))
    return {
        "frame": start,
        "here": "standby",
        "plan": plan,
        "request_": plan.request,
        "title": f"{chip.badge.word} – {plan.name}",
        "chip": chip,
        "say": say,
        "ended": ends(waiting, organization, by_id, now),
        "is_on": plan.is_on,
        "is_active": plan.request.status in queries.ACTED_ON,
        "provider_cards": provider_cards_of(
            facts, now, is_ordered=False, can_act=membership.can_operate and plan.is_on
        ),
        "is_ordered": False,
        "ask_url": reverse("standby:ask", args=[organization.slug, plan.pk]),
        "facts": describe_request(plan.request, facts, now),
        "entries": dated(entries[: len(entries) - hidden], now),
        "hidden_entries": hidden,
        "can_act": membership.can_operate,
        "key": str(uuid4()),
        "overlaps": NO_OVERLAPS if ongoing or not membership.can_operate else _overlaps(plan, now),
        "stop": _stop_question(plan, facts, by_id, now),
        "older": filtering[0].request if filtering else None,
        "older_words": words.older_sentence(
            list(
                dict.fromkeys(
                    mitigation.subscription.provider.short_name for mitigation in filtering
                )
            )
        ),
        "activation": ongoing,
        "ongoing": words.activated_sentence(who_first(ongoing.requester), ongoing.created_at, now)
        if ongoing
        else "",
        "points": words.activation_points(
            [mitigation.short for mitigation in facts.mitigations], targets_of(plan.request)
        ),
        "refusal": "" if membership.can_operate else _may_not(membership),
    }


def _overlaps(plan: StandbyPlan, now: datetime) -> Overlaps:
    """The live requests that activating the plan would replace."""
    proposal = services.proposal_of(plan)
    if proposal is None:
        return NO_OVERLAPS
    return overlaps_of(
        plan.organization,
        proposal,
        now,
        submission=services.submission_of(plan),
        instead_of=services.versions(plan),
    )


def _versions(plan: StandbyPlan) -> list[UUID]:
    return [plan.request_id, *plan.earlier.values_list("pk", flat=True)]


def _events(plan: StandbyPlan) -> list[Event]:
    """Of every version, newest first."""
    return list(timeline(_versions(plan))[:MAX_ENTRIES])


def all_wrong(
    organization: Organization, form: PlanForm, plan: StandbyPlan | None = None
) -> PlanForm:
    """Everything that is wrong, whether it could be read or not."""
    submission, unread = form.request_form.submission()
    name = form.name.strip()
    found = services.problems(
        organization,
        name=None if plan is not None and name == plan.name else name,
        submission=submission,
        but=plan,
    )
    return form.with_errors([*unread, *map(form.request_form.as_typed, found)])


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPage(FramedPage):
    """The form of a new plan, or of a plan to change."""

    template: ClassVar = "standby/edit.html"

    plan: StandbyPlan | None
    plan_form: PlanForm
    form: RequestForm
    choices: Choices
    is_refused: bool


def edit_page(
    membership: Membership,
    form: PlanForm,
    now: datetime,
    *,
    plan: StandbyPlan | None = None,
    is_refused: bool = False,
) -> EditPage:
    return EditPage(
        frame=frame(membership, now),
        here="standby",
        plan=plan,
        plan_form=form,
        form=form.request_form,
        choices=choices_of(membership.organization, form.request_form, now),
        is_refused=is_refused,
    )
