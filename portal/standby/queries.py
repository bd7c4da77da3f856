"""Queries; the first argument is the organization."""

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
    "last_drill",
    "last_passed_drill",
    "longest_lifetime_s",
    "plans",
    "still_held",
    "to_hold_in_standby",
]


def plans(organization: Organization) -> QuerySet[StandbyPlan]:
    """By name, with their providers' parts, without removed plans."""
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
    "its last report says that it holds the plan in standby"
    is_active: bool
    "its last report says that it activated the plan"
    is_stopping: bool
    "it is being withdrawn and will hold the plan again afterwards"
    reported_at: datetime | None


def holders(plan: StandbyPlan) -> list[Holder]:
    """The providers asked to hold the plan, in order, with their last report."""
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
    """Mitigations that filter for a version of the plan that was replaced while contact was
    lost.
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
    """The lifetime a plan asks for: the longest that all grant, since it cannot be renewed while
    contact is lost.
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
    """The newest in which every provider did everything it was asked."""
    failed = DrillCheck.objects.filter(drill=OuterRef("pk")).exclude(failure="")
    any_check = DrillCheck.objects.filter(drill=OuterRef("pk"))
    return (
        drills(organization)
        .filter(Q(Exists(any_check)), ~Exists(failed), ended_at__isnull=False)
        .first()
    )


def to_hold_in_standby(subscription_id: UUID) -> list[Mitigation]:
    """Plans that a provider should hold, now or again: a drill must not touch them."""
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
