"""The data that several pages share: the frame, the providers, lists of requests, announcements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, QuerySet

from portal import wording
from portal.core.formatting import amount, listed
from portal.events.queries import status_moments
from portal.mitigations import queries
from portal.mitigations.models import Mitigation, MitigationRequest, Strategy
from portal.mitigations.unknown import Unknown
from portal.organizations.models import Membership, Organization, ProtectedResource, Role
from portal.organizations.queries import resources
from portal.providers.models import Subscription
from portal.web.requests.provider_cards import Chip, end_chip, request_chip
from portal.wording.from_rows.mitigations import request_facts


def subscriptions(organization: Organization) -> dict[str, Subscription]:
    return {str(one.pk): one for one in queries.subscriptions(organization)}


def replaceable_beside(
    organization: Organization, requests: Iterable[MitigationRequest]
) -> list[Mitigation | Unknown]:
    """The mitigations that tell which providers failover skips; none are read if each request has
    asked all its providers.
    """
    has_some_left = any(
        one.strategy == Strategy.FAILOVER
        and not (one.is_over or one.terminate_asked_at)
        and len(one.subscriptions)
        > len({mitigation.subscription_id for mitigation in one.mitigations.all()})
        for one in requests
    )
    return queries.replaceable(organization.pk) if has_some_left else []


def facts_of(organization: Organization, request: MitigationRequest) -> wording.RequestFacts:
    """The facts of a request with the times of its statuses, and with the providers not asked
    yet.
    """
    return request_facts(
        request,
        subscriptions(organization),
        organization,
        status_at=status_moments([request.pk]),
        with_others=request.is_immediate,
        live=replaceable_beside(organization, [request]),
    )


def operators(organization: Organization) -> list[str]:
    """Up to five members who may request and terminate."""
    able = Membership.objects.filter(
        organization=organization,
        role__in=[role for role in Role if role.covers(Role.OPERATOR)],
        user__is_active=True,
    )
    return list(able.order_by("user__username").values_list("user__username", flat=True)[:5])


def pickable(organization: Organization) -> QuerySet[ProtectedResource]:
    """Verified resources, most recently used first."""
    return (
        resources(organization)
        .filter(verified_at__isnull=False)
        .order_by(F("last_used_at").desc(nulls_last=True), "name", "pk")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRequest:
    """A request in a list of past ones."""

    request: MitigationRequest
    chip: Chip
    providers: str
    dropped: str


def past(
    request: MitigationRequest,
    by_id: Mapping[str, Subscription],
    organization: Organization,
    now: datetime,
) -> PastRequest:
    facts = request_facts(request, by_id, organization)
    totals = [
        mitigation.bytes_dropped
        for mitigation in facts.started
        if mitigation.bytes_dropped is not None
    ]
    return PastRequest(
        request=request,
        chip=end_chip(facts, now) if request.is_to_acknowledge else request_chip(facts, now),
        providers=listed([mitigation.short for mitigation in facts.started]),
        dropped=amount(sum(totals)) if totals else "",
    )
