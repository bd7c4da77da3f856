"""The page of one plan, and the questions before it is activated or its filtering is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar
from uuid import UUID, uuid4

from django.http import QueryDict
from django.urls import reverse

from portal import wording
from portal.events.queries import status_moments
from portal.mitigations import queries as mitigation_queries
from portal.mitigations.models import MitigationRequest
from portal.organizations.acting import name_at
from portal.providers.models import Subscription
from portal.standby import queries, services
from portal.standby.models import StandbyPlan
from portal.web.frame import Frame
from portal.web.rendering import FramedPage
from portal.web.requests.described import RequestDescription, describe_request, targets_of
from portal.web.requests.ended import Ends, ends
from portal.web.requests.overlaps import NO_OVERLAPS, Overlaps, overlaps_of
from portal.web.requests.provider_cards import Chip, ProviderCard, provider_cards_of
from portal.web.requests.quota import quota_of
from portal.web.requests.shared import subscriptions
from portal.web.requests.timeline import TimelineLine, by_day, read_timeline
from portal.web.standby.shown import is_wanted, may_not, off_words, ongoing_words, plan_chip
from portal.wording import standby as words
from portal.wording.from_rows.mitigations import request_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFacts:
    """A plan with the rows that its pages read."""

    plan: StandbyPlan
    by_id: Mapping[str, Subscription]
    request: wording.RequestFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class OfPlan(FramedPage):
    """What all pages of one plan show."""

    plan_facts: PlanFacts
    here: str = "standby"
    is_ordered: bool = False

    @property
    def plan(self) -> StandbyPlan:
        return self.plan_facts.plan

    @property
    def request_(self) -> MitigationRequest:
        """The plan's current version, as its providers hold it."""
        return self.plan.request

    @property
    def chip(self) -> Chip:
        return plan_chip(self.plan, self.plan_facts.request, self.frame.now)

    @property
    def say(self) -> wording.Say:
        return _say(self.plan_facts, self.frame.now)

    @property
    def provider_cards(self) -> list[ProviderCard]:
        can_act = self.frame.membership.can_operate and self.plan.is_on
        return provider_cards_of(
            self.plan_facts.request, self.frame.now, is_ordered=self.is_ordered, can_act=can_act
        )

    @property
    def ask_url(self) -> str:
        """Where a provider that is not asked yet can be asked."""
        return reverse("standby:ask", args=[self.frame.organization.slug, self.plan.pk])


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivatePage(OfPlan):
    """The question before a plan is activated."""

    template: ClassVar = "standby/activate.html"

    key: str
    points: tuple[str, ...]
    overlaps: Overlaps
    quota: str
    "the limit on live requests that activating it would exceed, and what to do; empty if none"
    is_refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPage(OfPlan):
    """The question before filtering for a plan is stopped."""

    template: ClassVar = "standby/stop.html"

    stop: wording.Question


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPage(OfPlan):
    """One plan."""

    template: ClassVar = "standby/plan.html"
    parts: ClassVar = {
        "plan": "standby/_plan.html",
        "lanes": "requests/_provider_cards.html",
        "side": "requests/_side.html",
        "time": "requests/_time.html",
    }

    can_act: bool
    refusal: str
    is_on: bool
    is_active: bool
    "a provider filters for it"
    activation: MitigationRequest | None
    older: MitigationRequest | None
    "a former version for which providers still filter"
    older_words: str
    ended: Ends
    facts: RequestDescription
    entries: list[TimelineLine]
    earlier_entries: str
    shown_entries: str
    key: str
    points: tuple[str, ...]
    overlaps: Overlaps
    quota: str
    "the same as on the page that asks before it is activated"
    stop: wording.Question | None
    turn_off: wording.Question
    remove: wording.Question


