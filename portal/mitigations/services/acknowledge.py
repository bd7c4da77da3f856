"""Record that a person has acknowledged the end of a request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.core.errors import Conflict, FieldError, Invalid
from portal.events.log import append_event
from portal.events.models import EventType
from portal.mitigations.models import MitigationRequest
from portal.mitigations.services.locks import lock_request_for, lock_requests
from portal.organizations.models import Organization

MAX_ACKNOWLEDGED: Final = 100
"""Maximum requests that one call acknowledges."""


class SeenEnd(NamedTuple):
    """The end of a request, as a person saw it."""

    request_id: UUID
    ended_at: datetime | None
    "the request's `last_end_at` at that time; None if unknown"


@transaction.atomic
def acknowledge(seen: SeenEnd, *, actor: Actor) -> MitigationRequest:
    """Record that a person saw that the request ended, or that filtering for a plan did. Repeating
    it changes nothing.

    Raises Conflict if it has not ended, or if another end came after the one that the person saw.
    """
    person = actor.require_person()
    request = lock_request_for(actor, seen.request_id)
    if request.last_end_at is None:
        raise Conflict("This request has not ended yet.", code="not-ended")
    if request.last_end_at != seen.ended_at:
        raise Conflict(
            (
                f"{request.name} ended again after you loaded this page. See how it ended, then "
                f"acknowledge that."
            ),
            code="ended-again",
        )
    if request.acknowledged_at:
        return request
    now = timezone.now()
    request.acknowledged_at, request.acknowledged_by = now, person
    request.save(update_fields=["acknowledged_at", "acknowledged_by"])
    append_event(
        organization_id=request.organization_id,
        type=EventType.REQUEST_ACKNOWLEDGED,
        at=now,
        request=request,
        actor=actor,
    )
    return request


@transaction.atomic
def acknowledge_all(
    *, organization: Organization, ends: Sequence[SeenEnd], actor: Actor
) -> list[MitigationRequest]:
    """Acknowledge all or none; return them in the given order. Repeating it changes nothing.

    Raises Invalid for requests of another organization, and Conflict as `acknowledge` does.
    """
    request_ids = [one.request_id for one in ends]
    known = MitigationRequest.objects.filter(organization=organization, pk__in=request_ids)
    statuses = dict(known.values_list("pk", "status"))
    unknown = [index for index, one in enumerate(request_ids) if one not in statuses]
    if unknown:
        message = "There is no such request. Leave it out."
        errors = [FieldError(f"ends.{index}", "unknown-request", message) for index in unknown]
        raise Invalid("Nothing was acknowledged.", errors=errors)
    lock_requests(request_ids)
    return [acknowledge(one, actor=actor) for one in dict.fromkeys(ends)]
