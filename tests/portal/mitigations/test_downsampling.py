from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.log import append_event
from portal.events.models import Event, EventCursor, EventType
from portal.mitigations import services, tasks
from portal.mitigations.downsampling import STEP, CounterReport, downsample
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.services import downsampling
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ApiOf
from tests.factories import OrganizationFactory

START = datetime(2026, 1, 1, 0, 0, 0, tzinfo=UTC)
ONE = uuid.UUID(int=1)
DAYS = 14


def reports(*seconds: float) -> list[CounterReport]:
    return [
        CounterReport(number, ONE, START + timedelta(seconds=second))
        for number, second in enumerate(seconds, 1)
    ]


def kept(given_reports: list[CounterReport]) -> list[int]:
    gone = downsample(given_reports).gone
    return [report.seq for report in given_reports if report.seq not in gone]


def test_the_last_and_highest_report_of_each_half_minute_are_kept() -> None:
    dense = [
        CounterReport(number, ONE, START + timedelta(seconds=number), rate=number % 20)
        for number in range(60)
    ]

    assert kept(dense) == [0, 19, 29, 39, 59]


def test_reports_around_a_gap_are_kept() -> None:
    assert kept(reports(1, 2, 3, 100, 101, 102, 103)) == [1, 3, 4, 7]


def test_kept_reports_do_not_mention_deleted_ones() -> None:
    alternating = [
        CounterReport(number, ONE, START + timedelta(seconds=number), is_after_repeats=True)
        for number in range(1, 30)
    ]

    found = downsample(alternating)

    assert kept(alternating) == [1, 29]
    assert found.loose == {29}


def test_a_long_repetition_is_kept_with_the_repeated_report() -> None:
    first, second = reports(0, 200)
    second = CounterReport(second.seq, ONE, second.at, is_after_repeats=True)

    found = downsample([first, second])

    assert (found.gone, found.loose) == (frozenset(), frozenset())


def test_each_mitigation_is_downsampled_separately() -> None:
    other = uuid.UUID(int=2)
    mixed = [
        CounterReport(number, other if number % 2 else ONE, START + timedelta(seconds=number))
        for number in range(10)
    ]

    assert kept(mixed) == [0, 1, 8, 9]


@given(
    gaps=st.lists(st.floats(min_value=0.1, max_value=90), min_size=1, max_size=200),
    repeats=st.sets(st.integers(0, 200)),
)
def test_no_gap_appears_or_disappears(gaps: list[float], repeats: set[int]) -> None:
    at, dense = START, []
    for number, gap in enumerate(gaps):
        at += timedelta(seconds=gap)
        dense.append(CounterReport(number, ONE, at, is_after_repeats=number in repeats))

    left = [report for report in dense if report.seq in set(kept(dense))]

    assert {dense[0], dense[-1]} <= set(left)
    silences = {
        (one.at, other.at) for one, other in pairwise(dense) if other.at - one.at > 2 * STEP
    }
    assert {
        (one.at, other.at) for one, other in pairwise(left) if other.at - one.at > 2 * STEP
    } == silences
    for before, report in pairwise(dense):
        if report.is_after_repeats and report in left:
            assert (before in left) != (report.seq in downsample(dense).loose)


@pytest.fixture
def request_(
    dana: User, acme: Organization, shop: ProtectedResource, acme_northgate: Subscription
) -> MitigationRequest:
    submission = Submission(prefixes=("203.0.113.7/32",))
    return services.submit(organization=acme, actor=Actor.person(dana), submission=submission)


@pytest.fixture(autouse=True)
def _policy(settings: Settings) -> None:
    settings.PORTAL_COUNTER_DAYS = DAYS


def counters(request: MitigationRequest, count: int, *, at: datetime) -> Mitigation:
    """One report a second."""
    mitigation = request.mitigations.get()
    for number in range(count):
        append_event(
            organization_id=request.organization_id,
            type=EventType.MITIGATION_COUNTERS,
            at=at + timedelta(seconds=number),
            request=request,
            mitigation=mitigation,
            data={"bps_dropped": number},
        )
    return mitigation


def old() -> datetime:
    at = timezone.now() - timedelta(days=DAYS + 1)
    return at.replace(second=0, microsecond=0)


def aged(request: MitigationRequest) -> None:
    Event.objects.filter(request_id=request.pk).update(at=old() - timedelta(minutes=1))


