"""The event log: numbered per organization, broadcast on commit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NotRequired, Protocol, TypedDict, Unpack
from uuid import UUID

from django.db import connection, transaction

from portal.accounts.actors import Actor
from portal.audit.origin import current_origin
from portal.core.broadcast import EventFrame, broadcast_many_on_commit, broadcast_on_commit
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


class NewEvent(TypedDict):
    """An event before it has a number. One of a mitigation also belongs to its request.

    Members can read `data`. It has the name of `actor`, or only that the portal's staff acted:
    which of them is in the row alone.
    """

    organization_id: UUID
    type: EventType
    at: datetime
    request: NotRequired[_Request]
    mitigation: NotRequired[_Mitigation]
    actor: NotRequired[Actor | None]
    is_by_staff: NotRequired[bool]
    data: NotRequired[EventData | None]


@transaction.atomic(savepoint=False)
def append_event(**new: Unpack[NewEvent]) -> Event:
    """Append one event. The counter's row is locked until the commit, which orders commits by
    `seq`.
    """
    event = event_row(**new)
    event.seq = _next_seq(event.organization_id)
    event.save(force_insert=True)
    broadcast_on_commit(event.organization_id, event.as_message())
    return event


@transaction.atomic(savepoint=False)
def append_rows(rows: Sequence[Event]) -> None:
    """Append rows of `event_row`, all of one organization, in their order with one statement. The
    counter's row is locked from here to the commit.
    """
    if not rows:
        return
    organization_id = rows[0].organization_id
    first = _count(organization_id, len(rows)) - len(rows) + 1
    for seq, row in enumerate(rows, first):
        row.seq = seq
    Event.objects.bulk_create(rows)
    broadcast_on_commit(organization_id, *(row.as_message() for row in rows))


def event_row(**new: Unpack[NewEvent]) -> Event:
    """The row of `append_event`, for `append_rows`, or for a statement that numbers and inserts it.
    The transaction of such a statement must count on the locked counter, and broadcast the event
    when it commits.
    """
    request, mitigation, actor = new.get("request"), new.get("mitigation"), new.get("actor")
    who: EventData = {"by": "staff"} if new.get("is_by_staff") else _actor_data(actor)
    return Event(
        organization_id=new["organization_id"],
        at=new["at"],
        type=new["type"],
        request_id=mitigation.request_id if mitigation else request.pk if request else None,
        mitigation_id=mitigation.pk if mitigation else None,
        actor=actor.user if actor else None,
        origin=current_origin().as_json() if who else None,
        data=who | (new.get("data") or EventData()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedEvent:
    """An event without an actor, before it has a number."""

    organization_id: UUID
    type: EventType
    at: datetime
    data: EventData
    request_id: UUID | None = None
    mitigation_id: UUID | None = None


def lock_free_logs(new_events: Mapping[UUID, int]) -> dict[UUID, int]:
    """Count `new_events` of each organization, and return the number of the event before them.

    This never waits: an organization whose log another transaction has locked is missing, and
    nothing is counted for it. The others stay locked until the commit.
    """
    if not new_events:
        return {}
    if connection.vendor != "postgresql":
        return {one: _count(one, more) - more for one, more in new_events.items()}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_IN_FREE_LOGS, [list(new_events), list(new_events.values())])
        return dict(cursor.fetchall())


_COUNT_IN_FREE_LOGS: Final = """
WITH free AS (
  SELECT organization_id, more FROM mitigations_eventcounter
  JOIN unnest(%s::uuid[], %s::bigint[]) AS new (organization_id, more) USING (organization_id)
  ORDER BY organization_id FOR UPDATE OF mitigations_eventcounter SKIP LOCKED
)
UPDATE mitigations_eventcounter AS counter SET last_seq = counter.last_seq + free.more
FROM free WHERE counter.organization_id = free.organization_id
RETURNING counter.organization_id, counter.last_seq - free.more
"""


def append_counted(events: Sequence[ReportedEvent], counted: Mapping[UUID, int]) -> None:
    """Append events in their order with one statement, after `lock_free_logs` has `counted` them.
    Send one message for all organizations.
    """
    last, frames = dict(counted), defaultdict[UUID, list[EventFrame]](list)
    rows: list[Event] = []
    for event in events:
        last[event.organization_id] += 1
        row = Event(
            organization_id=event.organization_id,
            seq=last[event.organization_id],
            at=event.at,
            type=event.type,
            request_id=event.request_id,
            mitigation_id=event.mitigation_id,
            data=event.data,
        )
        rows.append(row)
        frames[event.organization_id].append(row.as_message())
    Event.objects.bulk_create(rows)
    broadcast_many_on_commit(frames)


def _actor_data(actor: Actor | None) -> EventData:
    if actor is None:
        return {}
    data = EventData(actor_kind=actor.kind.value)
    if actor.name:
        data["actor"] = actor.name
    if actor.acting_reason:
        data["acting_reason"] = actor.acting_reason
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
