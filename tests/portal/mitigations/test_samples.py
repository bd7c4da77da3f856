from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from portal.events.models import Event
from portal.events.queries import counter_reports
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import Trigger
from portal.web.requests.chart import Sample
from portal.web.requests.samples import samples_of, within
from tests.portal.mitigations.conftest import Submit

BEGIN = timezone.now() - timedelta(hours=1)


@pytest.fixture
def mitigation(submit: Submit) -> Mitigation:
    return submit().mitigations.get()


def at(second: int) -> datetime:
    return BEGIN + timedelta(seconds=second)


def reported(
    mitigation: Mitigation, second: int, bps: int | None, total: int | None = None
) -> None:
    report = ProviderReport(
        dots_status=2, trigger=Trigger.FILTERING, bps_dropped=bps, bytes_dropped=total
    )
    services.record_report(mitigation_id=mitigation.pk, report=report, now=at(second))


def samples(mitigation: Mitigation, *, newest: int = 100) -> list[tuple[int, int, bool]]:
    mitigation.refresh_from_db()
    reports = counter_reports([mitigation.request_id])[-newest:] if newest else []
    return [
        (round((one.at - BEGIN).total_seconds()), int(one.value), one.is_repeat)
        for one in samples_of([mitigation], reports, "bps_dropped")[mitigation.pk]
    ]


def counter_events() -> int:
    return Event.objects.filter(type="mitigation.counters").count()


def test_a_steady_rate_is_one_event_and_a_run_up_to_the_last_report(mitigation: Mitigation) -> None:
    for second in range(0, 601, 10):
        reported(mitigation, second, 1000)

    assert counter_events() == 1
    assert samples(mitigation) == [(0, 1000, False), (600, 1000, True)]


def test_a_change_records_until_when_the_previous_rate_was_reported(mitigation: Mitigation) -> None:
    for second in range(0, 301, 10):
        reported(mitigation, second, 1000)
    reported(mitigation, 310, 2000)
    reported(mitigation, 320, 3000)

    assert samples(mitigation) == [
        (0, 1000, False),
        (300, 1000, True),
        (310, 2000, False),
        (320, 3000, False),
    ]
    assert "held_until" not in Event.objects.filter(type="mitigation.counters").last().data  # type: ignore[union-attr]  # there are three


def test_a_silence_between_equal_reports_stays_a_silence(mitigation: Mitigation) -> None:
    reported(mitigation, 0, 1000)
    reported(mitigation, 60, 1000)
    reported(mitigation, 121, 1000)

    assert samples(mitigation) == [(0, 1000, False), (60, 1000, True), (121, 1000, False)]


def test_a_report_without_counters_makes_no_event_and_no_sample(mitigation: Mitigation) -> None:
    reported(mitigation, 0, None)
    reported(mitigation, 300, None)

    assert counter_events() == 0
    assert samples(mitigation) == []


def test_a_counter_that_is_no_longer_reported_is_not_held(mitigation: Mitigation) -> None:
    reported(mitigation, 0, 1000, total=5)
    reported(mitigation, 10, None, total=6)
    reported(mitigation, 20, None, total=6)

    assert samples(mitigation) == [(0, 1000, False)]


def test_a_run_older_than_the_loaded_reports_is_read_from_the_row(mitigation: Mitigation) -> None:
    for second in range(0, 601, 10):
        reported(mitigation, second, 1000)

    assert samples(mitigation, newest=0) == [(0, 1000, False), (600, 1000, True)]


def test_a_stretch_begins_with_the_sample_before_it_unless_nothing_followed() -> None:
    known = [Sample(at(second), Decimal(second)) for second in (0, 10, 20)]

    assert within(known, at(15)) == known[1:]
    assert within(known, at(21)) == []
