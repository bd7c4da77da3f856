"""The only code that writes a status: one mitigation by the table, its request by derivation, the
next mitigation by policy.

Locks are taken in this order: request, its mitigations, event counter, subscriptions
(docs/locking.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from portal.accounts.actors import Actor
from portal.core.increment_returning import increment_returning
from portal.core.wake import wake_on_commit
from portal.events.log import append_event, lock_log
from portal.events.models import EventType
from portal.mitigations import queries
from portal.mitigations.causes import Cause, WithdrawnCause
from portal.mitigations.failover import (
    FIRST,
    Why,
    current_mitigations,
    due,
    ended_by,
    is_withdrawn_by_policy,
    may_be_started,
    next_try_at,
    requested_until,
    surplus,
    uncovered_targets,
    why_no_help,
)
from portal.mitigations.models import (
    Mitigation,
    MitigationRequest,
    RequestKind,
    Strategy,
    Targets,
    Wanted,
)
from portal.mitigations.plan_ends import filtering_end, filtering_ended_at, is_acted_on
from portal.mitigations.replacing import without_consent
from portal.mitigations.states import (
    ACTIVE,
    CONFIRMED,
    REQUEST_TERMINAL,
    SET_BACK,
    STILL_TRYING_WITHIN,
    TERMINAL,
    WINDING_DOWN,
    MitigationState,
    RequestStatus,
    Status,
    Trigger,
    next_status,
    request_status,
)
from portal.mitigations.validation import AssignedScope, within_limits
from portal.providers.models import Subscription

FIRST_RETRY_S: Final = 30
MAX_RETRY_S: Final = 600
MAX_DOUBLINGS: Final = 10
OF_ONE_ACTIVATION: Final = (
    "mitigating_at",
    "mitigation_start",
    "bytes_dropped",
    "pkts_dropped",
    "bps_dropped",
    "pps_dropped",
    "counters_at",
    "counters_since",
)
WIND_DOWN_AT_MOST: Final = timedelta(seconds=300)
"""After it was told to stop a provider may go on for so long, and not longer (RFC 9132 section
4.4.4).
"""
FILTERING_HEARD_WITHIN: Final = timedelta(seconds=90)
"""Three heartbeats: an older word that somebody filters is no ground to withdraw somebody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One mitigation's change: what happened, which columns say so, and what the event tells."""

    mitigation_id: UUID
    trigger: Trigger | None = None
    "None: columns change, the status does not"
    columns: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    "beside status and previous, in the event"
    event: EventType | None = None
    "None: an event only when the status changes"
    actor: Actor | None = None


@transaction.atomic(savepoint=False)
def advance(step: Step, *, now: datetime) -> Mitigation | None:
    """Apply `step`; None when the mitigation is over already, for late words change nothing."""
    mitigation = lock_mitigation(step.mitigation_id)
    if mitigation.is_over:
        return None
    apply(mitigation, step, now=now)
    settle(mitigation.request, now=now)
    return mitigation


def lock_mitigation(mitigation_id: UUID) -> Mitigation:
    """The mitigation, with its request and all of that one's mitigations locked: one process at a
    time decides about them.
    """
    rows = MitigationRequest.objects.select_for_update(of=("self",), no_key=True)
    request = rows.get(mitigations=mitigation_id)
    return next(
        mitigation for mitigation in mitigations_of(request) if mitigation.pk == mitigation_id
    )


def lock_request(request_id: UUID) -> MitigationRequest:
    """The request, locked with all of its mitigations before the first event of what follows."""
    request = MitigationRequest.objects.select_for_update(no_key=True).get(pk=request_id)
    mitigations_of(request)
    return request


def mitigations_of(request: MitigationRequest) -> list[Mitigation]:
    """The mitigations of a locked request in the order of the lanes, locked with it and as changed
    since.
    """
    if request.locked is None:
        mitigations = request.mitigations.select_for_update(of=("self",), no_key=True)
        mitigations = mitigations.order_by("position")
        request.locked = list(mitigations.select_related("subscription__provider"))
    return request.locked


