"""A consumer handles each event of an organization once, in order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.events.cursors import behind, next_events, with_news
from portal.events.log import append_event
from portal.events.models import Event, EventCursor, EventType
from portal.organizations.models import Organization
from tests.factories import OrganizationFactory

DRILLS = Q(type=EventType.DRILL_ENDED)


def happened(
    organization: Organization,
    times: int = 1,
    *,
    days_ago: int = 0,
    type: EventType = EventType.SESSION_UP,
) -> None:
    at = timezone.now() - timedelta(days=days_ago)
    for _ in range(times):
        append_event(organization_id=organization.pk, type=type, at=at)


def seqs(events: list[Event]) -> list[int]:
    return [event.seq for event in events]


def test_the_log_is_read_in_bounded_batches_until_nothing_is_left(acme: Organization) -> None:
    happened(acme, 5)

    batches = []
    while behind("notices"):
        with next_events("notices", acme.pk, limit=2) as events:
            batches.append(seqs(events))

    assert batches == [[1, 2], [3, 4], [5]]
    with next_events("notices", acme.pk) as events:
        assert events == []


def test_a_failure_leaves_the_cursor_and_all_rows_unchanged(acme: Organization) -> None:
    happened(acme, 2)

    def fail() -> None:
        with next_events("notices", acme.pk) as events:
            Event.objects.filter(seq__in=seqs(events)).update(data={"is_told": True})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert not Event.objects.filter(data={"is_told": True}).exists()
    assert behind("notices") == [acme.pk]
    with next_events("notices", acme.pk) as events:
        assert seqs(events) == [1, 2]


def test_every_consumer_has_its_own_cursor_per_organization(
    acme: Organization, globex: Organization
) -> None:
    happened(acme, 2)
    happened(globex)

    with next_events("notices", acme.pk) as events:
        assert {event.organization_id for event in events} == {acme.pk}

    assert behind("notices") == [globex.pk]
    assert set(behind("audit")) == {acme.pk, globex.pk}


def test_a_consumer_of_old_events_stops_at_the_first_recent_one(acme: Organization) -> None:
    happened(acme, 2, days_ago=3)
    happened(acme)
    happened(acme, days_ago=3)
    a_day_ago = timezone.now() - timedelta(days=1)

    for expected in ([1, 2], [], []):
        with next_events("downsampling", acme.pk, before=a_day_ago) as events:
            assert seqs(events) == expected


def test_a_rollback_leaves_no_gap(acme: Organization) -> None:
    happened(acme)
    with transaction.atomic():
        happened(acme, 3)
        transaction.set_rollback(True)
    happened(acme)

    with next_events("notices", acme.pk) as events:
        assert seqs(events) == [1, 2]


def test_organizations_without_a_needed_event_are_passed_over(
    acme: Organization, globex: Organization
) -> None:
    read_all(acme, globex)
    happened(acme, 3)
    happened(globex)
    happened(globex, type=EventType.DRILL_ENDED)
    happened(globex)

    assert with_news("notices", DRILLS) == [globex.pk]

    assert behind("notices") == [globex.pk]
    with next_events("notices", acme.pk) as events:
        assert events == []
    with next_events("notices", globex.pk) as events:
        assert seqs(events) == [1, 2, 3]


def test_a_needed_event_that_was_handled_is_not_news(acme: Organization) -> None:
    happened(acme, type=EventType.DRILL_ENDED)
    read_all(acme)
    happened(acme)

    assert with_news("notices", DRILLS) == []
    assert behind("notices") == []


def test_the_first_events_of_an_organization_are_read(acme: Organization) -> None:
    """It has no cursor yet."""
    happened(acme)

    assert with_news("notices", DRILLS) == [acme.pk]


def test_many_organizations_are_passed_over_with_as_many_statements_as_one(
    acme: Organization,
) -> None:
    others = OrganizationFactory.create_batch(20)
    read_all(acme, *others)
    happened(acme)
    with CaptureQueriesContext(connection) as one:
        assert with_news("notices", DRILLS) == []
    for other in others:
        happened(other)
    with CaptureQueriesContext(connection) as many:
        assert with_news("notices", DRILLS) == []

    assert len(many) == len(one)
    assert behind("notices") == []


def test_other_consumers_keep_their_cursors(acme: Organization) -> None:
    for consumer in ("notices", "audit"):
        with next_events(consumer, acme.pk):
            pass
    happened(acme)

    with_news("notices", DRILLS)

    assert behind("audit") == [acme.pk]
    assert EventCursor.objects.get(consumer="audit").seq == 0


def read_all(*organizations: Organization) -> None:
    for organization in organizations:
        with next_events("notices", organization.pk):
            pass
