"""Count live requests and refuse one that exceeds a limit (ADR 50)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from django.db.models import Count, Q

from portal.accounts.actors import Actor, ActorKind
from portal.mitigations.models import MitigationRequest, RequestKind
from portal.mitigations.quota import (
    MAX_ENDING_PER_REQUEST,
    Excess,
    Quota,
    QuotaExceeded,
    Usage,
    excess,
)
from portal.mitigations.services.locks import mitigations_of
from portal.mitigations.states import REQUEST_TERMINAL, RequestStatus, Status
from portal.mitigations.wording import quota_sentence
from portal.organizations.models import Organization

NOT_OVER: Final = tuple(one for one in RequestStatus if one not in REQUEST_TERMINAL)


def check_quota(
    organization: Organization,
    actor: Actor,
    *,
    kind: RequestKind = RequestKind.IMMEDIATE,
    replaced: Collection[UUID] = (),
) -> None:
    """Raises QuotaExceeded if the actor may not submit one more request.

    The caller holds the lock on the organization's log until its commit, so of several simultaneous
    submissions each one counts those before it. `replaced`: the ids that the new request replaces.
    """
    found = quota_excess(organization, actor, kind=kind, replaced=replaced)
    if found is not None:
        raise _exceeded(found, organization, actor)


def quota_excess(
    organization: Organization,
    actor: Actor,
    *,
    kind: RequestKind = RequestKind.IMMEDIATE,
    replaced: Collection[UUID] = (),
) -> Excess | None:
    """The limit that one more request would exceed now; None if there is none."""
    is_ending = Q(status=RequestStatus.TERMINATING)
    is_live = Q(kind=RequestKind.IMMEDIATE) & ~is_ending
    if replaced:
        is_replaced = Q(pk__in=tuple(replaced), kind=RequestKind.IMMEDIATE)
        is_ending |= is_replaced
        is_live &= ~is_replaced
    is_own = _is_of(actor)
    counts = MitigationRequest.objects.filter(
        organization=organization, status__in=NOT_OVER
    ).aggregate(
        live=Count("pk", filter=is_live),
        ending=Count("pk", filter=is_ending),
        own_live=Count("pk", filter=is_live & is_own),
        own_ending=Count("pk", filter=is_ending & is_own),
    )
    return excess(
        Usage(counts["live"], counts["ending"]),
        Usage(counts["own_live"], counts["own_ending"]),
        limit=organization.max_live_requests,
        own_limit=organization.max_live_requests_per_person,
        is_person=actor.kind == ActorKind.PERSON,
        is_immediate=kind == RequestKind.IMMEDIATE,
    )


def refuse_if_many_end(request: MitigationRequest, actor: Actor) -> None:
    """Raises QuotaExceeded if too many mitigations of this locked request are still ending."""
    ending = sum(one.status == Status.TERMINATING for one in mitigations_of(request))
    if ending < MAX_ENDING_PER_REQUEST:
        return
    found = Excess(
        code=Quota.ENDING_MITIGATIONS,
        limit=MAX_ENDING_PER_REQUEST,
        usage=Usage(live=len(mitigations_of(request)) - ending, ending=ending),
        is_own=False,
    )
    raise _exceeded(found, request.organization, actor)


def _exceeded(found: Excess, organization: Organization, actor: Actor) -> QuotaExceeded:
    sentence = quota_sentence(found, organization=organization.name, actor=actor)
    return QuotaExceeded(found, sentence)


def _is_of(actor: Actor) -> Q:
    if actor.user is not None:
        return Q(created_by=actor.user)
    return Q(origin=actor.kind, origin_name=actor.name)
