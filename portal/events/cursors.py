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

from django.db import connection, transaction
from django.db.models import F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce

from portal.core.many_rows import update_many
from portal.events.models import Event, EventCounter, EventCursor, EventType
from portal.events.queries import events_after, events_after_each, last_seq, last_seqs

MAX_BATCH: Final = 500
"""Events per transaction, unless the consumer sets another number."""


def behind(consumer: str) -> list[UUID]:
    """The organizations with events that the consumer has not handled."""
    own = EventCursor.objects.filter(consumer=consumer, organization_id=OuterRef("pk"))
    handled = Coalesce(Subquery(own.values("seq")), Value(0))
    counters = EventCounter.objects.filter(last_seq__gt=handled).order_by("pk")
    return list(counters.values_list("pk", flat=True))


def with_news(consumer: str, needed: Q) -> list[UUID]:
    """The organizations with events that the consumer has not handled, of which one is `needed`.

    The cursors of the others move behind their events first, with the same few statements for one
    organization and for a thousand: most events concern few consumers. An organization whose
    cursor another process has locked stays in the list, and so does one without a cursor.
    """
    found = behind(consumer)
    if not found:
        return []
    _pass_over(consumer, found, needed)
    return behind(consumer)


@transaction.atomic
def _pass_over(consumer: str, organization_ids: Collection[UUID], needed: Q) -> None:
    own = EventCursor.objects.filter(consumer=consumer, organization_id__in=organization_ids)
    free = own.order_by("organization_id").select_for_update(skip_locked=_skips_locked())
    locked = list(free.values_list("pk", flat=True))
    # Another statement, which sees what was committed before the cursors were locked: what the
    # last holder of the lock wrote may be a reason why an event is needed.
    last = EventCounter.objects.filter(pk=OuterRef("organization_id")).values("last_seq")
    news = Event.objects.filter(
        needed, organization_id=OuterRef("organization_id"), seq__gt=OuterRef("seq")
    )
    # The first of them, not whether there is one: then PostgreSQL reads the new events of each
    # organization by the index and never the whole table.
    first = Subquery(news.order_by("seq").values("seq")[:1])
    passed = EventCursor.objects.filter(pk__in=locked).annotate(first=first, last=Subquery(last))
    passed.filter(first=None, seq__lt=F("last")).update(seq=Subquery(last))


def lock_cursor(consumer: str, organization_id: UUID) -> EventCursor:
    """Until the transaction ends."""
    own = EventCursor.objects.filter(consumer=consumer, organization_id=organization_id)
    cursor = own.select_for_update().first()
    if cursor is None:
        EventCursor.objects.get_or_create(consumer=consumer, organization_id=organization_id)
        cursor = own.select_for_update().get()
    return cursor


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
        cursor = lock_cursor(consumer, organization_id)
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


@contextmanager
def next_events_of_each(
    consumer: str,
    organization_ids: Collection[UUID],
    *,
    limit: int,
    types: Collection[EventType],
) -> Iterator[dict[UUID, list[Event]]]:
    """The next events of `types` of several organizations, at most `limit` of each, in one
    transaction that moves all their cursors at its end, with the same few statements for one and
    for many. Without organizations whose cursor another process has locked.
    """
    with transaction.atomic():
        cursors = _lock_free_cursors(consumer, organization_ids)
        # First the numbers: every event up to them is visible to the next statement.
        last = last_seqs(cursors.keys())
        after = {one: cursor.seq for one, cursor in cursors.items()}
        found = events_after_each(after, limit=limit, types=types)
        yield found
        moved = []
        for one, events in found.items():
            handled = events[-1].seq if len(events) == limit else last.get(one, 0)
            if handled > after[one]:
                moved.append((cursors[one].pk, handled))
        update_many(EventCursor, ("seq",), moved)


def _lock_free_cursors(
    consumer: str, organization_ids: Collection[UUID]
) -> dict[UUID, EventCursor]:
    own = EventCursor.objects.filter(consumer=consumer, organization_id__in=organization_ids)
    free = own.order_by("organization_id").select_for_update(skip_locked=_skips_locked())
    cursors = {one.organization_id: one for one in free}
    missing = set(organization_ids) - cursors.keys()
    if missing:
        missing -= set(own.values_list("organization_id", flat=True))
    if missing:
        new = (EventCursor(consumer=consumer, organization_id=one) for one in missing)
        EventCursor.objects.bulk_create(new, ignore_conflicts=True)
        cursors = {one.organization_id: one for one in free.all()}
    return cursors


def _skips_locked() -> bool:
    return connection.features.has_select_for_update_skip_locked
