from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.alerts.models import AlertEndpoint, AlertPayload, ReceivedAlert
from portal.alerts.services import fold as folding
from portal.organizations.models import Organization, ProtectedResource
from tests.factories import ResourceFactory
from tests.portal.alerts.conftest import Detector
from tests.portal.alerts.reported import NOW, report


def test_a_start_repeats_and_an_end_are_one_alert(detector: Detector) -> None:
    report(detector, state="start", pps=5)
    for second in range(1, 21):
        report(detector, at=second, state="start", pps=5)
    row = report(detector, at=30, state="end")

    assert ReceivedAlert.objects.count() == 1
    assert (row.count, row.verdict, row.pps) == (22, "ours", 5)
    assert row.ended_at == NOW + timedelta(seconds=30)
    assert not AlertPayload.objects.exists()
    assert AlertEndpoint.objects.get().last_used_at == NOW + timedelta(seconds=30)


def test_a_late_repeat_of_the_start_does_not_open_the_incident_again(detector: Detector) -> None:
    report(detector, state="start")
    report(detector, at=10, state="end")
    row = report(detector, at=90, state="start")

    assert (ReceivedAlert.objects.count(), row.count) == (1, 3)
    assert row.ended_at is not None


def test_an_end_that_arrives_first_closes_the_older_start(detector: Detector) -> None:
    report(detector, state="end", ended_at="2026-11-28T17:59:00Z", targets=[])
    row = report(detector, at=300, state="start", started_at="2026-11-28T17:50:00Z")

    assert ReceivedAlert.objects.count() == 1
    assert row.ended_at == datetime(2026, 11, 28, 17, 59, tzinfo=UTC)
    assert row.targets.texts == ("203.0.113.7/32",)


def test_an_id_that_is_used_again_begins_another_incident(detector: Detector) -> None:
    report(detector, state="start", started_at="2026-11-28T17:50:00Z")
    report(detector, at=1, state="end", ended_at="2026-11-28T17:59:00Z")
    row = report(detector, at=2, state="start", started_at="2026-11-28T18:00:00Z")

    assert ReceivedAlert.objects.count() == 2
    assert row.ended_at is None


def test_an_end_without_times_closes_a_start_that_arrives_within_a_minute(
    detector: Detector,
) -> None:
    report(detector, state="end")
    assert report(detector, at=59, state="start").ended_at is not None
    assert report(detector, at=200, state="update", pps=1).ended_at is None


def test_the_end_of_an_earlier_incident_leaves_this_one_open(detector: Detector) -> None:
    report(detector, state="start", started_at="2026-11-28T18:00:00Z")
    row = report(detector, at=1, state="end", ended_at="2026-11-28T17:00:00Z")

    assert (row.ended_at, row.count) == (None, 2)


def test_an_incident_remembers_a_bounded_number_of_alerts(detector: Detector) -> None:
    for number in range(folding.MAX_SEEN + 5):
        row = report(detector, at=number, pps=number)

    assert len(row.seen) == folding.MAX_SEEN
    assert row.pps == folding.MAX_SEEN + 4


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"targets": ["203.0.113.7"]}, "ours"),
        ({"targets": ["203.0.113.7", "198.51.100.7"]}, "not_ours"),
        ({"targets": ["203.0.113.0/24"]}, "not_ours"),
        ({"targets": ["10.0.0.1"]}, "not_ours"),
        ({"targets": ["shop.globex.example"]}, "not_ours"),
        ({"targets": []}, "no_target"),
        ({"targets": ["203.0.113.7"], "direction": "outgoing"}, "outgoing"),
    ],
)
def test_every_target_has_to_be_in_a_verified_resource(
    detector: Detector, globex: Organization, fields: dict[str, Any], verdict: str
) -> None:
    ResourceFactory.create(organization=globex, value="198.51.100.0/24")

    assert report(detector, **fields).verdict == verdict


def test_an_unverified_default_resource_is_no_target(
    detector: Detector, shop: ProtectedResource
) -> None:
    AlertEndpoint.objects.update(default_resource=shop)
    assert report(detector, targets=[]).targets.texts == ("203.0.113.0/26",)
    ProtectedResource.objects.update(verified_at=None)

    assert report(detector, at=1, id="a-2", targets=[]).verdict == "no_target"
