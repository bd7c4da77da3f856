"""Save a new request and its event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from portal.accounts.actors import Actor, ActorKind
from portal.events.data import EventData
from portal.events.log import append_event
from portal.events.models import EventType
from portal.mitigations.models import MitigationRequest, RequestKind
from portal.mitigations.services.quota_check import check_quota
from portal.mitigations.states import RequestStatus
from portal.mitigations.validation import Checked
from portal.organizations.models import Organization


def new_request(
    *,
    organization: Organization,
    actor: Actor,
    checked: Checked,
    now: datetime,
    kind: RequestKind = RequestKind.IMMEDIATE,
    name: str = "",
    replaces: Sequence[UUID] = (),
    status: RequestStatus = RequestStatus.REQUESTING,
) -> MitigationRequest:
    """The row of a request, not saved. Every request is made here.

    `name`: its name, if its targets do not name it.
    """
    request = MitigationRequest(
        kind=kind,
        organization=organization,
        created_at=now,
        created_by=actor.user,
        origin=actor.kind,
        origin_name="" if actor.kind == ActorKind.PERSON else actor.name,
        name=name or checked.name,
        asked=checked.asked,
        scope=checked.scope,
        ports=checked.ports,
        protocols=checked.protocols,
        lifetime_s=checked.lifetime_s,
        auto_renew=checked.auto_renew,
        strategy=checked.strategy,
        subscriptions=checked.subscriptions,
        reason=checked.reason,
        replaces=tuple(replaces),
        status=status,
    )
    # No row yet: reading it would cost a statement.
    MitigationRequest._meta.get_field("approval").set_cached_value(request, None)
    return request


def save_new(request: MitigationRequest, actor: Actor) -> None:
    """Save only the row, without resources, mitigations or an event. The caller has locked the
    organization's log. Raises QuotaExceeded.
    """
    check_quota(
        request.organization, actor, kind=RequestKind(request.kind), replaced=request.replaces
    )
    request.save(force_insert=True)


def append_submitted(
    request: MitigationRequest, actor: Actor, now: datetime, *, is_adopted: bool = False
) -> None:
    data = submitted_data(request)
    if is_adopted:
        data["adopted"] = True
    append_event(
        organization_id=request.organization_id,
        type=EventType.REQUEST_SUBMITTED,
        at=now,
        request=request,
        actor=actor,
        data=data,
    )


def submitted_data(request: MitigationRequest) -> EventData:
    return EventData(status=request.status, name=request.name, kind=request.kind)
