"""Queries; the first argument is the organization. They return querysets where the caller pages or
filters further.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Coalesce

from portal.core.compiled_query import CompiledQuery, any_of
from portal.core.joined_rows import rows_of
from portal.mitigations.models import (
    BY_ITSELF,
    ApprovalOutcome,
    Mitigation,
    MitigationRequest,
    RequestApproval,
    RequestKind,
    Wanted,
)
from portal.mitigations.overlaps import Coverage
from portal.mitigations.responsible import MEMBERSHIPS
from portal.mitigations.row_version import RowVersion
from portal.mitigations.states import (
    ACTIVE,
    CONFIRMED,
    LIVE,
    REQUEST_TERMINAL,
    SET_BACK,
    TERMINAL,
    RequestStatus,
    Status,
)
from portal.mitigations.unknown import Unknown, replaceable_unknown
from portal.mitigations.validation import (
    AssignedScope,
    EligibleProvider,
    Policy,
    Resource,
    assign_scope,
)
from portal.organizations.models import Membership, Organization, ProtectedResource, Role
from portal.providers.models import Subscription

IMMEDIATE_ONLY: Final = (RequestKind.IMMEDIATE,)
EVERY_KIND: Final = tuple(RequestKind)
_VERSION: Final = ("pk", "subscription_id", "version", "expires_at")
"""The columns of a RowVersion."""
ACTED_ON: Final = (
    RequestStatus.IN_PROGRESS,
    RequestStatus.MITIGATING,
    RequestStatus.ATTACK_STOPPED,
)
"""The status of a plan's request while a provider that activated it acts."""


def requests(
    organization: Organization, *, kinds: Collection[RequestKind] = IMMEDIATE_ONLY
) -> QuerySet[MitigationRequest]:
    """Newest first, with everything a row of the history shows."""
    own = MitigationRequest.objects.filter(organization=organization, kind__in=kinds)
    return with_everything(own).order_by("-created_at", "-id")


def with_everything(rows: QuerySet[MitigationRequest]) -> QuerySet[MitigationRequest]:
    """With the people, mitigations and resources that pages and answers show of a request."""
    return rows.select_related(
        "organization",
        "created_by",
        "terminate_asked_by",
        "acknowledged_by",
        "responsible",
        "approval__decided_by",
    ).prefetch_related(
        "mitigations__subscription__provider",
        "mitigations__cause_subscription__provider",
        "mitigations__asked_by",
        "mitigations__withdrawn_by",
        "resources",
        MEMBERSHIPS,
    )


def live_requests(organization: Organization) -> QuerySet[MitigationRequest]:
    """Live requests: immediate ones, and plans that a provider activated on its own."""
    return _live_requests(requests(organization, kinds=EVERY_KIND)).distinct()


