"""Save the first confirmations of many requests with a few statements, in the plain case: one
provider, nothing else to decide.

In all other cases `record_confirmed` decides, under the same locks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from portal.core.broadcast import broadcast_many_on_commit
from portal.core.metrics import SUBMIT_TO_CONFIRMED
from portal.events.data import EventData
from portal.events.models import Event, EventType
from portal.mitigations.failover import uncovered_targets
from portal.mitigations.models import Mitigation, RequestKind, Wanted
from portal.mitigations.services.reports import lifetime_end
from portal.mitigations.states import RequestStatus, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The answer 2.01 or 2.04 to a request whose row is as the worker knows it."""

    mitigation_id: UUID
    request_id: UUID
    subscription_id: UUID
    version: int
    asked_at: datetime
    "when the worker started the PUT"
    sent_at: datetime | None
    "when its first copy was sent, if there is no event of that"
    sends: int
    "datagrams that were not counted yet"
    lifetime_s: int | None
    at: datetime


class _Found(NamedTuple):
    """A row that was changed, as the statement returns it."""

    mitigation_id: UUID
    version: int
    asked_at: datetime
    request_id: UUID
    organization_id: UUID
    seq: int
    "of the organization's last event before these"
    provider: str


def changes_status_only(mitigation: Mitigation) -> bool:
    """Whether its first confirmation changes nothing but its own status and the request's."""
    request = mitigation.request
    return (
        mitigation.status == Status.PENDING
        and mitigation.wanted == Wanted.ACTIVE
        and mitigation.confirmed_at is None
        and mitigation.setbacks == 0
        and mitigation.refresh_asked_at is None
        and not mitigation.hold_again
        and request.kind == RequestKind.IMMEDIATE
        # Otherwise the requested lifetime begins with the confirmation.
        and (request.auto_renew or request.lifetime_s < 0)
        and not uncovered_targets(request.scope, [mitigation])
    )


# Requests of which nothing is known but that they are requested. Every transaction that changes
# more of a request holds its lock, which this one takes.
_LOCK: Final = """
SELECT id FROM mitigations_mitigationrequest
WHERE id = ANY(%s) AND status = %s AND terminate_asked_at IS NULL AND NOT has_gap
AND requested_until IS NULL AND filtering_ended_at IS NULL
ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
"""
_CONFIRM: Final = """
WITH known AS MATERIALIZED (
    SELECT * FROM unnest(
        %s::uuid[], %s::bigint[], %s::timestamptz[], %s::int[], %s::timestamptz[],
        %s::timestamptz[], %s::int[]
    ) AS known (id, version, refreshed_at, sends, expires_at, confirmed_at, events)
), free AS MATERIALIZED (
    SELECT found.id, found.request_id, found.organization_id FROM mitigations_mitigation AS found
    JOIN known ON found.id = known.id AND found.version = known.version
    WHERE found.request_id = ANY(%s) AND NOT EXISTS (
        SELECT FROM mitigations_mitigation AS other
        WHERE other.request_id = found.request_id AND other.id <> found.id
    )
    FOR NO KEY UPDATE OF found SKIP LOCKED
), log AS MATERIALIZED (
    SELECT organization_id FROM mitigations_eventcounter
    WHERE organization_id IN (SELECT organization_id FROM free)
    FOR NO KEY UPDATE SKIP LOCKED
), confirmed AS (
    UPDATE mitigations_mitigation AS mitigation SET
        status = %s, confirmed_at = known.confirmed_at, last_heard_at = known.confirmed_at,
        refreshed_at = known.refreshed_at, overdue_at = NULL, retry_at = NULL, refusal_code = '',
        refusal_reason = '', conflict = NULL, unsaved_at = NULL,
        sends = mitigation.sends + known.sends,
        last_sent_at = GREATEST(mitigation.last_sent_at, known.refreshed_at),
        expires_at = known.expires_at
    FROM known, free, log
    WHERE mitigation.id = known.id AND mitigation.id = free.id
    AND log.organization_id = free.organization_id
    RETURNING mitigation.id, mitigation.request_id, mitigation.organization_id,
        mitigation.subscription_id, mitigation.version, mitigation.asked_at, known.events
), request AS (
    UPDATE mitigations_mitigationrequest AS request SET status = %s, ended_at = NULL, ended_by = ''
    FROM confirmed WHERE request.id = confirmed.request_id
), counted AS (
    UPDATE mitigations_eventcounter AS counter SET last_seq = last_seq + more.events
    FROM (
        SELECT organization_id, sum(events) AS events FROM confirmed GROUP BY organization_id
    ) AS more
    WHERE counter.organization_id = more.organization_id
    RETURNING counter.organization_id, last_seq - more.events AS seq
)
SELECT confirmed.id, version, asked_at, request_id, counted.organization_id, seq, provider.name
FROM confirmed JOIN counted ON counted.organization_id = confirmed.organization_id
JOIN providers_subscription AS subscription ON subscription.id = confirmed.subscription_id
JOIN providers_provider AS provider ON provider.id = subscription.provider_id
"""


