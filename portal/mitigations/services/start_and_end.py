"""Start a mitigation of a request at one provider, and request its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from portal.accounts.actors import Actor
from portal.core.broadcast import wake_on_commit
from portal.core.increment_returning import increment_returning
from portal.events.data import EventData
from portal.events.log import append_event, lock_log
from portal.events.models import EventType
from portal.mitigations.causes import WithdrawnCause
from portal.mitigations.failover import (
    FIRST,
    Why,
)
from portal.mitigations.models import (
    Mitigation,
    MitigationRequest,
    Wanted,
)
from portal.mitigations.services.transitions import Transition, apply
from portal.mitigations.states import (
    Status,
    Trigger,
)
from portal.mitigations.validation import AssignedScope, within_limits
from portal.providers.models import Subscription


def end_mitigation(
    mitigation: Mitigation,
    *,
    now: datetime,
    actor: Actor | None = None,
    cause: WithdrawnCause | None = None,
    withdrawn_for: Sequence[UUID] = (),
    hold_again: bool = False,
) -> None:
    """Request the end of one provider's part of a locked request. `settle` must follow.

    `cause`, `withdrawn_for`: why policy withdraws it, and the subscriptions that filter instead;
    None if policy does not. `hold_again`: it is part of a plan that the provider should hold again
    afterwards.
    """
    never_left = mitigation.sent_at is None and mitigation.status == Status.PENDING
    transition = Transition(
        mitigation_id=mitigation.pk,
        trigger=Trigger.DROPPED_UNSENT if never_left else Trigger.WITHDRAWAL_ASKED,
        columns={
            "wanted": Wanted.WITHDRAWN,
            "withdrawal_asked_at": now,
            "withdrawn_by": actor.user if actor else None,
            "withdrawn_cause": cause or "",
            "withdrawn_for": tuple(withdrawn_for),
            "hold_again": hold_again,
            # A retry time named for the next request does not delay the end.
            "retry_at": None,
        },
        event_data={"why": "unsent"} if never_left else {},
    )
    apply(mitigation, transition, now=now)
    if actor or cause:
        data = EventData()
        if cause:
            data["cause"] = cause.value
        if withdrawn_for:
            data["subscriptions"] = [str(one) for one in withdrawn_for]
        if hold_again:
            data["hold_again"] = True
        append_event(
            organization_id=mitigation.organization_id,
            type=EventType.MITIGATION_WITHDRAW_REQUESTED,
            at=now,
            request=mitigation.request,
            mitigation=mitigation,
            actor=actor,
            data=data,
        )
    wake_on_commit(mitigation.subscription_id, mitigation.pk)


def start_mitigation(
    request: MitigationRequest,
    assigned: AssignedScope,
    *,
    why: Why = FIRST,
    now: datetime,
    actor: Actor | None = None,
) -> Mitigation:
    """Create the mitigation of one provider, with its own mid, and wake the worker that manages its
    session.
    """
    subscription_id = assigned.provider.subscription
    lock_log(request.organization_id)
    mitigation = mitigation_row(request, assigned, why=why, now=now, actor=actor)
    mitigation.mid = allocate_mid(subscription_id)
    mitigation.save(force_insert=True)
    request.locked = None
    wake_on_commit(subscription_id, mitigation.pk)
    return mitigation


def mitigation_row(
    request: MitigationRequest,
    assigned: AssignedScope,
    *,
    why: Why = FIRST,
    now: datetime,
    actor: Actor | None = None,
) -> Mitigation:
    """The row of `start_mitigation`, without its mid."""
    subscription_id = assigned.provider.subscription
    return Mitigation(
        organization_id=request.organization_id,
        request=request,
        subscription_id=subscription_id,
        position=request.subscriptions.index(subscription_id),
        scope=assigned.scope,
        asked_at=now,
        cause=why.cause,
        cause_subscription_id=why.subscription,
        asked_by=actor.user if actor else None,
        lifetime_s=within_limits(request.lifetime_s, assigned.provider),
    )


def allocate_mid(subscription_id: UUID) -> int:
    """The next mid: monotonic per cuid and never assigned twice (RFC 9132 section 4.4.1.1)."""
    following = increment_returning(Subscription, subscription_id, "next_mid", 1)
    assert following is not None, "a subscription that was asked is never deleted"
    return following - 1
