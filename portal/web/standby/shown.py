"""Sentences that several pages of plans share."""

from __future__ import annotations

from datetime import datetime

from portal import wording
from portal.accounts.wording import who_first
from portal.mitigations.models import MitigationRequest
from portal.organizations.acting import name_at
from portal.organizations.models import Membership
from portal.standby.models import StandbyPlan
from portal.web.requests.provider_cards import Chip, request_chip
from portal.web.requests.shared import operators
from portal.wording import standby as words


def may_not(membership: Membership) -> str:
    """Why there are no buttons; empty for those who may change plans."""
    if membership.can_operate:
        return ""
    able = wording.colleagues(operators(membership.organization))
    return (
        f"You can see plans but not change or activate them: your role is {membership.role}.{able}"
    )


def is_wanted(activation: MitigationRequest | None) -> bool:
    """Whether it is live and its end was not requested."""
    return activation is not None and activation.terminate_asked_at is None


def ongoing_words(activation: MitigationRequest | None, now: datetime) -> str:
    """The person who activated the plan; empty if there is none."""
    if activation is None:
        return ""
    return words.activated_sentence(who_first(activation.requester), activation.created_at, now)


def off_words(plan: StandbyPlan, now: datetime) -> str:
    by = plan.request.terminator
    at = plan.request.terminate_asked_at
    words_of = (
        who_first(by)
        if by and by.user is None
        else name_at(plan.request.terminate_asked_by, plan.organization_id, at)
    )
    return words.off_sentence(words_of, at, now)


def plan_chip(plan: StandbyPlan, facts: wording.RequestFacts, now: datetime) -> Chip:
    if plan.request.is_over:
        return Chip(badge=words.OFF, status="off")
    return request_chip(facts, now)
