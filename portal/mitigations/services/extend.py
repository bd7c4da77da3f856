"""Extend a request: each provider is asked for a new lifetime that starts now."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.core.broadcast import wake_on_commit
from portal.core.errors import Conflict, Invalid
from portal.events.log import append_event
from portal.events.models import EventType
from portal.mitigations import queries
from portal.mitigations.models import MitigationRequest, Wanted
from portal.mitigations.services.advance import settle
from portal.mitigations.services.locks import lock_request_for, mitigations_of
from portal.mitigations.services.refresh import time_of_refresh
from portal.mitigations.services.terminate import refuse_if_ending
from portal.mitigations.validation import (
    lifetime_problem,
    within_limits,
)
from portal.organizations.suspension import refuse_if_suspended


@transaction.atomic
def extend(*, request_id: UUID, actor: Actor, lifetime_s: int) -> MitigationRequest:
    """Ask each provider for `lifetime_s` from now (-1: until terminated), or for the longest
    lifetime it grants. Raises OrganizationSuspended.
    """
    request = lock_request_for(actor, request_id)
    refuse_if_suspended(request.organization_id)
    refuse_extension(request, lifetime_s)
    now = timezone.now()
    request.lifetime_s = lifetime_s
    request.save(update_fields=["lifetime_s"])
    for mitigation in mitigations_of(request):
        if mitigation.wanted != Wanted.ACTIVE or mitigation.is_over:
            continue
        mitigation.lifetime_s = within_limits(
            lifetime_s, queries.eligible_provider(mitigation.subscription)
        )
        mitigation.refresh_asked_at = time_of_refresh(mitigation, now)
        mitigation.save(update_fields=["lifetime_s", "refresh_asked_at"])
        wake_on_commit(mitigation.subscription_id, mitigation.pk)
    append_event(
        organization_id=request.organization_id,
        type=EventType.REQUEST_EXTENDED,
        at=now,
        request=request,
        actor=actor,
        data={"lifetime": lifetime_s},
    )
    settle(request, now=now)
    return request


def refuse_extension(request: MitigationRequest, lifetime_s: int) -> None:
    """Raises Conflict or Invalid if it cannot be extended like this. A provider's own limit is not
    a reason.
    """
    refuse_if_ending(request)
    if not request.is_immediate:
        raise Conflict("A plan renews automatically while it is on.", code="renews-itself")
    policy = queries.policy(request.organization)
    problem = lifetime_problem(lifetime_s, eligible_providers=(), policy=policy)
    if problem:
        raise Invalid("Nothing was changed. Correct one thing.", errors=[problem])