def plan_page(start: Frame, plan: StandbyPlan, choice: QueryDict) -> PlanPage:
    """`start` was made before `plan` was read."""
    now, can_act, request = start.now, start.membership.can_operate, plan.request
    read = _read(plan)
    timeline = read_timeline(request, plan.organization, choice, versions=_versions(plan))
    filtering = queries.filtering_for_earlier(plan)
    waiting = mitigation_queries.ended_by_itself(plan.organization).filter(pk__in=_versions(plan))
    chip = plan_chip(plan, read.request, now)
    is_active = request.status in queries.ACTED_ON
    overlaps = _overlaps(start, plan) if can_act else NO_OVERLAPS
    return PlanPage(
        frame=start,
        title=f"{chip.badge.word} – {plan.name}",
        plan_facts=read,
        can_act=can_act,
        refusal=may_not(start.membership),
        is_on=plan.is_on,
        is_active=is_active,
        activation=plan.live_activation,
        older=filtering[0].request if filtering else None,
        older_words=words.older_sentence(
            list(dict.fromkeys(one.subscription.provider.short_name for one in filtering))
        ),
        ended=ends(waiting, plan.organization, read.by_id, now),
        facts=_description(start, read),
        entries=by_day(timeline.entries, now),
        earlier_entries=timeline.earlier,
        shown_entries=timeline.shown,
        key=str(uuid4()),
        points=_points(read),
        overlaps=overlaps,
        quota=quota_of(start.membership, overlaps) if can_act else "",
        stop=_stop_question(start, read),
        turn_off=words.turn_off_question(plan.name, is_active=is_active),
        remove=words.remove_question(plan.name),
    )


def activate_page(
    start: Frame, plan: StandbyPlan, *, key: str = "", is_refused: bool = False
) -> ActivatePage:
    """`key`: of the form that was refused."""
    read, overlaps = _read(plan), _overlaps(start, plan)
    return ActivatePage(
        frame=start,
        plan_facts=read,
        key=key or str(uuid4()),
        points=_points(read),
        overlaps=overlaps,
        quota=quota_of(start.membership, overlaps),
        is_refused=is_refused,
    )


def stop_page(start: Frame, plan: StandbyPlan) -> StopPage | None:
    """None if no provider filters for the plan."""
    read = _read(plan)
    question = _stop_question(start, read)
    if question is None:
        return None
    return StopPage(
        frame=start,
        plan_facts=read,
        stop=question,
    )


def _read(plan: StandbyPlan) -> PlanFacts:
    by_id = subscriptions(plan.organization)
    facts = request_facts(
        plan.request, by_id, plan.organization, status_at=status_moments(_versions(plan))
    )
    return PlanFacts(plan=plan, by_id=by_id, request=facts)


def _versions(plan: StandbyPlan) -> list[UUID]:
    return [plan.request_id, *plan.earlier.values_list("pk", flat=True)]


def _say(read: PlanFacts, now: datetime) -> wording.Say:
    plan, say = read.plan, wording.request_says(read.request, now)
    if plan.request.is_over:
        say = wording.Say(words.OFF, wording.headline(read.request, now), off_words(plan, now))
    ongoing = ongoing_words(plan.live_activation, now)
    return replace(say, summary=f"{say.summary} {ongoing}".strip())


def _description(start: Frame, read: PlanFacts) -> RequestDescription:
    return replace(
        describe_request(read.plan.request, read.request, start.now),
        heading="What is prepared",
        is_plan=True,
        who_label="Providers asked to hold it",
        who="\n".join(one.name for one in read.request.mitigations),
        by_label="Prepared by",
        by=name_at(read.plan.created_by, read.plan.organization_id, read.plan.created_at),
        at=read.plan.created_at,
    )


def _points(read: PlanFacts) -> tuple[str, ...]:
    names = [one.short for one in read.request.mitigations]
    return words.activation_points(names, targets_of(read.plan.request))


def _overlaps(start: Frame, plan: StandbyPlan) -> Overlaps:
    """The live requests that activating the plan would replace."""
    proposal = None if plan.live_activation else services.proposal_of(plan)
    if proposal is None:
        return NO_OVERLAPS
    return overlaps_of(
        plan.organization,
        proposal,
        start.now,
        submission=services.submission_of(plan),
        instead_of=services.versions(plan),
    )


def _stop_question(start: Frame, read: PlanFacts) -> wording.Question | None:
    plan, activation = read.plan, None
    if not plan.is_on:
        return None
    ongoing = plan.live_activation
    if ongoing is not None and is_wanted(ongoing):
        found = mitigation_queries.requests(plan.organization).get(pk=ongoing.pk)
        activation = request_facts(found, read.by_id, plan.organization)
    targets = targets_of(plan.request)
    return wording.stop_question(read.request, targets, start.now, activation=activation)
