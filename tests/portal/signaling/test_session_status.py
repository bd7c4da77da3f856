from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from portal.providers.models import SessionState, Subscription
from portal.signaling.leasing.lease_fence import LEASE
from portal.signaling.sessions.orphaned_sessions import mark_orphans
from portal.signaling.store.session_status import (
    MAX_EVENT_DETAIL,
    SessionStatus,
    record_heard,
    record_session,
)
from tests.portal.leased import lease_to
from tests.portal.signaling.conftest import session_events

NOW = timezone.now()


def at(second: int) -> datetime:
    return NOW + timedelta(seconds=second)


def note(subscription: Subscription, second: int, state: SessionState, transport: str = "") -> None:
    record_session(
        subscription_id=subscription.pk,
        owner="one",
        status=SessionStatus(state=state, transport=transport),
        now=at(second),
    )


def worked(subscription: Subscription) -> tuple[datetime | None, datetime | None]:
    subscription.refresh_from_db()
    return subscription.dtls_worked_at, subscription.tls_worked_at


def test_a_session_shows_that_its_transport_works(acme_northgate: Subscription) -> None:
    lease_to("one", acme_northgate, now=NOW)

    note(acme_northgate, 1, SessionState.UP, "tls")

    assert worked(acme_northgate) == (None, at(1))


def test_a_replaced_transport_worked_until_it_was_last_heard(
    acme_northgate: Subscription,
) -> None:
    lease_to("one", acme_northgate, now=NOW)
    note(acme_northgate, 1, SessionState.UP, "dtls")
    record_heard(owner="one", heard={acme_northgate.pk: at(50)})

    note(acme_northgate, 60, SessionState.UP, "tls")

    assert worked(acme_northgate) == (at(50), at(60))
    assert acme_northgate.session_since == at(60)


def test_a_lost_session_worked_until_it_was_last_heard(acme_northgate: Subscription) -> None:
    lease_to("one", acme_northgate, now=NOW)
    note(acme_northgate, 1, SessionState.UP, "dtls")
    record_heard(owner="one", heard={acme_northgate.pk: at(50)})

    note(acme_northgate, 90, SessionState.CONNECTING)
    note(acme_northgate, 100, SessionState.DOWN)

    assert worked(acme_northgate) == (at(50), None)


def test_a_transport_that_never_worked_is_not_shown_as_working(
    acme_northgate: Subscription,
) -> None:
    lease_to("one", acme_northgate, now=NOW)

    note(acme_northgate, 1, SessionState.CONNECTING)
    note(acme_northgate, 9, SessionState.DOWN)

    assert worked(acme_northgate) == (None, None)


def test_every_session_event_has_the_same_fields_and_a_short_detail(
    acme_northgate: Subscription,
) -> None:
    lease_to("one", acme_northgate, now=NOW)
    note(acme_northgate, 1, SessionState.UP, "dtls")
    status = SessionStatus(state=SessionState.DOWN, detail="no route " * 50)
    record_session(subscription_id=acme_northgate.pk, owner="one", status=status, now=at(2))
    note(acme_northgate, 3, SessionState.UP, "dtls")
    mark_orphans(now=at(3) + 2 * LEASE)

    events = [event.data for event in session_events()]
    assert [event["state"] for event in events] == ["up", "down", "up", "down"]
    assert {frozenset(event) for event in events} == {
        frozenset({"subscription", "state", "detail", "fault"})
    }
    assert events[1]["detail"] == status.detail[:MAX_EVENT_DETAIL]
    assert [event["fault"] for event in events] == ["", "", "", "no_worker"]


def test_a_status_that_the_row_shows_already_costs_one_statement(
    acme_northgate: Subscription, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    lease_to("one", acme_northgate, now=NOW)
    note(acme_northgate, 1, SessionState.CONNECTING)

    with django_assert_num_queries(1):
        note(acme_northgate, 2, SessionState.CONNECTING)

    note(acme_northgate, 3, SessionState.UP, "dtls")
    note(acme_northgate, 4, SessionState.CONNECTING)
    acme_northgate.refresh_from_db()
    assert acme_northgate.session_since == at(4)
