"""Create a request for a mitigation that a provider already holds, so that it is renewed and ended
like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from portal.accounts.actors import Actor
from portal.core.broadcast import wake_on_commit
from portal.core.targets import PortRange, Targets
from portal.events.log import lock_log
from portal.mitigations.causes import Cause
from portal.mitigations.models import (
    MitigationRequest,
    Strategy,
)
from portal.mitigations.services.advance import settle
from portal.mitigations.services.create import append_submitted, new_request, save_new
from portal.mitigations.services.transitions import Transition, apply
from portal.mitigations.states import BY_DOTS_STATUS, Status, Trigger
from portal.mitigations.validation import Checked
from portal.organizations.models import Organization


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A mitigation that a provider holds, as reported at `reported_at`."""

    subscription_id: UUID
    mid: int
    "unused by every other mitigation of the subscription"
    scope: Targets
    "the original scope, which a refresh must repeat"
    ports: tuple[PortRange, ...]
    protocols: tuple[int, ...]
    lifetime_s: int
    "the lifetime to request on renewal"
    dots_status: int | None
    reported_at: datetime
    began_at: datetime
    "the start that the provider reports, or the time when the portal found it"
    expires_at: datetime | None

    @property
    def trigger(self) -> Trigger:
        return BY_DOTS_STATUS.get(self.dots_status or 0, Trigger.ACCEPTED)


@transaction.atomic
def adopt_mitigation(
    *, organization: Organization, actor: Actor, checked: Checked, running: Running, now: datetime
) -> MitigationRequest:
    """Create a request that owns `running`, with the reported status.

    `checked`: its scope as a submission. Raises QuotaExceeded.
    """
    # No other transaction can lock the rows created here, so locking the event counter first is
    # safe, as in the callers.
    lock_log(organization.pk)
    as_held = replace(
        checked,
        scope=running.scope,
        ports=running.ports,
        protocols=running.protocols,
        strategy=Strategy.FAILOVER,
    )
    request = new_request(organization=organization, actor=actor, checked=as_held, now=now)
    save_new(request, actor)
    append_submitted(request, actor, now, is_adopted=True)
    is_filtering = running.trigger == Trigger.FILTERING
    mitigation = request.mitigations.create(
        organization=organization,
        subscription_id=running.subscription_id,
        position=0,
        mid=running.mid,
        scope=running.scope,
        asked_at=now,
        cause=Cause.BY_HAND,
        asked_by=actor.user,
        lifetime_s=running.lifetime_s,
        status=Status.PENDING,
        dots_status=running.dots_status,
        sent_at=running.began_at,
        last_sent_at=running.began_at,
        confirmed_at=running.began_at,
        mitigating_at=running.began_at if is_filtering else None,
        refreshed_at=now,
        reported_at=running.reported_at,
        last_heard_at=running.reported_at,
        expires_at=running.expires_at,
    )
    transition = Transition(
        mitigation_id=mitigation.pk, trigger=running.trigger, event_data={"why": "adopted"}
    )
    apply(mitigation, transition, now=now)
    settle(request, now=now)
    wake_on_commit(running.subscription_id)
    return request
