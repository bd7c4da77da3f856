"""Reports that only change numbers are saved together, exactly as each would be alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import (
    REPORTS_MISSING_AFTER,
    Mitigation,
    ProviderConflict,
    Strategy,
)
from portal.mitigations.services import HeardReport, ProviderReport
from portal.mitigations.states import STALE_AFTER, Trigger
from tests.portal.mitigations.conftest import Submit

pytestmark = pytest.mark.sqlite

NOW = timezone.now()
LATER = NOW + timedelta(seconds=10)
FILTERING = ProviderReport(
    dots_status=2, trigger=Trigger.FILTERING, lifetime_s=3500, bytes_dropped=1000
)
MORE = replace(FILTERING, bytes_dropped=2000)


def filtered(mitigation: Mitigation) -> Mitigation:
    services.record_sending(mitigation_id=mitigation.pk, now=NOW)
    services.record_confirmed(mitigation_id=mitigation.pk, lifetime_s=3600, asked_at=NOW, now=NOW)
    services.record_report(mitigation_id=mitigation.pk, report=FILTERING, now=NOW)
    return mitigation


@pytest.fixture
def mitigation(submit: Submit) -> Mitigation:
    """What Northgate filters."""
    return filtered(submit().mitigations.get())


@pytest.fixture
def other(submit: Submit) -> Mitigation:
    """What Tidewall filters for another request."""
    request = submit(resources=(), prefixes=("203.0.113.9/32",), strategy=Strategy.PARALLEL)
    return filtered(request.mitigations.order_by("position").last())  # type: ignore[arg-type]


def everything() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All that is saved of mitigations and events, without the database's own numbers."""
    rows = [dict(row) for row in Mitigation.objects.order_by("pk").values()]
    events = [dict(event) for event in Event.objects.order_by("organization_id", "seq").values()]
    for event in events:
        del event["id"]
    return rows, events


ONLY_NUMBERS: dict[str, dict[str, Any]] = {
    "more": {"bytes_dropped": 2000},
    "the same": {},
    "other amounts": {"pkts_dropped": 1, "bps_dropped": 2, "pps_dropped": 3},
    "too much for the database": {"bytes_dropped": 2**64 - 1},
    "no amounts": {"bytes_dropped": None},
    "no lifetime": {"lifetime_s": None},
    "no end": {"lifetime_s": -1},
    "a shorter lifetime": {"lifetime_s": 60},
    "no status": {"dots_status": None, "trigger": None},
    "nothing": {
        "dots_status": None, "trigger": None, "lifetime_s": None, "bytes_dropped": None,
    },
}  # fmt: skip


@pytest.mark.parametrize("later", [LATER, NOW + REPORTS_MISSING_AFTER * 1.2], ids=["soon", "late"])
@pytest.mark.parametrize("changes", ONLY_NUMBERS.values(), ids=ONLY_NUMBERS)
def test_numbers_are_saved_as_a_decision_about_each_would_save_them(
    mitigation: Mitigation, changes: dict[str, Any], later: datetime
) -> None:
    report = replace(FILTERING, **changes)
    Mitigation.objects.update(unsaved_at=NOW)
    with transaction.atomic():
        services.record_report(mitigation_id=mitigation.pk, report=report, now=later)
        expected = everything()
        transaction.set_rollback(True)

    saved = services.record_numbers([HeardReport(mitigation.pk, report, later)])

    assert saved == services.SavedNumbers()
    assert everything() == expected


def _silent(_mitigation: Mitigation) -> None:
    Mitigation.objects.update(last_heard_at=LATER - STALE_AFTER)


def _unconfirmed(_mitigation: Mitigation) -> None:
    Mitigation.objects.update(confirmed_at=None)


def _withdrawn(mitigation: Mitigation) -> None:
    Mitigation.objects.filter(pk=mitigation.pk).update(wanted="withdrawn")