def lock_requests(request_ids: Iterable[UUID]) -> None:
    """Several at once with their mitigations, in one order, before anything is written about any of
    them.
    """
    ids = set(request_ids)
    requests = MitigationRequest.objects.select_for_update(no_key=True).filter(pk__in=ids)
    list(requests.order_by("pk").values_list("pk"))
    mitigations = Mitigation.objects.select_for_update(no_key=True).filter(request__in=ids)
    list(mitigations.order_by("pk").values_list("pk"))


def apply(mitigation: Mitigation, step: Step, *, now: datetime) -> None:
    """Write one step of a locked mitigation, with its event. `settle` must follow."""
    previous = Status(mitigation.status)
    status = next_status(previous, step.trigger) if step.trigger else previous
    columns: dict[str, Any] = {}
    if status != previous:
        # What the step itself says, such as a provider's own time for the next try, goes before.
        columns = {"status": status, **_turn(mitigation, previous, status, now)}
        columns |= _filtering(mitigation, step, status, now)
    columns |= step.columns
    if mitigation.unsaved_at is not None and "last_heard_at" in step.columns:
        columns["unsaved_at"] = None
    if status == Status.MITIGATING and mitigation.mitigating_at is None:
        columns["mitigating_at"] = now
    for name, value in columns.items():
        setattr(mitigation, name, value)
    if columns:
        mitigation.save(update_fields=list(columns))
    event = step.event or (EventType.MITIGATION_STATUS if status != previous else None)
    if event:
        append_event(
            organization_id=mitigation.organization_id,
            type=event,
            at=now,
            request=mitigation.request,
            mitigation=mitigation,
            actor=step.actor,
            data={"status": status.value, "previous": previous.value, **step.told},
        )


def retry_at(setbacks: int, now: datetime) -> datetime:
    """When what failed so often in a row is tried again."""
    wait_s = min(FIRST_RETRY_S * 2 ** min(setbacks - 1, MAX_DOUBLINGS), MAX_RETRY_S)
    return now + timedelta(seconds=wait_s)


def _turn(
    mitigation: Mitigation, previous: Status, status: Status, now: datetime
) -> dict[str, Any]:
    """What the columns say of an end, or of a setback and when it is tried again."""
    if status in SET_BACK:
        setbacks = mitigation.setbacks + 1
        return {"ended_at": now, "setbacks": setbacks, "retry_at": retry_at(setbacks, now)}
    if status in TERMINAL:
        return {"ended_at": now}
    columns: dict[str, Any] = {"ended_at": None} if previous in SET_BACK else {}
    if status == Status.PENDING:
        # Copies are counted from when it was asked last.
        columns["sends"] = 0
    if status == Status.STANDBY:
        # Armed anew: what it did when it was active is the log's.
        columns |= dict.fromkeys(OF_ONE_ACTIVATION)
    return columns | ({"setbacks": 0} if status in CONFIRMED else {})


def _filtering(mitigation: Mitigation, step: Step, status: Status, now: datetime) -> dict[str, Any]:
    """What a change to `status` means for the filtering of a plan: it ended by itself, or began
    again.
    """
    if mitigation.request.kind != RequestKind.STANDBY or step.trigger is None:
        return {}
    if status in ACTIVE:
        return {"filtering_end": None}
    end = filtering_end(
        mitigation,
        step.trigger,
        status,
        now=now,
        conflict=step.columns.get("conflict"),
        newer=partial(queries.newer_for_help_now, mitigation),
    )
    return {} if end is None else {"filtering_end": end}


