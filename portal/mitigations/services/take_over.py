"""Become the person who is responsible for a request."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.events.log import append_event
from portal.events.models import EventType
from portal.mitigations.models import MitigationRequest
from portal.mitigations.responsible import responsible_for
from portal.mitigations.services.locks import lock_request_for


@transaction.atomic
def take_over(*, request_id: UUID, actor: Actor) -> MitigationRequest:
    """Make the actor responsible for a request, whether it is live or has ended. The last person
    who takes it over is responsible; repeating it changes nothing.

    Raises NotAllowed for everyone who is not a person.
    """
    person = actor.require_person()
    request = lock_request_for(actor, request_id)
    if request.responsible_id == person.pk:
        return request
    before = responsible_for(request).now
    now = timezone.now()
    request.responsible, request.responsible_since = person, now
    request.save(update_fields=["responsible", "responsible_since"])
    append_event(
        organization_id=request.organization_id,
        type=EventType.REQUEST_TAKEN_OVER,
        at=now,
        request=request,
        actor=actor,
        data={"changed": {"responsible": {"from": before, "to": actor.name}}},
    )
    return request
