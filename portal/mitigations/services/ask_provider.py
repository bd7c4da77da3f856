"""Ask one provider of a request now, manually: for the first time, or again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.core.broadcast import wake_on_commit
from portal.core.errors import Conflict, FieldError, Invalid
from portal.core.formatting import moment
from portal.events.log import append_event, lock_log
from portal.events.models import EventType
from portal.mitigations import queries
from portal.mitigations.causes import Cause
from portal.mitigations.consent import NO_CONSENT, Consent
from portal.mitigations.failover import Why, current_mitigations, is_withdrawn_by_person
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind, Wanted
from portal.mitigations.replacement import Proposal, Replaced, would_replace
from portal.mitigations.services.advance import settle
from portal.mitigations.services.locks import lock_request_for, mitigations_of
from portal.mitigations.services.quota_check import refuse_if_many_end
from portal.mitigations.services.start_and_end import start_mitigation
from portal.mitigations.services.terminate import refuse_if_ending, refuse_if_not_immediate
from portal.mitigations.services.transitions import Transition, apply
from portal.mitigations.states import SET_BACK, Status, Trigger
from portal.mitigations.validation import AssignedScope


@transaction.atomic
def ask_provider(
    *,
    request_id: UUID,
    actor: Actor,
    subscription_id: UUID | None = None,
    consent: Consent = NO_CONSENT,
) -> MitigationRequest:
    """Ask a provider now, regardless of the order; without `subscription_id`, the next one not
    asked yet.

    Raises WouldReplace if that would replace other live requests at the provider without `consent`.

    Asking a provider that is already asked changes nothing. A provider in the portal's own backoff
    is asked immediately; one that named a retry time is not (SC-046). A withdrawn provider gets a
    new mitigation, or QuotaExceeded if too many of the request are still ending. For a plan, only
    providers that should hold it can be asked.
    """
    actor.require_person()
    request = lock_request_for(actor, request_id)
    refuse_if_ending(request)
    now = timezone.now()
    if request.is_past_its_time(now):
        raise Conflict(
            "The lifetime of this request has run out. Extend it, then ask.", code="lifetime-over"
        )
    current = {
        mitigation.subscription_id: mitigation
        for mitigation in current_mitigations(mitigations_of(request))
    }
    assigned_scopes = {
        assigned.provider.subscription: assigned for assigned in queries.assigned_scopes(request)
    }
    if subscription_id is None:
        subscription_id = _next_in_order(request, current, assigned_scopes, now=now)
    mitigation = current.get(subscription_id)
    if not _should_hold(mitigation):
        refuse_if_not_immediate(request)
    if (
        mitigation is None
        or mitigation.is_over
        or (mitigation.wanted == Wanted.WITHDRAWN and not mitigation.is_replaced)
    ):
        _start(request, subscription_id, assigned_scopes, actor=actor, consent=consent, now=now)
    elif not _is_requested_already(mitigation, now=now):
        _ask_again(mitigation, actor=actor, now=now)
    else:
        wake_on_commit(subscription_id)
        return request
    settle(request, now=now)
    return request


def _should_hold(mitigation: Mitigation | None) -> bool:
    """Check that the provider should hold the plan. Any other provider joins only by a change of
    the plan.
    """
    if mitigation is None or mitigation.is_over or mitigation.wanted == Wanted.WITHDRAWN:
        return False
    return mitigation.request.kind == RequestKind.STANDBY


def _next_in_order(
    request: MitigationRequest,
    current: dict[UUID, Mitigation],
    assigned_scopes: dict[UUID, AssignedScope],
    *,
    now: datetime,
) -> UUID:
    """The first provider in order that was not asked yet, else the first in backoff."""
    able = [
        one
        for one in request.subscriptions
        if one in assigned_scopes and assigned_scopes[one].is_able
    ]
    for subscription_id in able:
        mitigation = current.get(subscription_id)
        if mitigation is None or (
            mitigation.wanted == Wanted.WITHDRAWN and not is_withdrawn_by_person(mitigation)
        ):
            return subscription_id
    for subscription_id in able:
        mitigation = current[subscription_id]
        if (
            mitigation.wanted == Wanted.ACTIVE
            and mitigation.status in SET_BACK
            and not _must_wait(mitigation, now)
        ):
            return subscription_id
    raise Conflict("Every provider of this request has been asked.", code="nobody-left")


def _start(
    request: MitigationRequest,
    subscription_id: UUID,
    assigned_scopes: dict[UUID, AssignedScope],
    *,
    actor: Actor,
    consent: Consent,
    now: datetime,
) -> None:
    assigned = assigned_scopes.get(subscription_id)
    if assigned is None:
        message = "This provider is not connected for your organization. Choose a listed one."
        error = FieldError("subscription", "unknown-subscription", message)
        raise Invalid("Nothing was sent. Correct one thing.", errors=[error])
    if not assigned.is_able:
        raise Conflict(f"{assigned.why_not()}. It was not asked.", code="nothing-to-protect")
    if request.approval_row is not None and subscription_id not in request.subscriptions:
        raise Conflict(
            f"{assigned.provider.name} is not part of what was approved. Request mitigation again "
            "to ask it too.",
            code="not-approved",
        )
    refuse_if_many_end(request, actor)
    replaced = _replaced(request, assigned)
    consent.check(replaced)
    request.replaces = tuple(sorted({*request.replaces, *(one.id for one in replaced)}))
    request.save(update_fields=["replaces"])
    if subscription_id not in request.subscriptions:
        request.subscriptions = (*request.subscriptions, subscription_id)
        request.save(update_fields=["subscriptions"])
    mitigation = start_mitigation(request, assigned, why=Why(Cause.BY_HAND), actor=actor, now=now)
    append_event(
        organization_id=request.organization_id,
        type=EventType.MITIGATION_ASKED,
        at=now,
        request=request,
        mitigation=mitigation,
        actor=actor,
        data={"status": mitigation.status},
    )


def _replaced(request: MitigationRequest, assigned: AssignedScope) -> list[Replaced]:
    """The other live requests that this provider would replace with this part of `request`."""
    # A transaction that starts a mitigation holds the lock on the event counter until it commits,
    # so a second overlapping one sees the first.
    lock_log(request.organization_id)
    live = queries.replaceable(request.organization_id, RequestKind(request.kind), but=[request.pk])
    return would_replace(
        Proposal(
            scopes={assigned.provider.subscription: assigned.scope},
            ports=request.ports,
            protocols=request.protocols,
        ),
        live,
    )


def _must_wait(mitigation: Mitigation, now: datetime) -> bool:
    return mitigation.must_wait and mitigation.retry_at is not None and mitigation.retry_at > now


def _is_requested_already(mitigation: Mitigation, *, now: datetime) -> bool:
    """Whether it is already asked. Raises Conflict, with the reason, if it cannot be asked now."""
    provider = mitigation.subscription.provider.short_name
    if _must_wait(mitigation, now):
        raise Conflict(
            f"{provider} asked the portal not to retry before "
            f"{moment(mitigation.retry_at, now, zone=True)}. The portal retries then.",
            code="told-to-wait",
        )
    if mitigation.is_replaced:
        raise Conflict(f"{provider} holds your newer request for these addresses.", code="replaced")
    if mitigation.status == Status.TERMINATING:
        raise Conflict(
            f"{provider} is winding down. Retry once it has stopped.", code="winding-down"
        )
    return mitigation.status not in SET_BACK


def _ask_again(mitigation: Mitigation, *, actor: Actor, now: datetime) -> None:
    transition = Transition(
        mitigation_id=mitigation.pk,
        trigger=Trigger.RETRY_DUE,
        columns={"asked_at": now, "overdue_at": None, "retry_at": None, "asked_by": actor.user},
        event_data={"why": "by_hand"},
        event=EventType.MITIGATION_ASKED,
        actor=actor,
    )
    apply(mitigation, transition, now=now)
    wake_on_commit(mitigation.subscription_id, mitigation.pk)
