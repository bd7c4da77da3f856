"""Concurrent writers and consumers of one organization's log on PostgreSQL: no number is skipped,
none comes twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from portal.events.cursors import behind, next_events, with_news
from portal.events.log import append_event
from portal.events.models import EventType
from portal.organizations.models import Organization
from tests.integration.test_simultaneous import together

WRITERS = 4
READERS = 3
EVENTS = 25
AT_MOST_S = 30.0
DRILLS = Q(type=EventType.DRILL_ENDED)


class GaveUp(Exception):
    """A writer rolls its transaction back."""


def append(organization: Organization, type: EventType = EventType.SESSION_UP) -> int:
    return append_event(organization_id=organization.pk, type=type, at=timezone.now()).seq


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


@pytest.mark.django_db
def test_an_organization_that_is_being_read_is_not_passed_over(
    acme: Organization, globex: Organization
) -> None:
    """What its reader writes may be a reason to need the next event."""
    for organization in (acme, globex):
        read(organization)
        append(organization)
    is_reading, may_end = threading.Event(), threading.Event()

    def read_slowly() -> None:
        with next_events("notices", acme.pk):
            is_reading.set()
            assert may_end.wait(AT_MOST_S)

    def pass_over() -> object:
        assert is_reading.wait(AT_MOST_S)
        try:
            return with_news("notices", DRILLS)
        finally:
            may_end.set()

    assert together(read_slowly, pass_over) == [None, [acme.pk]]
    assert behind("notices") == []


@pytest.mark.django_db
def test_needed_events_are_handled_once_while_others_are_passed_over(
    acme: Organization,
) -> None:
    handled: list[int] = []
    needed: list[int] = []
    writing = list(range(WRITERS))

    def write() -> None:
        for number in range(EVENTS):
            if number % 7 == 0:
                needed.append(append(acme, EventType.DRILL_ENDED))
            else:
                append(acme)
        writing.pop()

    def consume() -> None:
        while writing or behind("notices"):
            for organization_id in with_news("notices", DRILLS):
                with next_events("notices", organization_id, limit=3) as events:
                    drills = [one for one in events if one.type == EventType.DRILL_ENDED]
                    handled.extend(one.seq for one in drills)

    results = together(*[write] * WRITERS, *[consume] * READERS)

    assert results == [None] * (WRITERS + READERS)
    assert handled == sorted(needed)
