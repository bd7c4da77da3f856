"""The confirmation pages before a request ends, a provider is withdrawn, or one is asked that would
replace something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.urls import reverse

from portal import wording
from portal.mitigations.models import MitigationRequest
from portal.mitigations.replacement import Replaced
from portal.web.frame import Frame
from portal.web.rendering import FramedPage
from portal.web.requests.described import targets_of
from portal.web.requests.overlaps import Overlaps, describe_overlaps
from portal.web.requests.provider_cards import (
    Chip,
    ProviderCard,
    is_ordered,
    provider_cards_of,
    request_chip,
)
from portal.web.requests.shared import facts_of, subscriptions
from portal.wording.from_rows.mitigations import request_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminatePage(FramedPage):
    """Terminate a request?"""

    template: ClassVar = "requests/terminate.html"

    request_: MitigationRequest
    chip: Chip
    say: wording.Say
    question: wording.Question
    stop: wording.Question | None
    provider_cards: list[ProviderCard]
    is_ordered: bool
    ask_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawPage(FramedPage):
    """Withdraw one provider?"""

    template: ClassVar = "requests/withdraw.html"

    request_: MitigationRequest
    chip: Chip
    say: wording.Say
    mitigation: wording.MitigationFacts
    question: wording.Question


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPage(FramedPage):
    """Ask a provider, although that would replace other requests there?"""

    template: ClassVar = "requests/ask.html"

    request_: MitigationRequest
    chip: Chip
    provider: str
    subscription: str
    overlaps: Overlaps


def terminate_page(start: Frame, request: MitigationRequest) -> TerminatePage:
    """`start` was made before `request` was read; that is live."""
    now = start.now
    facts = facts_of(start.organization, request)
    return TerminatePage(
        frame=start,
        request_=request,
        chip=request_chip(facts, now),
        say=wording.request_says(facts, now),
        question=terminate_question_of(request, facts, now),
        stop=stop_question_of(request, facts, now),
        provider_cards=provider_cards_of(
            facts,
            now,
            is_ordered=is_ordered(request),
            targets=targets_of(request),
            can_act=can_change_providers(request),
        ),
        is_ordered=is_ordered(request),
        ask_url=reverse("requests:ask", args=[start.organization.slug, request.pk]),
    )


def withdraw_page(
    start: Frame, request: MitigationRequest, mitigation_id: UUID
) -> WithdrawPage | None:
    """None if that mitigation cannot be withdrawn alone."""
    now = start.now
    facts = facts_of(start.organization, request)
    found = (one for one in facts.mitigations if one.id == str(mitigation_id))
    mitigation = next(found, None)
    if mitigation is None or not can_change_providers(request):
        return None
    question = wording.withdraw_question(facts, mitigation, targets_of(request), now)
    if question is None:
        return None
    return WithdrawPage(
        frame=start,
        request_=request,
        chip=request_chip(facts, now),
        say=wording.request_says(facts, now),
        mitigation=mitigation,
        question=question,
    )


def ask_page(start: Frame, request: MitigationRequest, replaced: Sequence[Replaced]) -> AskPage:
    organization, now = start.organization, start.now
    facts = request_facts(request, subscriptions(organization), organization)
    ending = replaced[0].endings[0]
    return AskPage(
        frame=start,
        request_=request,
        chip=request_chip(facts, now),
        provider=ending.provider,
        subscription=str(ending.mitigation.subscription_id),
        overlaps=describe_overlaps(organization, replaced, now),
    )


def can_change_providers(request: MitigationRequest) -> bool:
    """Whether a person may ask or withdraw one of its providers."""
    return request.is_immediate and is_live(request) and not request.waits_for_approval


def is_live(request: MitigationRequest) -> bool:
    """Whether it is live and its end was not requested."""
    return not request.is_over and not request.terminate_asked_at


def terminate_question_of(
    request: MitigationRequest, facts: wording.RequestFacts, now: datetime
) -> wording.Question:
    plan = _plan_that_stays(request)
    return wording.terminate_question(facts, targets_of(request), now, plan=plan)


def stop_question_of(
    request: MitigationRequest, facts: wording.RequestFacts, now: datetime
) -> wording.Question | None:
    """The question of a plan that a provider filters for."""
    if not (is_live(request) and facts.is_plan and hasattr(request, "plan")):
        return None
    return wording.stop_question(facts, targets_of(request), now)


def _plan_that_stays(request: MitigationRequest) -> str:
    """The name of the plan that a person activated with this, if the plan is on; empty if none."""
    if not request.is_immediate or request.is_over:
        return ""
    plans = request.activated_plans.filter(removed_at__isnull=True).select_related("request")
    return next((plan.name for plan in plans if plan.is_on), "")
