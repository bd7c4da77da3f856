"""Record before the first datagram of a request that it may have been sent (ADR 6).

A worker that dies after this leaves a row that is sent again, never a sent one that looks unsent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, F, Value, When

from portal.core.many_rows import lock_free_rows, update_many
from portal.mitigations.models import Mitigation, Wanted
from portal.mitigations.states import LIVE


@dataclass(frozen=True, slots=True)
class Sending:
    """A request that is about to be sent, as the worker knows its row."""

    mitigation_id: UUID
    version: int
    at: datetime


# Rows that another transaction has locked are skipped, because waiting for one row while holding
# another could deadlock with a transaction that locks them in another order.
_SEND: Final = """
UPDATE mitigations_mitigation AS mitigation SET
    sent_at = CASE WHEN sent_at >= asked_at THEN sent_at ELSE free.at END,
    sends = CASE WHEN sent_at >= asked_at THEN sends ELSE 0 END,
    last_sent_at = free.at
FROM (
    SELECT found.id, known.at FROM mitigations_mitigation AS found
    JOIN unnest(%s::uuid[], %s::bigint[], %s::timestamptz[]) AS known (id, version, at)
    ON found.id = known.id AND found.version = known.version
    WHERE found.wanted = %s AND found.status = ANY(%s)
    FOR NO KEY UPDATE OF found SKIP LOCKED
) AS free
WHERE mitigation.id = free.id RETURNING mitigation.id, mitigation.version
"""


def record_sendings(sendings: Sequence[Sending]) -> dict[UUID, int | None]:
    """Record several with one statement, as far as their rows are unchanged. Returns those that may
    be sent with the new versions of their rows, if known; `record_sending` decides about the
    others.

    Takes no lock but those of the rows, and never waits for one.
    """
    if connection.vendor != "postgresql":
        return {
            one.mitigation_id: None
            for one in sendings
            if _record(one.mitigation_id, one.at, version=one.version)
        }
    columns = zip(*((one.mitigation_id, one.version, one.at) for one in sendings), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_SEND, [*map(list, columns), Wanted.ACTIVE.value, [*map(str, LIVE)]])
        return dict(cursor.fetchall())


def record_sending(*, mitigation_id: UUID, now: datetime, mid: int | None = None) -> bool:
    """Record one, whatever else changed; False if it must not be sent, or not under this mid.

    A single statement, because a person is waiting for the datagram; it takes only the lock that a
    termination takes as well.
    """
    return _record(mitigation_id, now, **({} if mid is None else {"mid": mid}))


def _record(mitigation_id: UUID, now: datetime, **known: int) -> bool:
    wanted = Mitigation.objects.filter(
        pk=mitigation_id, wanted=Wanted.ACTIVE, status__in=LIVE, **known
    )
    first = {
        "sent_at": _unless_asked_again("sent_at", now),
        "sends": _unless_asked_again("sends", 0),
    }
    return bool(wanted.update(**first, last_sent_at=now))


def _unless_asked_again(column: str, begin: datetime | int) -> Case:
    """The columns that are reset by each new request: the first copy, and the count of copies."""
    return Case(When(sent_at__gte=F("asked_at"), then=F(column)), default=Value(begin))


@transaction.atomic(savepoint=False)
def record_sends(*, sends: Mapping[UUID, int], now: datetime) -> frozenset[UUID]:
    """Count further datagrams sent for each mitigation, with two statements for all. Returns those
    that another process has locked, for which nothing was counted.
    """
    sends_before = dict(lock_free_rows(Mitigation, ("id", "sends"), list(sends)))
    rows = [(pk, before + sends[pk], now) for pk, before in sends_before.items()]
    update_many(Mitigation, ("sends", "last_sent_at"), rows)
    return frozenset(sends.keys() - sends_before.keys())
