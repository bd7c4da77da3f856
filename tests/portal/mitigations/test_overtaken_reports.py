"""A report that waited to be saved undoes nothing that was recorded after its arrival."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import Mitigation, ProviderConflict
from portal.mitigations.services import HeardReport, ProviderReport
from portal.mitigations.states import BY_DOTS_STATUS
from tests.portal.mitigations.conftest import Submit

pytestmark = pytest.mark.sqlite

ASKED = timezone.now()
ARRIVED, RECORDED, SAVED = (ASKED + timedelta(seconds=seconds) for seconds in (10, 12, 14))
CONFLICT = ProviderConflict(cause=1, mid=99)


def said(status: int | None, lifetime_s: int | None = 40, **more: Any) -> ProviderReport:
    trigger = BY_DOTS_STATUS.get(status or 0)
    return ProviderReport(dots_status=status, trigger=trigger, lifetime_s=lifetime_s, **more)


@pytest.fixture
def mitigation(submit: Submit) -> Mitigation:
    """What Northgate filters."""
    pk = submit().mitigations.get().pk
    Mitigation.objects.filter(pk=pk).update(asked_at=ASKED)
    services.record_sending(mitigation_id=pk, now=ASKED)
    services.record_confirmed(mitigation_id=pk, lifetime_s=3600, asked_at=ASKED, now=ASKED)
    services.record_report(mitigation_id=pk, report=said(2, bytes_dropped=1), now=ASKED)
    return Mitigation.objects.get(pk=pk)


def save_late(pk: Any, report: ProviderReport) -> None:
    """As the ledger saves it."""
    saved = services.record_numbers([HeardReport(pk, report, ARRIVED)], clock=lambda: SAVED)
    if saved.undecided:
        services.record_report(mitigation_id=pk, report=report, now=ARRIVED, clock=lambda: SAVED)


def again(pk: Any) -> Mitigation:
    return Mitigation.objects.select_related("request").get(pk=pk)


def decided(row: Mitigation) -> tuple[object, ...]:
    """All that depends on a status, a lifetime or a conflict."""
    request = row.request
    return (
        row.status, row.wanted, row.expires_at, row.conflict, row.retry_at, row.dots_status,
        row.reported_at, row.ended_at, row.confirmed_at, row.mitigation_start,
        request.status, request.ended_at, request.ended_by,
    )  # fmt: skip


def superseded(pk: Any) -> None:
    services.record_superseded(mitigation_id=pk, conflict=CONFLICT, now=RECORDED)


def superseded_after_withdrawal(pk: Any) -> None:
    services.record_report(mitigation_id=pk, report=said(7), now=ASKED + timedelta(seconds=5))
    superseded(pk)


def forgotten(pk: Any) -> None:
    services.record_forgotten(mitigation_id=pk, now=RECORDED)


def forgotten_and_held_again(pk: Any) -> None:
    forgotten(pk)
    services.record_confirmed(mitigation_id=pk, lifetime_s=3600, asked_at=RECORDED, now=RECORDED)


def renewal_missed(pk: Any) -> None:
    Mitigation.objects.filter(pk=pk).update(expires_at=ARRIVED)
    assert services.mark_expired(now=RECORDED) == 1


def reported_later(pk: Any) -> None:
    services.record_report(mitigation_id=pk, report=said(3, 3000), now=RECORDED)


@pytest.mark.parametrize(
    "record",
    [
        superseded, superseded_after_withdrawal, forgotten, forgotten_and_held_again,
        renewal_missed, reported_later,
    ],
)  # fmt: skip
def test_a_report_decides_nothing_after_a_later_decision(
    mitigation: Mitigation, record: Callable[[Any], None]
) -> None:
    pk = mitigation.pk
    record(pk)
    before, events = decided(again(pk)), Event.objects.count()

    for status in (None, 1, 2, 3, 4, 5, 6, 7, 8, 99):
        for conflict in (None, ProviderConflict(cause=2, mid=7, retry_after=60)):
            save_late(pk, said(status, conflict=conflict, mitigation_start=ARRIVED))
            assert decided(again(pk)) == before, status

    assert Event.objects.count() == events


def test_after_a_refresh_an_older_report_changes_the_status_but_not_the_lifetime(
    mitigation: Mitigation,
) -> None:
    """The answer to a refresh has no status, and grants the lifetime."""
    pk = mitigation.pk
    services.record_confirmed(mitigation_id=pk, lifetime_s=3600, asked_at=ARRIVED, now=RECORDED)
    granted = again(pk)

    for status, word in ((2, "mitigating"), (4, "exceeded")):
        save_late(pk, said(status, bytes_dropped=status, conflict=CONFLICT))

        row = again(pk)
        assert (row.status, row.dots_status, row.bytes_dropped) == (word, status, status)
        assert (row.reported_at, row.counters_at) == (ARRIVED, ARRIVED)
        assert (row.expires_at, row.last_heard_at, row.conflict) == (
            granted.expires_at, RECORDED, None,
        )  # fmt: skip


def test_a_decided_report_has_the_time_of_its_arrival(mitigation: Mitigation) -> None:
    save_late(mitigation.pk, said(4, bytes_dropped=5))

    row = again(mitigation.pk)
    assert {row.last_heard_at, row.reported_at, row.counters_at} == {ARRIVED}
    assert row.expires_at == ARRIVED + timedelta(seconds=40)
    assert set(Event.objects.order_by("-seq").values_list("at", flat=True)[:2]) == {ARRIVED}


def test_a_time_in_the_future_makes_no_report_old(mitigation: Mitigation) -> None:
    """The database's clock was set back, or the clock of a web process is ahead."""
    future = SAVED + timedelta(hours=1)
    Mitigation.objects.update(
        asked_at=future, last_heard_at=future, reported_at=future, counters_at=future
    )

    save_late(mitigation.pk, said(4, bytes_dropped=5))

    row = again(mitigation.pk)
    assert (row.status, row.bytes_dropped) == ("exceeded", 5)
    assert row.expires_at == ARRIVED + timedelta(seconds=40)
    assert {row.last_heard_at, row.reported_at, row.counters_at} == {ARRIVED}
