"""Reports that only change numbers are cheap, and never claim more than the row does by then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.increment_returning import increment_returning
from portal.events.models import Event, EventCounter
from portal.mitigations import services
from portal.mitigations.models import Mitigation, ProviderConflict
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import Trigger
from tests.portal.mitigations.conftest import Submit

pytestmark = pytest.mark.sqlite

NOW = timezone.now()
LATER = NOW + timedelta(seconds=10)
FILTERING = ProviderReport(
    dots_status=2, trigger=Trigger.FILTERING, lifetime_s=3500, bytes_dropped=1000
)
MORE = replace(FILTERING, bytes_dropped=2000)


@pytest.fixture
def mitigation(submit: Submit) -> Mitigation:
    """What Northgate filters."""
    mitigation = submit().mitigations.get()
    services.record_sending(mitigation_id=mitigation.pk, now=NOW)
    services.record_confirmed(mitigation_id=mitigation.pk, lifetime_s=3600, asked_at=NOW, now=NOW)
    services.record_report(mitigation_id=mitigation.pk, report=FILTERING, now=NOW)
    return mitigation


def test_many_counters_are_saved_with_few_statements(
    mitigation: Mitigation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # Read it, write it with its condition in a savepoint, number the event, broadcast it.
    with django_assert_num_queries(6):
        services.record_report(mitigation_id=mitigation.pk, report=MORE, now=LATER)

    again = Mitigation.objects.get(pk=mitigation.pk)
    assert (again.bytes_dropped, again.last_heard_at, again.counters_since) == (2000, LATER, LATER)
    event = Event.objects.latest("seq")
    assert (event.type, event.data) == ("mitigation.counters", {"bytes_dropped": 2000})
    assert event.request_id == mitigation.request_id


def _between_reading_and_writing(change: Callable[[], object]) -> Callable[..., Any]:
    done: list[bool] = []

    def wrapper(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if not done and sql.startswith("SAVEPOINT"):
            done.append(True)
            change()
        return execute(sql, *rest)

    return wrapper


def test_a_termination_between_reading_and_writing_is_not_overwritten(
    mitigation: Mitigation, alice: User
) -> None:
    def terminate() -> None:
        services.terminate(request_id=mitigation.request_id, actor=Actor.person(alice))

    with connection.execute_wrapper(_between_reading_and_writing(terminate)):
        services.record_report(mitigation_id=mitigation.pk, report=MORE, now=LATER)

    again = Mitigation.objects.get(pk=mitigation.pk)
    assert (again.status, again.wanted) == ("terminating", "withdrawn")
    assert again.bytes_dropped == 2000


def test_a_report_that_was_written_by_another_worker_first_counts_once(
    mitigation: Mitigation,
) -> None:
    def report_it() -> None:
        services.record_report(mitigation_id=mitigation.pk, report=MORE, now=LATER)

    before = Event.objects.count()
    with connection.execute_wrapper(_between_reading_and_writing(report_it)):
        services.record_report(mitigation_id=mitigation.pk, report=MORE, now=LATER)

    assert Event.objects.count() == before + 1


@pytest.mark.parametrize(
    ("changes", "is_nothing_new"),
    [
        ({"lifetime_s": 3490}, True),
        ({"lifetime_s": None}, True),
        ({"lifetime_s": 1800}, False),
        ({"lifetime_s": -1}, False),
        ({"bytes_dropped": 1001}, False),
        ({"bytes_dropped": None}, False),
        ({"dots_status": 4, "trigger": Trigger.CAPACITY_EXCEEDED}, False),
        ({"conflict": ProviderConflict(reason="overlap")}, False),
        ({"mitigation_start": NOW}, False),
    ],
)
def test_a_report_that_only_repeats_the_row_is_recognized(
    mitigation: Mitigation, changes: dict[str, Any], is_nothing_new: bool
) -> None:
    row = Mitigation.objects.get(pk=mitigation.pk)

    found = services.says_nothing_new(row, replace(FILTERING, **changes), LATER)

    assert found is is_nothing_new


def test_a_repeated_report_counts_as_heard(mitigation: Mitigation, alice: User) -> None:
    services.record_repeated(mitigation_ids=[mitigation.pk], now=LATER)

    again = Mitigation.objects.get(pk=mitigation.pk)
    assert (again.last_heard_at, again.reported_at, again.counters_at) == (LATER, LATER, LATER)
    services.terminate(request_id=mitigation.request_id, actor=Actor.person(alice))
    services.record_repeated(mitigation_ids=[mitigation.pk], now=LATER + timedelta(seconds=9))
    assert Mitigation.objects.get(pk=mitigation.pk).last_heard_at == LATER


def test_an_unknown_organization_gets_no_event_number(db: None) -> None:
    assert increment_returning(EventCounter, uuid4(), "last_seq", 1) is None
