"""The event log: numbered per organization, broadcast on commit."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.db import transaction

from portal.accounts.actors import Actor
from portal.core.broadcast import broadcast_on_commit
from portal.core.increment_returning import increment_returning
from portal.events.data import EventData
from portal.events.models import Event, EventCounter, EventType


class _Request(Protocol):
    @property
    def pk(self) -> UUID: ...


class _Mitigation(Protocol):
    request_id: UUID

    @property
    def pk(self) -> UUID: ...


@transaction.atomic(savepoint=False)
def append_event(
    *,
    organization_id: UUID,
    type: EventType,
    at: datetime,
    request: _Request | None = None,
    mitigation: _Mitigation | None = None,
    actor: Actor | None = None,
    is_by_staff: bool = False,
    data: EventData | None = None,
) -> Event:
    """Append one event; an event of a mitigation also belongs to its request. The counter's row is
    locked until the commit, which orders commits by `seq`.

    Members can read `data`. It has the name of `actor`, or only that the portal's staff acted:
    which of them is in the row alone.
    """
    who: EventData = {"by": "staff"} if is_by_staff else _actor_data(actor)
    written: EventData = {**who, **(data or EventData())}
    event = Event.objects.create(
        organization_id=organization_id,
        seq=_next_seq(organization_id),
        at=at,
        type=type,
        request_id=mitigation.request_id if mitigation else request.pk if request else None,
        mitigation_id=mitigation.pk if mitigation else None,
        actor=actor.user if actor else None,
        data=written,
    )
    broadcast_on_commit(organization_id, event.as_message())
    return event


def _actor_data(actor: Actor | None) -> EventData:
    if actor is None:
        return {}
    data = EventData(actor_kind=actor.kind.value)
    if actor.name:
        data["actor"] = actor.name
    return data


def lock_log(organization_id: UUID) -> None:
    """Lock the counter before a subscription's row: every transaction that locks both takes them in
    this order.
    """
    _count(organization_id, 0)


def _next_seq(organization_id: UUID) -> int:
    return _count(organization_id, 1)


def _count(organization_id: UUID, more: int) -> int:
    number = increment_returning(EventCounter, organization_id, "last_seq", more)
    if number is None:
        EventCounter.objects.get_or_create(organization_id=organization_id)
        number = increment_returning(EventCounter, organization_id, "last_seq", more)
    assert number is not None, "a counter is never deleted"
    return number