def settle(request: MitigationRequest, *, now: datetime) -> None:
    """Derive a locked request's status from its mitigations; where policy says so, ask the next,
    withdraw the needless.
    """
    _hold_again(request, mitigations_of(request), now=now)
    _note_requested_end(request, mitigations_of(request))
    is_wanted = request.terminate_asked_at is None and not request.is_past_its_time(now)
    if is_wanted and request.strategy == Strategy.FAILOVER:
        _ask_next(request, mitigations_of(request), now=now)
        _withdraw_surplus(request, mitigations_of(request), now=now)
    if request.is_past_its_time(now):
        _ask_no_more(mitigations_of(request), now=now)
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
    previous, request.status = request.status, status
    is_over = status in REQUEST_TERMINAL
    request.ended_at = now if is_over else None
    request.ended_by = ended_by(request, mitigations) if is_over else ""
    request.save(update_fields=["status", "ended_at", "ended_by"])
    append_event(
        organization_id=request.organization_id,
        type=EventType.REQUEST_STATUS,
        at=now,
        request=request,
        data={
            "status": status.value,
            "previous": previous,
            **({"ended_by": request.ended_by} if is_over else {}),
            **(_next_try(mitigations, now) if status == RequestStatus.FAILING else {}),
        },
    )


def _note_requested_end(request: MitigationRequest, mitigations: Sequence[Mitigation]) -> None:
    until = requested_until(request, mitigations)
    if until != request.requested_until:
        request.requested_until = until
        request.save(update_fields=["requested_until"])