def live_counts(organization_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many live requests each organization has; those without one are missing."""
    own = MitigationRequest.objects.filter(organization_id__in=organization_ids)
    counts = (
        _live_requests(own)
        .order_by()
        .values("organization_id")
        .annotate(live=Count("pk", distinct=True))
    )
    return {one["organization_id"]: one["live"] for one in counts}


def _live_requests(among: QuerySet[MitigationRequest]) -> QuerySet[MitigationRequest]:
    """Some more than once."""
    ending = Q(status=RequestStatus.TERMINATING, mitigations__mitigating_at__isnull=False)
    return among.filter(Q(kind=RequestKind.IMMEDIATE) | Q(status__in=ACTED_ON) | ending).exclude(
        status__in=REQUEST_TERMINAL
    )


def ended_by_itself(organization: Organization) -> QuerySet[MitigationRequest]:
    """Requests that ended without a person asking for it and that no person has acknowledged; the
    newest end first.

    A plan is included if a provider's filtering for it ended, whether the plan is still held or
    not. Readiness reports plans that are not held.
    """
    is_over = Q(kind=RequestKind.IMMEDIATE, ended_by__in=BY_ITSELF)
    return (
        requests(organization, kinds=EVERY_KIND)
        .filter(is_over | Q(filtering_ended_at__isnull=False), acknowledged_at__isnull=True)
        .order_by(Coalesce("filtering_ended_at", "ended_at").desc(), "-pk")
    )


def waiting_approvals(organization: Organization) -> QuerySet[RequestApproval]:
    """The approvals that no one has decided on, oldest first."""
    return (
        RequestApproval.objects.filter(organization=organization, outcome=ApprovalOutcome.WAITING)
        .select_related("request__created_by", "request__organization")
        .order_by("asked_at", "pk")
    )


def requests_over_capacity(organization: Organization) -> QuerySet[MitigationRequest]:
    """Live requests for which a provider reports that the attack exceeds its capacity."""
    exceeded = {"mitigations__status": Status.EXCEEDED, "mitigations__wanted": Wanted.ACTIVE}
    return requests(organization).filter(status=RequestStatus.MITIGATING, **exceeded).distinct()


def subscriptions(organization: Organization) -> QuerySet[Subscription]:
    """In the order in which the portal asks them."""
    return (
        Subscription.objects.filter(organization=organization)
        .select_related("provider")
        .order_by("priority", "pk")
    )


def eligible_providers(organization: Organization) -> list[EligibleProvider]:
    """The providers that can be asked, in order, with their limits."""
    return [eligible_provider(one) for one in subscriptions(organization).filter(enabled=True)]


def eligible_provider(subscription: Subscription) -> EligibleProvider:
    """A provider with its limits, in the form that the check of a request needs."""
    return EligibleProvider(
        subscription=subscription.pk,
        name=subscription.provider.short_name,
        max_lifetime_s=subscription.provider.max_lifetime_s,
        max_targets=subscription.provider.max_targets,
        may_be_indefinite=subscription.provider.may_be_indefinite,
        limited_to=subscription.limited_to,
        max_port_ranges=subscription.provider.max_port_ranges,
        longest_prefix_v4=subscription.provider.longest_prefix_v4,
        longest_prefix_v6=subscription.provider.longest_prefix_v6,
        takes_names=subscription.provider.takes_names,
    )


def assigned_scopes(request: MitigationRequest) -> list[AssignedScope]:
    """The targets of `request` that each provider may protect now: first the providers it named, in
    its order.
    """
    named = {one: index for index, one in enumerate(request.subscriptions)}
    found = sorted(
        eligible_providers(request.organization),
        key=lambda provider: named.get(provider.subscription, len(named)),
    )
    return [
        assign_scope(provider, request.scope, port_ranges=len(request.ports)) for provider in found
    ]


def verified_resources(organization: Organization) -> list[Resource]:
    """Most recently used first, then by name."""
    rows = ProtectedResource.objects.filter(
        organization=organization, verified_at__isnull=False
    ).order_by(F("last_used_at").desc(nulls_last=True), "name", "pk")
    return [Resource(id=row.pk, name=row.name, target=row.target) for row in rows]


def policy(organization: Organization) -> Policy:
    admins = Membership.objects.filter(organization=organization, role=Role.ADMIN)
    names = admins.order_by("user__username").values_list("user__username", flat=True)
    return replace(policy_without_admins(organization), admins=tuple(names))


def policy_without_admins(organization: Organization) -> Policy:
    """Enough to decide, since only the sentences of a refusal name the admins."""
    return Policy(
        organization=organization.name,
        default_lifetime_s=organization.default_lifetime_s,
        max_lifetime_s=organization.max_lifetime_s,
        may_be_indefinite=organization.may_be_indefinite,
        shortest_prefix_v4=organization.shortest_prefix_v4,
        shortest_prefix_v6=organization.shortest_prefix_v6,
    )


def replaceable(
    organization_id: UUID,
    kind: RequestKind = RequestKind.IMMEDIATE,
    *,
    but: Collection[UUID] = (),
) -> list[Mitigation | Unknown]:
    """Mitigations that providers hold or are asked to hold, and that a new overlapping request of
    this kind would end.

    A request replaces those with the same trigger value (RFC 9132 section 4.4.1). An immediate
    request also stops filtering for a plan that the provider activated on its own. Mitigations
    still waiting for their turn are left out. `but`: requests whose mitigations do not count.
    """
    is_same = Q(request__kind=RequestKind.STANDBY)
    if kind == RequestKind.IMMEDIATE:
        is_same = Q(request__kind=kind) | Q(is_same, status__in=ACTIVE)
    waits = Q(status__in=SET_BACK, request__has_uncovered_targets=False)
    asked_for = (
        Mitigation.objects.filter(
            is_same,
            organization_id=organization_id,
            wanted=Wanted.ACTIVE,
            request__terminate_asked_at__isnull=True,
        )
        .exclude(status__in=(*TERMINAL, Status.TERMINATING))
        .exclude(request__status__in=REQUEST_TERMINAL)
        .exclude(request__in=but)
        .exclude(waits)
        .select_related("request__organization", "subscription__provider")
        .order_by("position", "mid")
    )
    return [*asked_for, *replaceable_unknown(organization_id, kind)]


def live_mitigations(
    subscription_ids: Collection[UUID], mitigation_ids: Collection[UUID] = ()
) -> list[Mitigation]:
    """All mitigations of these subscriptions, and those named, that need an action or polling,
    lowest mid first; refused ones are not polled.
    """
    if connection.vendor == "postgresql":
        query = _live_query(are_all=bool(subscription_ids))
        rows = query.rows(subscriptions=subscription_ids, mitigations=mitigation_ids)
        return [_with_request(row) for row in rows]
    which = Q(subscription_id__in=subscription_ids) | Q(pk__in=mitigation_ids)
    return list(_with_requests(_live(which)))


@cache
def _live_query(*, are_all: bool) -> CompiledQuery:
    """`are_all`: also all rows of some subscriptions."""
    which = Q(any_of(Mitigation, "id", "mitigations"))
    if are_all:
        which |= Q(any_of(Mitigation, "subscription_id", "subscriptions"))
    return CompiledQuery(_with_requests(_live(which)))


def _with_requests(mitigations: QuerySet[Mitigation]) -> QuerySet[Mitigation]:
    return mitigations.select_related("request").order_by("mid")


def _with_request(row: Sequence[Any]) -> Mitigation:
    mitigation, request = rows_of(row, Mitigation, MitigationRequest)
    assert isinstance(mitigation, Mitigation)
    assert isinstance(request, MitigationRequest)
    mitigation.request = request
    return mitigation


def live_versions(subscription_ids: Collection[UUID]) -> list[RowVersion]:
    """Of all rows that `live_mitigations` returns for these subscriptions."""
    rows = _live(Q(subscription_id__in=subscription_ids)).values_list(*_VERSION)
    return [RowVersion(*row) for row in rows]


def _live(which: Q) -> QuerySet[Mitigation]:
    refused = Q(status=Status.REFUSED) | Q(request__status__in=REQUEST_TERMINAL)
    return Mitigation.objects.filter(which, status__in=LIVE).exclude(refused)


def mitigations_by_mid(subscription_id: UUID, mids: Collection[int]) -> dict[int, Mitigation]:
    """The subscription's mitigations with these mids, ended or not."""
    own = Mitigation.objects.filter(subscription_id=subscription_id, mid__in=mids)
    return {one.mid: one for one in own.select_related("request")}


def unsent_versions(subscription_ids: Collection[UUID]) -> list[RowVersion]:
    """The rows of these subscriptions with a change that was not sent to the provider yet."""
    if connection.vendor == "postgresql":
        return [RowVersion(*row) for row in _unsent_query().rows(subscriptions=subscription_ids)]
    return [RowVersion(*row) for row in _unsent(Q(subscription_id__in=subscription_ids))]


@cache
def _unsent_query() -> CompiledQuery:
    return CompiledQuery(_unsent(Q(any_of(Mitigation, "subscription_id", "subscriptions"))))


def _unsent(which: Q) -> QuerySet[Mitigation, tuple[Any, ...]]:
    unsent = Q(sent_at__isnull=True) | Q(last_sent_at__lt=F("asked_at"))
    extended = Q(refreshed_at__isnull=True) | Q(refreshed_at__lt=F("refresh_asked_at"))
    efficacy = Q(efficacy_answered_at__isnull=True) | ~Q(
        efficacy_answered_at=F("efficacy_asked_at")
    )
    unsaid = (
        Q(unsent, status=Status.PENDING)
        | Q(status=Status.TERMINATING, withdrawal_confirmed_at__isnull=True)
        | Q(extended, status__in=CONFIRMED, refresh_asked_at__isnull=False)
        | Q(
            efficacy,
            status__in=CONFIRMED,
            efficacy_asked_at__isnull=False,
            efficacy_retry_at__isnull=True,
        )
    )
    return Mitigation.objects.filter(unsaid, which).values_list(*_VERSION)


def newer_overlapping(mitigation_id: UUID) -> list[Mitigation]:
    """The mitigations that replaced a wanted one, oldest first: same subscription, higher mid, a
    common target.

    Only requests with the same trigger value count (RFC 9132 section 4.4.1): a plan and an
    immediate request do not replace each other.
    """
    own = Mitigation.objects.select_related("request").get(pk=mitigation_id)
    if own.wanted != Wanted.ACTIVE:
        return []
    newer = Mitigation.objects.filter(
        subscription_id=own.subscription_id,
        mid__gt=own.mid,
        wanted=Wanted.ACTIVE,
        status__in=(Status.PENDING, *CONFIRMED),
        request__kind__in=same_trigger(own.request),
    ).select_related("request")
    return [one for one in newer.order_by("mid") if shares_target(own, one)]


def newer_for_help_now(mitigation: Mitigation) -> list[Mitigation]:
    """Immediate requests that reached this provider after `mitigation` and share a target with it.

    The provider then stops filtering for a plan that it activated (see `replaceable`).
    """
    newer = Mitigation.objects.filter(
        subscription_id=mitigation.subscription_id,
        mid__gt=mitigation.mid,
        wanted=Wanted.ACTIVE,
        status__in=(Status.PENDING, *ACTIVE),
        sent_at__isnull=False,
        request__kind=RequestKind.IMMEDIATE,
    ).select_related("request")
    return [one for one in newer.order_by("mid") if shares_target(mitigation, one)]


def same_trigger(request: MitigationRequest) -> tuple[RequestKind, ...]:
    """The kinds that are sent with the same trigger value."""
    if request.is_immediate:
        return IMMEDIATE_ONLY
    return tuple(kind for kind in RequestKind if kind != RequestKind.IMMEDIATE)


def shares_target(one: Mitigation, other: Mitigation) -> bool:
    """Whether the two overlap as defined in RFC 9132 section 4.4.1: a common address, name or
    URI.
    """
    return Coverage.of(one.scope).shares_target_with(Coverage.of(other.scope))
