"""Reads, the organization first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from portal.mitigations import queries as mitigation_queries
from portal.mitigations.failover import current_mitigations
from portal.mitigations.models import Mitigation, RequestKind, Wanted
from portal.mitigations.queries import ACTED_ON
from portal.mitigations.states import ACTIVE, IN_STANDBY, LIVE, REQUEST_TERMINAL, Status
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from portal.standby.models import Drill, DrillCheck, StandbyPlan

__all__ = [
    "ACTED_ON",
    "IN_STANDBY",
    "Holder",
    "drills",
    "filtering_for_earlier",
    "holders",
    "kept_in_standby",
    "last_drill",
    "last_passed_drill",
    "longest_lifetime_s",
    "plans",
    "still_held",
]


def plans(organization: Organization) -> QuerySet[StandbyPlan]:
    """By name, with their providers' parts; removed ones left out."""
    return (
        StandbyPlan.objects.filter(organization=organization, removed_at__isnull=True)
        .select_related("organization", "created_by", "activation", "activation__created_by")
        .select_related("request__organization", "request__created_by")
        .select_related("request__terminate_asked_by", "request__acknowledged_by")
        .prefetch_related(
            "request__mitigations__subscription__provider",
            "request__mitigations__asked_by",
            "request__mitigations__withdrawn_by",
            "request__resources",
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """One provider's part in a plan."""

    subscription: Subscription
    mitigation: Mitigation
    is_held: bool
    "it reported last that it holds the plan in standby"
    is_active: bool
    "it reported last that it activated the plan"
    is_stopping: bool
    "it was told to stop filtering, and holds the plan again after that"
    reported_at: datetime | None


def holders(plan: StandbyPlan) -> list[Holder]:
    """Who was asked to hold the plan, in order, and what each last said."""
    mitigations = current_mitigations(plan.request.mitigations.all())
    return [
        Holder(
            subscription=mitigation.subscription,
            mitigation=mitigation,
            is_held=mitigation.status == Status.STANDBY and mitigation.dots_status == IN_STANDBY,
            is_active=mitigation.status in ACTIVE,
            is_stopping=mitigation.hold_again,
            reported_at=mitigation.reported_at,
        )
        for mitigation in mitigations
    ]


def filtering_for_earlier(plan: StandbyPlan) -> list[Mitigation]:
    """Mitigations that providers filter for a version of the plan that was replaced while contact
    was lost.
    """
    found = Mitigation.objects.filter(
        request__in=plan.earlier.all(), wanted=Wanted.ACTIVE, status__in=ACTIVE
    )
    return list(found.select_related("request", "subscription__provider").order_by("mid"))


def still_held(organization: Organization) -> list[Mitigation]:
    """Mitigations of plans and drills, also removed ones, that providers still hold after
    confirming the withdrawal.
    """
    ending = Mitigation.objects.filter(
        organization=organization, status=Status.TERMINATING, dots_status=IN_STANDBY
    )
    found = ending.select_related("request__organization", "subscription__provider").order_by("mid")
    return [one for one in found if one.is_still_held]


def longest_lifetime_s(organization: Organization) -> int:
    """What a plan asks for: nobody can renew it while contact is lost, so the longest that all
    grant.
    """
    limits = [
        provider.max_lifetime_s
        for provider in mitigation_queries.eligible_providers(organization)
        if provider.max_lifetime_s
    ]
    return min([organization.max_lifetime_s, *limits])


def drills(organization: Organization) -> QuerySet[Drill]:
    """Newest first, with what each provider did."""
    checks = DrillCheck.objects.select_related(
        "subscription__provider", "mitigation__request"
    ).order_by("subscription__priority", "pk")
    return (
        Drill.objects.filter(organization=organization)
        .select_related("started_by", "organization")
        .prefetch_related(Prefetch("checks", checks))
    )


def last_drill(organization: Organization) -> Drill | None:
    """The newest, running or not."""
    return drills(organization).first()


def last_passed_drill(organization: Organization) -> Drill | None:
    """The newest in which every provider did all it was asked."""
    failed = DrillCheck.objects.filter(drill=OuterRef("pk")).exclude(failure="")
    any_check = DrillCheck.objects.filter(drill=OuterRef("pk"))
    return (
        drills(organization)
        .filter(Q(Exists(any_check)), ~Exists(failed), ended_at__isnull=False)
        .first()
    )


def kept_in_standby(subscription_id: UUID) -> list[Mitigation]:
    """Plans a provider is wanted to hold, now or again: what a drill must not touch."""
    return list(
        Mitigation.objects.filter(
            Q(wanted=Wanted.ACTIVE) | Q(hold_again=True),
            subscription_id=subscription_id,
            request__kind=RequestKind.STANDBY,
            status__in=LIVE,
        )
        .exclude(request__status__in=REQUEST_TERMINAL)
        .select_related("request")
        .order_by("mid")
    )