def _ask_no_more(mitigations: Sequence[Mitigation], *, now: datetime) -> None:
    """Give up the providers that hold nothing when the requested lifetime is over.

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
        # A provider filters again: the ends before that are in the log, and no part of the next
        # one.
        _clear_ends(mitigations)
    request.filtering_ended_at = ended_at
    request.acknowledged_at = request.acknowledged_by = None
    request.save(update_fields=["filtering_ended_at", "acknowledged_at", "acknowledged_by"])


def settle_ends_of_filtering(mitigations: Sequence[Mitigation]) -> None:
    """A person ends what is still filtered for a plan: who stopped by itself before that needs no
    acknowledgement any more.
    """
    if is_acted_on(mitigations):
        _clear_ends(mitigations)


def _clear_ends(mitigations: Sequence[Mitigation]) -> None:
    for mitigation in mitigations:
        if mitigation.filtering_end is not None:
            mitigation.filtering_end = None
            mitigation.save(update_fields=["filtering_end"])


def _next_try(mitigations: Sequence[Mitigation], now: datetime) -> dict[str, Any]:
    """When nobody helps: whether that is waited for, and no try is under way.

    A log must not call it trying.
    """
    at = next_try_at(mitigations, now)
    if at is None:
        return {"waits": True}
    return {"next_try_at": at.isoformat()} if at > now + STILL_TRYING_WITHIN else {}


def _ask_next(request: MitigationRequest, mitigations: list[Mitigation], *, now: datetime) -> None:
    current = {
        str(mitigation.subscription_id): mitigation
        for mitigation in current_mitigations(mitigations)
    }
    free = [one for one in request.subscriptions if may_be_started(current.get(one))]
    if not (free and any(why_no_help(mitigation) for mitigation in current.values())):
        return
    by_id = {
        assigned.provider.subscription: assigned
        for assigned in queries.assigned_scopes(request)
        if str(assigned.provider.subscription) in free
    }
    able = {one: assigned.scope for one, assigned in by_id.items() if assigned.is_able}
    found = due(able, list(current.values()))
    if found:
        able = _harmless(request, able)
        found = due(able, list(current.values()))
    for one in sorted(found, key=lambda each: each.subscription):
        start_mitigation(request, by_id[one.subscription], why=one.why, now=now)


def _harmless(request: MitigationRequest, scopes: Mapping[UUID, Targets]) -> dict[UUID, Targets]:
    """The providers that can be asked without another live request losing protection that no person
    agreed to give up.
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
    """Ask who has stopped to hold the plan again, under a new mid.

    A plan that was turned off is held by nobody.
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


def has_stopped(mitigation: Mitigation, *, now: datetime) -> bool:
    """It ended, or the longest time a provider may wind down is over (RFC 9132 section 4.4.4)."""
    told_at = mitigation.withdrawal_confirmed_at
    return mitigation.is_over or (told_at is not None and told_at + WIND_DOWN_AT_MOST <= now)


def winds_down_until(mitigation: Mitigation) -> datetime | None:
    """Until when the provider that was told to stop, or said that it does (5), may take to report
    the end; None: it was not, and did not.
    """
    since = mitigation.withdrawal_confirmed_at
    if since is None and mitigation.dots_status == WINDING_DOWN:
        since = mitigation.reported_at
    is_ending = mitigation.status == Status.TERMINATING
    return since + WIND_DOWN_AT_MOST if is_ending and since is not None else None


def _withdraw_surplus(
    request: MitigationRequest, mitigations: list[Mitigation], *, now: datetime
) -> None:
    if len(mitigations) < 2:
        return
    found = surplus(
        current_mitigations(mitigations),
        policy=request.organization.late_acceptance,
        heard_since=now - FILTERING_HEARD_WITHIN,
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
            withdrawn_for=[str(subscription_id) for subscription_id in filtering],
        )


def end_mitigation(
    mitigation: Mitigation,
    *,
    now: datetime,
    actor: Actor | None = None,
    cause: WithdrawnCause | None = None,
    withdrawn_for: Sequence[str] = (),
    hold_again: bool = False,
) -> None:
    """Want the end of one provider's part of a locked request. `settle` must follow.

    `cause`, `withdrawn_for`: why policy withdraws it, and the subscriptions that filter instead;
    None: policy does not. `hold_again`: it is part of a plan, and the provider is asked to hold
    that again afterwards.
    """
    never_left = mitigation.sent_at is None and mitigation.status == Status.PENDING
    step = Step(
        mitigation_id=mitigation.pk,
        trigger=Trigger.DROPPED_UNSENT if never_left else Trigger.WITHDRAWAL_ASKED,
        columns={
            "wanted": Wanted.WITHDRAWN,
            "withdrawal_asked_at": now,
            "withdrawn_by": actor.user if actor else None,
            "withdrawn_cause": cause or "",
            "withdrawn_for": list(withdrawn_for),
            "hold_again": hold_again,
            # A time named for the next request is none for the end.
            "retry_at": None,
        },
        told={"why": "unsent"} if never_left else {},
    )
    apply(mitigation, step, now=now)
    if actor or cause:
        why = {"cause": cause, "subscriptions": list(withdrawn_for), "hold_again": hold_again}
        append_event(
            organization_id=mitigation.organization_id,
            type=EventType.MITIGATION_WITHDRAW_REQUESTED,
            at=now,
            request=mitigation.request,
            mitigation=mitigation,
            actor=actor,
            data={name: value for name, value in why.items() if value},
        )
    wake_on_commit(mitigation.subscription_id)


def start_mitigation(
    request: MitigationRequest,
    assigned: AssignedScope,
    *,
    why: Why = FIRST,
    now: datetime,
    actor: Actor | None = None,
) -> Mitigation:
    """Create the mitigation of one provider, with a mid of its own, and wake the worker that talks
    to it.
    """
    subscription_id = assigned.provider.subscription
    lock_log(request.organization_id)
    mitigation = request.mitigations.create(
        organization_id=request.organization_id,
        subscription_id=subscription_id,
        position=request.subscriptions.index(str(subscription_id)),
        mid=allocate_mid(subscription_id),
        scope=assigned.scope,
        asked_at=now,
        cause=why.cause,
        cause_subscription_id=why.subscription,
        asked_by=actor.user if actor else None,
        lifetime_s=within_limits(request.lifetime_s, assigned.provider),
    )
    request.locked = None
    wake_on_commit(subscription_id)
    return mitigation


def allocate_mid(subscription_id: UUID) -> int:
    """The next mid: monotonic per cuid and never given twice (RFC 9132 section 4.4.1.1)."""
    following = increment_returning(Subscription, subscription_id, "next_mid", 1)
    assert following is not None, "a subscription that was asked is never deleted"
    return following - 1
