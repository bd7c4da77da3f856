"""Withdraw one provider while the others of its request continue."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.core.errors import Conflict, NotFound
from portal.mitigations.failover import current_mitigations, may_filter
from portal.mitigations.models import Mitigation, MitigationRequest, Wanted
from portal.mitigations.services.advance import settle
from portal.mitigations.services.locks import lock_mitigation, lock_request_for, mitigations_of
from portal.mitigations.services.start_and_end import end_mitigation
from portal.mitigations.services.terminate import refuse_if_not_immediate


@transaction.atomic
def withdraw_mitigation(*, mitigation_id: UUID) -> Mitigation:
    """Withdraw one provider by the portal's policy. Repeating it changes nothing."""
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over or mitigation.wanted == Wanted.WITHDRAWN:
        return mitigation
    now = timezone.now()
    end_mitigation(mitigation, now=now)
    settle(mitigation.request, now=now)
    return mitigation


@transaction.atomic
def withdraw_provider(*, request_id: UUID, mitigation_id: UUID, actor: Actor) -> MitigationRequest:
    """Withdraw one provider and let the others continue.

    Repeating it, or coming second, changes nothing.
    """
    actor.require_person()
    request = lock_request_for(actor, request_id)
    refuse_if_not_immediate(request)
    mitigations = mitigations_of(request)
    mitigation = next((facts for facts in mitigations if facts.pk == mitigation_id), None)
    if mitigation is None:
        raise NotFound
    if request.terminate_asked_at or mitigation.is_over or mitigation.wanted == Wanted.WITHDRAWN:
        return request
    others = [facts for facts in current_mitigations(mitigations) if facts.pk != mitigation_id]
    if not any(may_filter(facts) for facts in others):
        provider = mitigation.subscription.provider.short_name
        raise Conflict(
            f"{provider} is the only provider that may be filtering. To stop it, terminate "
            "the request;"
            " to replace it, ask another provider first.",
            code="last-one",
        )
    now = timezone.now()
    end_mitigation(mitigation, now=now, actor=actor)
    settle(request, now=now)
    return request
