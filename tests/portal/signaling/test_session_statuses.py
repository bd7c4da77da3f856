"""Statuses of many sessions are saved together as each would be alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.events.log import lock_log
from portal.events.models import Event
from portal.providers.models import (
    PendingChange,
    Provider,
    SessionFault,
    SessionState,
    Subscription,
)
from portal.signaling.store.session_status import SessionStatus, record_heard, record_session
from portal.signaling.store.session_statuses import WRITTEN, ReportedStatus, record_sessions
from tests.factories import OrganizationFactory, SubscriptionFactory
from tests.integration.test_simultaneous import together
from tests.portal.leased import lease_to

NOW = timezone.now()
OWNER = "one"
AT_MOST_S = 30.0


def at(second: int) -> datetime:
    return NOW + timedelta(seconds=second)


UP = SessionStatus(state=SessionState.UP, transport="dtls", detail="192.0.2.1:4646")
CONNECTING = SessionStatus(state=SessionState.CONNECTING)
HISTORY = [
    CONNECTING,
    UP,
    SessionStatus(state=SessionState.UP, transport="dtls", refusal="4.01"),
    CONNECTING,
    SessionStatus(state=SessionState.DOWN, detail="no route " * 50, fault=SessionFault.NO_WORKER),
    CONNECTING,
    SessionStatus(state=SessionState.UP, transport="tls", opened_at=at(5), not_followed="silent"),
    SessionStatus(state=SessionState.UP, transport="dtls", opened_at=at(7)),
]


def subscriptions(northgate: Provider, count: int) -> list[Subscription]:
    """Each of another organization, and owned; no session has existed yet."""
    made = [
        SubscriptionFactory.create(
            organization=organization,
            provider=northgate,
            session_state=SessionState.DOWN,
            session_transport="",
            session_since=None,
            last_heard_at=None,
        )
        for organization in OrganizationFactory.create_batch(count)
    ]
    for one in made:
        with transaction.atomic():
            lock_log(one.organization_id)
    lease_to(OWNER, *made, now=NOW)
    return made


def save(several: Sequence[Subscription], status: SessionStatus, second: int = 0) -> set[Any]:
    return record_sessions([ReportedStatus(one.pk, status, at(second)) for one in several])


def columns(subscription: Subscription) -> list[Any]:
    subscription.refresh_from_db()
    return [getattr(subscription, name) for name in WRITTEN]


def events(subscription: Subscription) -> list[Any]:
    found = Event.objects.filter(organization_id=subscription.organization_id).order_by("seq")
    return [
        (one.seq, one.at, one.type, {**one.data, "subscription": ""}, one.request_id)
        for one in found
    ]


def test_saved_together_they_are_as_saved_alone(northgate: Provider) -> None:
    alone, *others = subscriptions(northgate, 4)

    for second, status in enumerate(HISTORY):
        record_session(subscription_id=alone.pk, owner=OWNER, status=status, now=at(second))
        assert save(others, status, second) == {one.pk for one in others}
        record_heard(owner=OWNER, heard={one.pk: at(second) for one in (alone, *others)})

    assert len(events(alone)) == 4
    for other in others:
        assert columns(other) == columns(alone)
        assert events(other) == events(alone)
    subscribed = {one.data["subscription"] for one in Event.objects.all()}
    assert subscribed == {str(one.pk) for one in (alone, *others)}


def test_two_subscriptions_of_one_organization_number_their_events(
    northgate: Provider, tidewall: Provider
) -> None:
    [own] = subscriptions(northgate, 1)
    second = SubscriptionFactory.create(
        organization=own.organization, provider=tidewall, session_state=SessionState.DOWN
    )

    assert save([own, second], UP) == {own.pk, second.pk}

    assert [one.seq for one in Event.objects.order_by("seq")] == [1, 2]


def test_many_cost_as_many_statements_as_one(northgate: Provider) -> None:
    first, *others = subscriptions(northgate, 12)
    with CaptureQueriesContext(connection) as of_one:
        save([first], UP)
    with CaptureQueriesContext(connection) as of_all:
        save(others, UP)

    assert len(of_all) == len(of_one) == 4


def test_a_status_that_the_row_shows_already_writes_nothing(northgate: Provider) -> None:
    several = subscriptions(northgate, 2)
    save(several, CONNECTING)
    with CaptureQueriesContext(connection) as queries:
        assert save(several, CONNECTING, 1) == {one.pk for one in several}

    assert [one["sql"].split()[0] for one in queries] == ["SELECT"]


def test_a_session_with_outdated_settings_is_saved_alone(northgate: Provider) -> None:
    changed, was_changed, plain = subscriptions(northgate, 3)
    pending = PendingChange(changed=("address",), tried_at=None, failure="")
    Subscription.objects.filter(pk=was_changed.pk).update(pending_change=pending)
    reports = [
        ReportedStatus(
            changed.pk, SessionStatus(state=SessionState.UP, pending_change=pending), NOW
        ),
        ReportedStatus(was_changed.pk, UP, NOW),
        ReportedStatus(plain.pk, UP, NOW),
    ]

    assert record_sessions(reports) == {plain.pk}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("held", ["log", "row"])
def test_rows_and_logs_of_another_transaction_are_left_out(northgate: Provider, held: str) -> None:
    locked, free = subscriptions(northgate, 2)
    is_locked, may_end = threading.Event(), threading.Event()

    @transaction.atomic
    def hold() -> None:
        if held == "log":
            lock_log(locked.organization_id)
        else:
            Subscription.objects.select_for_update().get(pk=locked.pk)
        is_locked.set()
        assert may_end.wait(AT_MOST_S)

    @transaction.atomic
    def save_both() -> object:
        assert is_locked.wait(AT_MOST_S)
        try:
            return save([locked, free], UP)
        finally:
            may_end.set()

    assert together(hold, save_both) == [None, {free.pk}]
    assert events(locked) == []
    assert [one[0] for one in events(free)] == [1]
    # The number that was not used was not counted.
    with transaction.atomic():
        assert save([locked], UP) == {locked.pk}
    assert [one[0] for one in events(locked)] == [1]
