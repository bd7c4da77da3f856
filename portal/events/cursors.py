"""Read the log once: a consumer handles each event of an organization in order, and its cursor
moves in the same transaction.

Nothing is skipped: a writer keeps the counter's row locked until its commit, so an event never
becomes visible after one with a higher number. A number can be missing only because its counter
report was removed before the consumer came to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import takewhile
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from portal.events.models import Event, EventCounter, EventCursor, EventType
from portal.events.queries import events_after, last_seq

MAX_BATCH: Final = 500
"""Events per transaction, unless the consumer sets another number."""


def behind(consumer: str) -> list[UUID]:
    """The organizations with events that the consumer has not handled."""
    own = EventCursor.objects.filter(consumer=consumer, organization_id=OuterRef("pk"))
    handled = Coalesce(Subquery(own.values("seq")), Value(0))
    counters = EventCounter.objects.filter(last_seq__gt=handled).order_by("pk")
    return list(counters.values_list("pk", flat=True))


@contextmanager
def next_events(
    consumer: str,
    organization_id: UUID,
    *,
    limit: int = MAX_BATCH,
    before: datetime | None = None,
    types: Collection[EventType] | None = None,
) -> Iterator[list[Event]]:
    """The next events, oldest first, at most `limit`, up to the first that is not older than
    `before`; only those of `types`, if given.

    The body handles them in a transaction that moves the cursor behind them at its end. An
    exception rolls back both. Other processes of the same consumer wait until then and continue
    after these events.
    """
    with transaction.atomic():
        EventCursor.objects.get_or_create(consumer=consumer, organization_id=organization_id)
        cursor = EventCursor.objects.select_for_update().get(
            consumer=consumer, organization_id=organization_id
        )
        # First the number: every event up to it is visible to the next statement.
        last = last_seq(organization_id) if types is not None else 0
        events = events_after(organization_id, cursor.seq, limit=limit, types=types)
        if before is not None:
            events = list(takewhile(lambda event: event.at < before, events))
        yield events
        handled = events[-1].seq if events else cursor.seq
        if types is not None and len(events) < limit:
            handled = max(handled, last)
        if handled > cursor.seq:
            cursor.seq = handled
            cursor.save(update_fields=["seq"])
