from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.providers.models import SessionState, Subscription
from portal.signaling import leases
from portal.signaling.sessions import record_heard, record_session
from tests.portal.signaling.conftest import session_events

NOW = timezone.now()
EXPIRED = NOW + leases.LEASE + timedelta(seconds=1)


def test_of_two_workers_one_gets_the_subscription(acme_northgate: Subscription) -> None:
    assert leases.claim("one", now=NOW) == [acme_northgate.pk]
    assert leases.claim("two", now=NOW) == []


def test_a_worker_that_stops_renewing_loses_its_subscriptions(acme_northgate: Subscription) -> None:
    leases.claim("one", now=NOW)

    assert leases.claim("two", now=EXPIRED) == [acme_northgate.pk]
    assert leases.renew("one", [acme_northgate.pk], now=EXPIRED) == set()


def test_a_lease_that_ran_out_is_not_renewed_even_if_nobody_took_it(
    acme_northgate: Subscription,
) -> None:
    leases.claim("one", now=NOW)

    assert leases.renew("one", [acme_northgate.pk], now=EXPIRED) == set()


def test_renewing_keeps_the_others_away(acme_northgate: Subscription) -> None:
    leases.claim("one", now=NOW)
    leases.renew("one", [acme_northgate.pk], now=NOW + timedelta(seconds=10))

    assert leases.claim("two", now=EXPIRED) == []


def test_a_released_subscription_is_free_at_once(acme_northgate: Subscription) -> None:
    leases.claim("one", now=NOW)
    leases.release("one", [acme_northgate.pk])

    assert leases.claim("two", now=NOW) == [acme_northgate.pk]


def test_only_the_owner_releases(acme_northgate: Subscription) -> None:
    leases.claim("one", now=NOW)
    leases.release("two", [acme_northgate.pk])

    assert leases.claim("two", now=NOW) == []


def test_a_disabled_subscription_is_neither_claimed_nor_kept(acme_northgate: Subscription) -> None:
    leases.claim("one", now=NOW)
    Subscription.objects.update(enabled=False)

    assert leases.renew("one", [acme_northgate.pk], now=NOW) == set()
    assert leases.claim("two", now=EXPIRED) == []


def test_a_session_nobody_holds_is_not_shown_as_connected(acme_northgate: Subscription) -> None:
    leases.claim("one", now=NOW)
    note(acme_northgate, SessionState.UP)

    assert leases.mark_orphans(now=NOW) == 0
    assert leases.mark_orphans(now=EXPIRED) == 1

    acme_northgate.refresh_from_db()
    assert acme_northgate.session_state == "down"


def note(subscription: Subscription, state: SessionState, owner: str = "one", **more: str) -> None:
    record_session(subscription_id=subscription.pk, owner=owner, state=state, now=NOW, **more)


@pytest.mark.rule("SC-096")
def test_a_session_that_comes_up_is_an_event_and_so_is_its_loss(
    acme_northgate: Subscription,
) -> None:
    leases.claim("one", now=NOW)
    note(acme_northgate, SessionState.CONNECTING)
    note(acme_northgate, SessionState.UP, transport="dtls")
    note(acme_northgate, SessionState.CONNECTING, detail="it closed the connection")
    note(acme_northgate, SessionState.DOWN, detail="no route")

    assert [(event.type, event.data["state"]) for event in session_events()] == [
        ("session.up", "up"),
        ("session.down", "connecting"),
        ("session.down", "down"),
    ]


def test_who_does_not_hold_the_subscription_writes_nothing(acme_northgate: Subscription) -> None:
    leases.claim("one", now=NOW)

    note(acme_northgate, SessionState.UP, owner="two")
    record_heard(subscription_id=acme_northgate.pk, owner="two", now=NOW)

    acme_northgate.refresh_from_db()
    assert (acme_northgate.session_state, acme_northgate.last_heard_at) == ("down", None)
