"""Settle a request: derive its status from its mitigations, then start and withdraw mitigations by
policy.

Only this module and transitions.py write a status. Locks are taken in this order: request, its
mitigations, event counter, subscriptions (docs/locking.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from portal.core.targets import Targets
from portal.events.data import EventData
from portal.events.log import append_event, lock_log
from portal.events.models import EventType
from portal.mitigations import queries
from portal.mitigations.causes import Cause, WithdrawnCause
from portal.mitigations.failover import (
    Why,
    current_mitigations,
    due,
    ended_by,
    is_withdrawn_by_policy,
    may_be_started,
    next_try_at,
    requested_until,
    uncovered_targets,
    why_no_help,
)
from portal.mitigations.late_acceptance import withdrawn_on_late_acceptance
from portal.mitigations.models import (
    EndedBy,
    Mitigation,
    MitigationRequest,
    RequestKind,
    Strategy,
    Wanted,
)
from portal.mitigations.plan_ends import filtering_ended_at, is_acted_on
from portal.mitigations.replacement import without_consent
from portal.mitigations.services.locks import lock_mitigation, mitigations_of
from portal.mitigations.services.start_and_end import end_mitigation, start_mitigation
from portal.mitigations.services.transitions import Transition, apply
from portal.mitigations.states import (
    REQUEST_TERMINAL,
    SET_BACK,
    STALE_AFTER,
    STILL_TRYING_WITHIN,
    MitigationState,
    RequestStatus,
    Status,
    request_status,
)
from portal.mitigations.wind_down import has_stopped


@transaction.atomic(savepoint=False)
def advance(transition: Transition, *, now: datetime) -> Mitigation | None:
    """Apply `transition`; None if the mitigation has already ended: late reports change nothing."""
    mitigation = lock_mitigation(transition.mitigation_id)
    if mitigation.is_over:
        return None
    apply(mitigation, transition, now=now)
    settle(mitigation.request, now=now)
    return mitigation


def settle(request: MitigationRequest, *, now: datetime) -> None:
    """Derive a locked request's status from its mitigations. By policy, ask the next provider and
    withdraw unneeded ones.
    """
    _hold_again(request, mitigations_of(request), now=now)
    _note_requested_end(request, mitigations_of(request))
    is_wanted = request.terminate_asked_at is None and not request.is_past_its_time(now)
    if is_wanted and request.strategy == Strategy.FAILOVER:
        _ask_next(request, mitigations_of(request), now=now)
        _withdraw_on_late_acceptance(request, mitigations_of(request), now=now)
    if request.is_past_its_time(now):
        _stop_requesting(mitigations_of(request), now=now)
    mitigations = mitigations_of(request)
    _note_end_of_filtering(request, mitigations)
    has_uncovered_targets = is_wanted and bool(
        uncovered_targets(request.scope, current_mitigations(mitigations))
    )
    if has_uncovered_targets != request.has_uncovered_targets:
        request.has_uncovered_targets = has_uncovered_targets
        request.save(update_fields=["has_uncovered_targets"])
    status = request_status(
        (
            MitigationState(
                status=Status(mitigation.status),
                is_overdue=mitigation.overdue_at is not None or mitigation.setbacks > 0,
                is_given_up=mitigation.wanted == Wanted.WITHDRAWN and not mitigation.hold_again,
                is_held_again=mitigation.hold_again,
            )
            for mitigation in mitigations
        ),
        is_termination_asked=request.terminate_asked_at is not None,
    )
    if status == request.status:
        return
    data = _next_try(mitigations, now) if status == RequestStatus.FAILING else EventData()
    by = ended_by(request, mitigations) if status in REQUEST_TERMINAL else None
    _set_status(request, status, now=now, by=by, data=data)


def end_unsent(
    request: MitigationRequest, status: RequestStatus, by: EndedBy, *, now: datetime
) -> None:
    """End a locked request of which nothing was sent, since no one approved it."""
    _set_status(request, status, now=now, by=by, data=EventData())


def _set_status(
    request: MitigationRequest,
    status: RequestStatus,
    *,
    now: datetime,
    by: EndedBy | None,
    data: EventData,
) -> None:
    """`by`: why it is over; None if it is not."""
    previous, request.status = request.status, status
    request.ended_at = now if by else None
    request.ended_by = by or ""
    request.save(update_fields=["status", "ended_at", "ended_by"])
    said = EventData(status=status.value, previous=previous)
    if by:
        said["ended_by"] = by.value
    append_event(
        organization_id=request.organization_id,
        type=EventType.REQUEST_STATUS,
        at=now,
        request=request,
        data=said | data,
    )


def _note_requested_end(request: MitigationRequest, mitigations: Sequence[Mitigation]) -> None:
    until = requested_until(request, mitigations)
    if until != request.requested_until:
        request.requested_until = until
        request.save(update_fields=["requested_until"])


def _stop_requesting(mitigations: Sequence[Mitigation], *, now: datetime) -> None:
    """Give up the providers that hold nothing when the requested lifetime has ended.

    The others stop at the end of theirs.
    """
    for mitigation in mitigations:
        is_asked = (
            mitigation.status in (Status.PENDING, *SET_BACK) and mitigation.expires_at is None
        )
        if is_asked and mitigation.wanted == Wanted.ACTIVE:
            end_mitigation(mitigation, now=now)


def _note_end_of_filtering(request: MitigationRequest, mitigations: Sequence[Mitigation]) -> None:
    ended_at = filtering_ended_at(current_mitigations(mitigations))
    if ended_at == request.filtering_ended_at:
        return
    if ended_at is None:
        # A provider filters again: earlier ends are in the log and not part of the next one.
        _clear_ends(mitigations)
    request.filtering_ended_at = ended_at
    request.acknowledged_at = request.acknowledged_by = None
    request.save(update_fields=["filtering_ended_at", "acknowledged_at", "acknowledged_by"])


def settle_ends_of_filtering(mitigations: Sequence[Mitigation]) -> None:
    """A person ends the filtering for a plan: providers that stopped on their own before need no
    acknowledgement any more.
    """
    if is_acted_on(mitigations):
        _clear_ends(mitigations)


def _clear_ends(mitigations: Sequence[Mitigation]) -> None:
    for mitigation in mitigations:
        if mitigation.filtering_end is not None:
            mitigation.filtering_end = None
            mitigation.save(update_fields=["filtering_end"])


def _next_try(mitigations: Sequence[Mitigation], now: datetime) -> EventData:
    """For the event of a failing request: that it waits for a person, or when the next attempt is,
    unless that is soon.

    The log must not call a long wait an attempt.
    """
    at = next_try_at(mitigations, now)
    if at is None:
        return {"waits": True}
    return {"next_try_at": at.isoformat()} if at > now + STILL_TRYING_WITHIN else {}


def _ask_next(request: MitigationRequest, mitigations: list[Mitigation], *, now: datetime) -> None:
    current = {
        mitigation.subscription_id: mitigation for mitigation in current_mitigations(mitigations)
    }
    free = [one for one in request.subscriptions if may_be_started(current.get(one))]
    if not (free and any(why_no_help(mitigation) for mitigation in current.values())):
        return
    by_id = {
        assigned.provider.subscription: assigned
        for assigned in queries.assigned_scopes(request)
        if assigned.provider.subscription in free
    }
    able = {one: assigned.scope for one, assigned in by_id.items() if assigned.is_able}
    found = due(able, list(current.values()))
    if found:
        able = _harmless(request, able)
        found = due(able, list(current.values()))
    for one in sorted(found, key=lambda each: each.subscription):
        start_mitigation(request, by_id[one.subscription], why=one.why, now=now)


def _harmless(request: MitigationRequest, scopes: Mapping[UUID, Targets]) -> dict[UUID, Targets]:
    """The providers that can be asked without taking protection from another live request against a
    person's consent.
    """
    lock_log(request.organization_id)
    live = queries.replaceable(request.organization_id, RequestKind(request.kind))
    return {
        subscription: scope
        for subscription, scope in scopes.items()
        if not without_consent(request, subscription, scope, live)
    }


def _hold_again(
    request: MitigationRequest, mitigations: list[Mitigation], *, now: datetime
) -> None:
    """Ask stopped providers to hold the plan again, under a new mid.

    No provider is asked to hold a plan that was turned off.
    """
    is_off = request.terminate_asked_at is not None
    stopped = [
        mitigation
        for mitigation in mitigations
        if mitigation.hold_again and (is_off or has_stopped(mitigation, now=now))
    ]
    if not stopped:
        return
    for mitigation in stopped:
        mitigation.hold_again = False
        mitigation.save(update_fields=["hold_again"])
    if not is_off:
        assigned_scopes = {
            assigned.provider.subscription: assigned
            for assigned in queries.assigned_scopes(request)
            if assigned.is_able
        }
        for subscription_id in sorted(mitigation.subscription_id for mitigation in stopped):
            if subscription_id in assigned_scopes:
                start_mitigation(
                    request, assigned_scopes[subscription_id], why=Why(Cause.HELD_AGAIN), now=now
                )


def _withdraw_on_late_acceptance(
    request: MitigationRequest, mitigations: list[Mitigation], *, now: datetime
) -> None:
    if len(mitigations) < 2:
        return
    found = withdrawn_on_late_acceptance(
        current_mitigations(mitigations),
        policy=request.organization.late_acceptance,
        heard_since=now - STALE_AFTER,
        spared={
            mitigation.subscription_id
            for mitigation in mitigations
            if is_withdrawn_by_policy(mitigation)
        },
    )
    for mitigation, filtering in found:
        end_mitigation(
            mitigation,
            now=now,
            cause=WithdrawnCause.EARLIER_FILTERS,
            withdrawn_for=filtering,
        )
