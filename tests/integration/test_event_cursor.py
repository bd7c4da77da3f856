"""Concurrent writers and consumers of one organization's log on PostgreSQL: no number is skipped,
none comes twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.utils import timezone

from portal.events.cursors import behind, next_events
from portal.events.log import append_event
from portal.events.models import EventType
from portal.organizations.models import Organization
from tests.integration.test_simultaneous import together

WRITERS = 4
READERS = 3
EVENTS = 25
AT_MOST_S = 30.0


class GaveUp(Exception):
    """A writer rolls its transaction back."""


def append(organization: Organization) -> int:
    return append_event(
        organization_id=organization.pk, type=EventType.SESSION_UP, at=timezone.now()
    ).seq


def read(organization: Organization, *, limit: int = 100) -> list[int]:
    with next_events("notices", organization.pk, limit=limit) as events:
        return [event.seq for event in events]


@pytest.mark.django_db
def test_a_consumer_never_skips_a_number_that_commits_late(acme: Organization) -> None:
    append(acme)
    has_written, may_commit = threading.Event(), threading.Event()

    def late() -> int:
        with transaction.atomic():
            seq = append(acme)
            has_written.set()
            assert may_commit.wait(AT_MOST_S)
        return seq

    def after() -> int:
        assert has_written.wait(AT_MOST_S)
        return append(acme)

    def consume() -> list[int]:
        assert has_written.wait(AT_MOST_S)
        try:
            until_someone_waits_for_a_lock()
            return read(acme)
        finally:
            may_commit.set()

    assert together(late, after, consume) == [2, 3, [1]], "the third waits for the second"
    assert read(acme) == [2, 3]


def until_someone_waits_for_a_lock() -> None:
    deadline = time.monotonic() + AT_MOST_S
    with connection.cursor() as cursor:
        waiting = False
        while not waiting and time.monotonic() < deadline:
            cursor.execute("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
            [waiting] = cursor.fetchone()


@pytest.mark.django_db
def test_writers_and_consumers_at_once_keep_order_without_gap_or_repeat(
    acme: Organization,
) -> None:
    handled: list[int] = []
    writing = list(range(WRITERS))

    def writer(index: int) -> Callable[[], None]:
        def write() -> None:
            for number in range(EVENTS):
                try:
                    with transaction.atomic():
                        append(acme)
                        if (number + index) % 5 == 0:
                            raise GaveUp
                except GaveUp:
                    append(acme)
            writing.pop()

        return write

    def consume() -> None:
        while writing or behind("notices"):
            with next_events("notices", acme.pk, limit=3) as events:
                handled.extend(event.seq for event in events)

    results = together(*(writer(index) for index in range(WRITERS)), *[consume] * READERS)

    assert results == [None] * (WRITERS + READERS)
    assert handled == list(range(1, WRITERS * EVENTS + 1))