def record_confirmations(confirmations: Sequence[Confirmation]) -> dict[UUID, int]:
    """Save those for which `changes_status_only` holds and whose rows are unchanged, each with the
    events that `record_sent` and `record_confirmed` write. Returns the new versions of the saved
    rows.

    Must run in a transaction. Locks requests, mitigations and counters in this order and never
    waits for one: what another transaction has locked is not saved.
    """
    if connection.vendor != "postgresql":
        return {}
    with connection.cursor() as cursor:
        requests = [one.request_id for one in confirmations]
        cursor.execute(_LOCK, [requests, RequestStatus.REQUESTING.value])
        free = [pk for (pk,) in cursor.fetchall()]
        if not free:
            return {}
        columns = map(list, zip(*map(_columns, confirmations), strict=True))
        statuses = [Status.IN_PROGRESS.value, RequestStatus.IN_PROGRESS.value]
        cursor.execute(_CONFIRM, [*columns, free, *statuses])
        found = {row[0]: _Found(*row) for row in cursor.fetchall()}
    events: defaultdict[UUID, list[Event]] = defaultdict(list)
    for one in confirmations:
        if row := found.get(one.mitigation_id):
            own = events[row.organization_id]
            own += _events(one, row, seq=row.seq + len(own))
            _observe_on_commit(one, row)
    Event.objects.bulk_create(event for own in events.values() for event in own)
    broadcast_many_on_commit(
        {one: [event.as_message() for event in own] for one, own in events.items()}
    )
    return {pk: row.version for pk, row in found.items()}


def _columns(one: Confirmation) -> tuple[object, ...]:
    return (
        one.mitigation_id,
        one.version,
        one.asked_at,
        one.sends,
        _expires_at(one),
        one.at,
        2 if one.sent_at is None else 3,
    )


def _expires_at(one: Confirmation) -> datetime | None:
    return None if one.lifetime_s is None else lifetime_end(one.lifetime_s, one.at)


def _events(one: Confirmation, row: _Found, *, seq: int) -> list[Event]:
    pending, granted = Status.PENDING.value, EventData()
    if one.lifetime_s is not None:
        granted["lifetime"] = one.lifetime_s
    sent = EventData(status=pending, previous=pending)
    confirmed = EventData(status=Status.IN_PROGRESS.value, previous=pending, **granted)
    request = EventData(
        status=RequestStatus.IN_PROGRESS.value, previous=RequestStatus.REQUESTING.value
    )
    told: list[tuple[EventType, datetime, UUID | None, EventData]] = [
        (EventType.MITIGATION_STATUS, one.at, one.mitigation_id, confirmed),
        (EventType.REQUEST_STATUS, one.at, None, request),
    ]
    if one.sent_at is not None:
        told.insert(0, (EventType.MITIGATION_SENT, one.sent_at, one.mitigation_id, sent))
    return [
        Event(
            organization_id=row.organization_id, seq=number, at=at, type=type,
            request_id=row.request_id, mitigation_id=mitigation_id, data=data,
        )
        for number, (type, at, mitigation_id, data) in enumerate(told, start=seq + 1)
    ]  # fmt: skip


def _observe_on_commit(one: Confirmation, row: _Found) -> None:
    waited_s = max(0.0, (one.at - row.asked_at).total_seconds())
    observe = SUBMIT_TO_CONFIRMED.labels(row.provider).observe
    transaction.on_commit(partial(observe, waited_s))


def note_confirmed(mitigation: Mitigation, one: Confirmation, version: int) -> None:
    """Change a row in memory as its confirmation changed the one in the database."""
    mitigation.status = Status.IN_PROGRESS
    mitigation.request.status = RequestStatus.IN_PROGRESS
    mitigation.version = version
    mitigation.confirmed_at = mitigation.last_heard_at = one.at
    mitigation.refreshed_at = one.asked_at
    mitigation.sent_at = mitigation.sent_at or one.asked_at
    mitigation.last_sent_at = max(one.asked_at, mitigation.last_sent_at or one.asked_at)
    mitigation.sends += one.sends
    mitigation.expires_at = _expires_at(one)
    mitigation.overdue_at = mitigation.retry_at = mitigation.unsaved_at = None
    mitigation.refusal_code = mitigation.refusal_reason = ""
    mitigation.conflict = None