@pytest.mark.parametrize(
    ("changes", "prepare"),
    [
        ({"dots_status": 4, "trigger": Trigger.CAPACITY_EXCEEDED}, None),
        ({"dots_status": 5, "trigger": Trigger.WINDING_DOWN}, None),
        ({"dots_status": 6, "trigger": Trigger.ENDED}, None),
        ({"dots_status": 7, "trigger": Trigger.PROVIDER_WITHDREW}, None),
        ({"dots_status": 99, "trigger": None}, None),
        ({"conflict": ProviderConflict(reason="overlap")}, None),
        ({"mitigation_start": NOW}, None),
        ({}, _silent),
        ({}, _unconfirmed),
        ({}, _withdrawn),
    ],
)
def test_a_report_that_may_change_more_is_left_to_a_decision(
    mitigation: Mitigation, other: Mitigation, changes: dict[str, Any], prepare: Any
) -> None:
    if prepare:
        prepare(mitigation)
        Mitigation.objects.filter(pk=other.pk).update(
            last_heard_at=NOW, confirmed_at=NOW, wanted="active"
        )
    rows, events = everything()

    saved = services.record_numbers(
        [
            HeardReport(mitigation.pk, replace(MORE, **changes), LATER),
            HeardReport(other.pk, MORE, LATER),
        ]
    )

    assert saved.undecided == {mitigation.pk}
    assert saved.locked == set()
    rows_now, events_now = everything()
    assert [row for row in rows_now if row["id"] == mitigation.pk] == [
        row for row in rows if row["id"] == mitigation.pk
    ]
    assert len(events_now) == len(events) + 1
    assert events_now[-1]["mitigation_id"] == other.pk


def test_a_report_after_the_end_changes_nothing(mitigation: Mitigation, alice: User) -> None:
    services.terminate(request_id=mitigation.request_id, actor=Actor.person(alice))
    ended = replace(FILTERING, dots_status=6, trigger=Trigger.ENDED)
    services.record_report(mitigation_id=mitigation.pk, report=ended, now=LATER)
    before = everything()

    saved = services.record_numbers([HeardReport(mitigation.pk, MORE, LATER)])

    assert saved == services.SavedNumbers()
    assert everything() == before


def test_a_termination_is_not_overwritten(mitigation: Mitigation, alice: User) -> None:
    services.terminate(request_id=mitigation.request_id, actor=Actor.person(alice))

    saved = services.record_numbers([HeardReport(mitigation.pk, MORE, LATER)])

    assert saved.undecided == {mitigation.pk}
    assert Mitigation.objects.get(pk=mitigation.pk).wanted == "withdrawn"


def test_a_report_that_arrived_before_the_last_saved_one_changes_nothing(
    mitigation: Mitigation,
) -> None:
    services.record_numbers([HeardReport(mitigation.pk, MORE, LATER)])
    before = everything()
    older = replace(MORE, bytes_dropped=3000, lifetime_s=60)

    services.record_numbers([HeardReport(mitigation.pk, older, NOW)], clock=lambda: LATER)

    assert everything() == before


def test_the_statements_do_not_depend_on_the_number_of_reports(
    mitigation: Mitigation, other: Mitigation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    if transaction.get_connection().vendor != "postgresql":
        pytest.skip("SQLite writes each row with a separate statement")
    # Lock and read the rows, count in the logs, update the rows, insert the events.
    for heard in ([mitigation], [mitigation, other]):
        with django_assert_num_queries(4):
            services.record_numbers(
                [
                    HeardReport(one.pk, replace(MORE, bytes_dropped=len(heard)), LATER)
                    for one in heard
                ]
            )


def test_a_row_that_is_not_found_counts_as_locked(db: None) -> None:
    unknown = uuid4()

    assert services.record_numbers([HeardReport(unknown, MORE, LATER)]).locked == {unknown}


def test_the_start_of_filtering_for_an_immediate_request_is_a_number(
    mitigation: Mitigation,
) -> None:
    began = replace(MORE, mitigation_start=NOW)

    saved = services.record_numbers([HeardReport(mitigation.pk, began, LATER, is_immediate=True)])

    assert not saved.undecided | saved.locked
    row = Mitigation.objects.get(pk=mitigation.pk)
    assert (row.mitigation_start, row.bytes_dropped) == (NOW, MORE.bytes_dropped)