def test_old_reports_are_deleted_and_the_next_one_counts_them(request_: MitigationRequest) -> None:
    aged(request_)
    counters(request_, 60, at=old())
    append_event(
        organization_id=request_.organization_id,
        type=EventType.REQUEST_STATUS,
        at=timezone.now(),
        request=request_,
    )

    assert services.downsample_counters(now=timezone.now()) == 57

    events = list(Event.objects.order_by("seq"))
    types = [event.type for event in events]
    assert types == ["request.submitted", *["mitigation.counters"] * 3, "request.status"]
    assert [event.data.get("bps_dropped") for event in events[1:4]] == [0, 29, 59]
    assert_honest(events)


def assert_honest(events: list[Event]) -> None:
    """A reader can tell that nothing else is missing."""
    for before, event in pairwise(events):
        assert event.seq == before.seq + 1 + event.thinned


def test_a_kept_event_no_longer_refers_to_a_deleted_one(
    request_: MitigationRequest,
) -> None:
    aged(request_)
    counters(request_, 30, at=old())
    last = Event.objects.order_by("seq").last()
    assert last is not None
    last.data = {"bps_dropped": 99, "held_until": "2026-01-01T00:00:00Z"}
    last.save()

    services.downsample_counters(now=timezone.now())

    last.refresh_from_db()
    assert last.data == {"bps_dropped": 99}


def test_recent_reports_and_other_events_are_kept(request_: MitigationRequest) -> None:
    counters(request_, 40, at=timezone.now() - timedelta(days=DAYS - 1))
    before = Event.objects.count()

    assert services.downsample_counters(now=timezone.now()) == 0
    assert Event.objects.count() == before


def test_downsampling_twice_changes_nothing(request_: MitigationRequest) -> None:
    aged(request_)
    counters(request_, 60, at=old())
    tasks.prune()
    once = list(Event.objects.order_by("seq").values())

    tasks.prune()

    assert list(Event.objects.order_by("seq").values()) == once


def test_a_log_is_downsampled_in_batches(
    request_: MitigationRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    aged(request_)
    counters(request_, 120, at=old())
    monkeypatch.setattr(downsampling, "PORTION", 25)
    monkeypatch.setattr("portal.events.removal.DELETE_BATCH_SIZE", 7)
    monkeypatch.setattr(downsampling, "MAX_PORTIONS", 2)

    first = services.downsample_counters(now=timezone.now())
    cursor = EventCursor.objects.get(organization_id=request_.organization_id)
    assert 0 < first < 50
    assert cursor.seq == 50

    services.downsample_counters(now=timezone.now())
    services.downsample_counters(now=timezone.now())

    events = list(Event.objects.order_by("seq"))
    assert len(events) < 30
    assert_honest(events)


def log_of(count: int, *, at: datetime) -> uuid.UUID:
    organization = OrganizationFactory.create()
    for _ in range(count):
        append_event(organization_id=organization.pk, type=EventType.ORGANIZATION_CHANGED, at=at)
    return organization.pk


def handled() -> dict[uuid.UUID, int]:
    return dict(EventCursor.objects.filter(seq__gt=0).values_list("organization_id", "seq"))


@pytest.mark.django_db
def test_logs_without_old_events_use_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downsampling, "MAX_PORTIONS", 1)
    due = log_of(2, at=old())
    for _ in range(30):
        log_of(1, at=timezone.now())

    services.downsample_counters(now=timezone.now())

    assert handled() == {due: 2}


@pytest.mark.django_db
def test_no_log_waits_for_another_to_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downsampling, "MAX_PORTIONS", 1)
    monkeypatch.setattr(downsampling, "PORTION", 1)
    runs = 30
    logs = {log_of(runs, at=old()) for _ in range(2)}

    for _ in range(runs):
        services.downsample_counters(now=timezone.now())

    # By chance alone, one of 2^29 fails.
    assert handled().keys() == logs
    assert sum(handled().values()) == runs


@pytest.mark.parametrize("after", [0, 1, 5, 30, 31, 60])
def test_a_reader_from_any_number_learns_how_many_are_missing(
    dana: User, api_of: ApiOf, request_: MitigationRequest, after: int
) -> None:
    aged(request_)
    counters(request_, 60, at=old())
    services.downsample_counters(now=timezone.now())

    events = api_of(dana).get(f"/api/v1/organizations/acme/events?after={after}").json()["results"]

    first = events[0]
    assert first["seq"] - 1 - first.get("thinned", 0) <= after < first["seq"]
    for before, event in pairwise(events):
        assert event["seq"] == before["seq"] + 1 + event.get("thinned", 0)
