"""End a request: withdraw it at every provider."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor, ActorKind
from portal.core.errors import Conflict
from portal.core.formatting import when
from portal.events.log import append_event
from portal.events.models import EventType
from portal.mitigations.models import MitigationRequest
from portal.mitigations.services.advance import settle, settle_ends_of_filtering
from portal.mitigations.services.approval_rows import ApprovalTrigger, close_approval
from portal.mitigations.services.locks import lock_request_for, mitigations_of
from portal.mitigations.services.start_and_end import end_mitigation
from portal.organizations.acting import name_at


@transaction.atomic
def terminate(
    *, request_id: UUID, actor: Actor, newer: MitigationRequest | None = None
) -> MitigationRequest:
    """Withdraw it at every provider. Repeating it, or coming second, changes nothing.

    Only a person, a service token or the portal may call this. `newer`: the request that filters
    all of it instead.
    """
    is_program = actor.kind == ActorKind.SERVICE_TOKEN
    if actor.kind != ActorKind.PORTAL and not is_program:
        actor.require_person()
    request = lock_request_for(actor, request_id)
    if request.terminate_asked_at or request.is_over:
        return request
    now = timezone.now()
    request.terminate_asked_at, request.terminate_asked_by = now, actor.user
    request.terminate_asked_by_token = actor.name if is_program else ""
    request.save(
        update_fields=["terminate_asked_at", "terminate_asked_by", "terminate_asked_by_token"]
    )
    append_event(
        organization_id=request.organization_id,
        type=EventType.REQUEST_TERMINATE_REQUESTED,
        at=now,
        request=request,
        actor=actor,
        data={"newer": str(newer.pk), "newer_name": newer.name} if newer else None,
    )
    if request.waits_for_approval:
        close_approval(request, ApprovalTrigger.TERMINATED, now=now, by=actor.user)
    settle_ends_of_filtering(mitigations_of(request))
    for mitigation in mitigations_of(request):
        if not (mitigation.is_over or mitigation.withdrawal_asked_at):
            end_mitigation(mitigation, now=now)
    settle(request, now=now)
    return request


def refuse_if_ending(request: MitigationRequest) -> None:
    if request.waits_for_approval:
        raise Conflict(
            "Nothing has been sent. This request waits for approval.", code="awaiting-approval"
        )
    if request.terminate_asked_at:
        person, token = request.terminate_asked_by, request.terminate_asked_by_token
        name = name_at(person, request.organization_id, request.terminate_asked_at)
        who = f"The token ‘{token}’" if token else name or "The portal"
        at = when(request.terminate_asked_at, timezone.now(), zone=True)
        raise Conflict(f"{who} terminated this {at}. Nothing more to do.", code="terminated")
    if request.is_over:
        raise Conflict("This request has ended. Request mitigation again.", code="ended")


def refuse_if_not_immediate(request: MitigationRequest) -> None:
    if not request.is_immediate:
        raise Conflict(
            "To change which providers hold the plan, change the plan.", code="part-of-a-plan"
        )
