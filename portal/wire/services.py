"""Write the journal from what the signal worker saw, and prune it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, QuerySet

from portal.core.database import is_away
from portal.core.insert_many import insert_many
from portal.mitigations.models import Mitigation
from portal.providers.models import Subscription
from portal.wire.models import Direction, Topic, WireMessage

logger = logging.getLogger(__name__)

MAX_OCTETS_SAVED: Final = 4096
"""Bytes of one message that are saved, beside its real size."""
MAX_BODY_SAVED: Final = 32_768
"""Characters of one decoded body; a longer one is dropped, but its bytes are saved."""
MAX_TEXT_SAVED: Final = 400
MAX_NOT_READ_SAVED: Final = 4000
DELETE_BATCH_SIZE: Final = 500
"""Rows that one statement deletes: short locks, on SQLite too."""
MAX_PRUNED: Final = 200_000
"""Rows that one run deletes; the rest waits for the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One message as the signal worker saw it; or, with NOT_KEPT, how many it dropped."""

    at: datetime
    direction: Direction
    topic: Topic = Topic.OTHER
    mid: int | None = None
    kind: str = ""
    code: str = ""
    method: str = ""
    path: str = ""
    options: str = ""
    body: str = ""
    "JSON"
    not_read: tuple[str, ...] = ()
    octets: bytes = b""
    "the whole message"
    run: UUID | None = None
    copy: int = 1
    count: int = 0


def record(seen: Sequence[tuple[UUID, Seen]]) -> dict[UUID, int]:
    """Save the messages seen on each subscription; return how many of each could not be saved.

    A message that cannot be saved does not affect the others.
    """
    errors: list[Exception] = []
    lost = Counter(_write_by_halves(seen, errors))
    if errors:
        logger.error("wire journal: %s messages cannot be saved", len(errors), exc_info=errors[0])
    return dict(lost)


def _write_by_halves(seen: Sequence[tuple[UUID, Seen]], errors: list[Exception]) -> list[UUID]:
    """The subscriptions whose messages were lost, each with its error."""
    try:
        _write(seen)
    except Exception as error:
        # The caller logs the first one with its trace. Bytes from peers may make fields and drivers
        # raise anything.
        if is_away(error):
            raise
        if len(seen) == 1:
            errors.append(error)
            return [seen[0][0]]
        half = len(seen) // 2
        return [*_write_by_halves(seen[:half], errors), *_write_by_halves(seen[half:], errors)]
    return []


@transaction.atomic
def _write(seen: Sequence[tuple[UUID, Seen]]) -> None:
    places = _places({(subscription, message.mid) for subscription, message in seen})
    insert_many(
        WireMessage,
        (
            {
                "organization_id": place[0],
                "subscription_id": subscription,
                "mitigation_id": place[1],
                "at": message.at,
                "direction": message.direction,
                "topic": message.topic,
                "kind": message.kind,
                "code": message.code,
                "method": message.method,
                "path": message.path[:MAX_TEXT_SAVED],
                "options": message.options[:MAX_TEXT_SAVED],
                "body": message.body if len(message.body) <= MAX_BODY_SAVED else "",
                "not_read": "\n".join(message.not_read)[:MAX_NOT_READ_SAVED],
                "octets": message.octets[:MAX_OCTETS_SAVED],
                "size": len(message.octets),
                "run": message.run,
                "copy": message.copy,
                "count": message.count,
            }
            for subscription, message in seen
            # A deleted subscription has no journal.
            if (place := places.get((subscription, message.mid)))
        ),
    )


Place = tuple[UUID, UUID | None]
"""An organization, and a mitigation or None."""


def _places(seen: Collection[tuple[UUID, int | None]]) -> dict[tuple[UUID, int | None], Place]:
    """The organization of each subscription, and the mitigation that has this mid in it."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_PLACES, [[one for one, _ in seen], [mid for _, mid in seen]])
            return {(one, mid): (owner, found) for one, mid, owner, found in cursor.fetchall()}
    owners = Subscription.objects.filter(pk__in={one for one, _ in seen})
    rows = Mitigation.objects.filter(
        subscription__in=owners, mid__in={mid for _, mid in seen if mid is not None}
    )
    found: dict[tuple[UUID, int | None], UUID] = {
        (one, mid): pk for one, mid, pk in rows.values_list("subscription_id", "mid", "pk")
    }
    organizations = dict(owners.values_list("pk", "organization_id"))
    return {
        (one, mid): (organizations[one], found.get((one, mid)))
        for one, mid in seen
        if one in organizations
    }


_PLACES: Final = f"""
SELECT seen.subscription, seen.mid, subscription.organization_id, mitigation.id
FROM unnest(%s::uuid[], %s::bigint[]) AS seen (subscription, mid)
JOIN {Subscription._meta.db_table} AS subscription ON subscription.id = seen.subscription
LEFT JOIN {Mitigation._meta.db_table} AS mitigation
  ON mitigation.subscription_id = subscription.id AND mitigation.mid = seen.mid
"""  # noqa: S608  (our own names)


def prune(*, now: datetime) -> int:
    """Delete messages older than the policy, and the oldest of a subscription beyond its limit;
    return how many.
    """
    too_old = WireMessage.objects.filter(at__lt=now - timedelta(days=settings.PORTAL_WIRE_DAYS))
    pruned = _delete_oldest(too_old, MAX_PRUNED)
    crowded = (
        WireMessage.objects.order_by()
        .values_list("subscription")
        .annotate(rows=Count("pk"))
        .filter(rows__gt=settings.PORTAL_WIRE_ROWS)
    )
    for subscription, rows in list(crowded):
        excess = min(rows - settings.PORTAL_WIRE_ROWS, MAX_PRUNED - pruned)
        pruned += _delete_oldest(WireMessage.objects.filter(subscription=subscription), excess)
    return pruned


def _delete_oldest(rows: QuerySet[WireMessage], most: int) -> int:
    """In small batches, so that no writer waits long."""
    deleted = 0
    while deleted < most:
        portion = rows.order_by("at", "id").values_list("pk", flat=True)
        ids = list(portion[: min(DELETE_BATCH_SIZE, most - deleted)])
        if not ids:
            break
        deleted += WireMessage.objects.filter(pk__in=ids).delete()[0]
    return deleted
