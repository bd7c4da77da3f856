"""Workers of this release and of 0.1 beside each other (`worker_of_0_1.py`)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from portal.providers.models import SessionState, Subscription
from portal.signaling.leasing import leases
from portal.signaling.leasing.lease_fence import LEASE
from portal.signaling.leasing.leases import Worker
from portal.signaling.leasing.old_leases import NOT_RENEWED
from portal.signaling.models import Lease, SignalWorker
from portal.signaling.sessions.orphaned_sessions import mark_orphans
from tests.portal.leased import lease_to
from tests.portal.signaling.worker_of_0_1 import forget_workers

pytestmark = pytest.mark.sqlite

NOW = timezone.now()
SECOND = timedelta(seconds=1)


def old_worker(*owned: Subscription, at: datetime = NOW) -> Worker:
    SignalWorker.objects.create(name="old", seen_at=at, has_leases=False)
    ids = [one.pk for one in owned]
    Subscription.objects.filter(pk__in=ids).update(owner="old", lease_until=at + LEASE)
    return Worker("old", at, has_leases=False)


def columns(subscription: Subscription) -> tuple[str, datetime | None]:
    subscription.refresh_from_db()
    return subscription.owner, subscription.lease_until


def test_a_subscription_that_a_worker_of_0_1_owns_is_not_claimed(
    acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    old_worker(acme_northgate)
    leases.check_in("new", now=NOW)

    assert leases.unleased() == [acme_tidewall.pk]
    assert leases.claim("new", [acme_northgate.pk, acme_tidewall.pk]) == [acme_tidewall.pk]
    assert columns(acme_northgate) == ("old", NOW + LEASE)


def test_a_subscription_that_a_worker_of_0_1_released_is_free(acme_northgate: Subscription) -> None:
    old_worker(acme_northgate)
    Subscription.objects.update(owner="", lease_until=None)

    assert leases.unleased() == [acme_northgate.pk]


def test_a_subscription_that_a_dead_worker_of_0_1_owned_is_free(
    acme_northgate: Subscription,
) -> None:
    dead = old_worker(acme_northgate)

    assert leases.declare_dead(dead)

    assert columns(acme_northgate) == ("", None)
    lease_to("new", acme_northgate)


def test_the_old_columns_are_renewed_while_a_worker_of_0_1_runs(
    acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    lease_to("new", acme_northgate, now=NOW)
    assert columns(acme_northgate) == ("new", NOT_RENEWED)
    old = old_worker(acme_tidewall)

    for second in (1, 2):
        leases.renew("new", now=NOW + second * SECOND)
        assert columns(acme_northgate) == ("new", NOW + second * SECOND + LEASE)
    leases.declare_dead(old)
    leases.renew("new", now=NOW + 3 * SECOND)

    assert columns(acme_northgate) == ("new", NOT_RENEWED)
    assert columns(acme_tidewall) == ("", None)


def test_a_released_subscription_is_free_for_a_worker_of_0_1(acme_northgate: Subscription) -> None:
    lease_to("new", acme_northgate)

    leases.release("new", [acme_northgate.pk])

    assert columns(acme_northgate) == ("", None)


def test_a_worker_whose_subscription_was_claimed_by_one_of_0_1_has_lost_it(
    acme_northgate: Subscription,
) -> None:
    lease_to("new", acme_northgate, now=NOW)
    old_worker(acme_northgate)

    with pytest.raises(leases.NotOwner):
        leases.write_as_owner(acme_northgate.pk, "new", lambda: None)
    renewed = leases.renew("new", now=NOW)

    assert renewed is not None
    assert renewed.kept == set()
    assert not Lease.objects.exists()
    assert columns(acme_northgate) == ("old", NOW + LEASE)


@pytest.fixture
def forgotten(acme_northgate: Subscription) -> Subscription:
    """`gone` had its lease, and a worker of 0.1 deleted the row of `gone`."""
    lease_to("gone", acme_northgate, now=NOW - timedelta(days=2))
    forget_workers(now=NOW)
    assert not SignalWorker.objects.exists()
    connection.check_constraints()
    return acme_northgate


def test_a_lease_of_a_worker_that_one_of_0_1_deleted_is_free(forgotten: Subscription) -> None:
    leases.check_in("new", now=NOW)

    assert leases.unleased() == [forgotten.pk]
    assert leases.claim("new", [forgotten.pk]) == [forgotten.pk]
    assert leases.unleased() == []
    assert leases.write_as_owner(forgotten.pk, "new", lambda: "written") == "written"
    assert columns(forgotten) == ("new", NOT_RENEWED)


def test_a_worker_that_one_of_0_1_deleted_has_lost_its_leases(forgotten: Subscription) -> None:
    assert leases.renew("gone", now=NOW) is None
    assert leases.claim("gone", [forgotten.pk]) == []
    assert leases.still_owned("gone", [forgotten.pk]) == set()
    with pytest.raises(leases.NotOwner):
        leases.write_as_owner(forgotten.pk, "gone", lambda: None)
    assert leases.check_out("gone")
    assert leases.unleased() == [forgotten.pk]


def test_a_session_of_a_worker_that_one_of_0_1_deleted_has_no_owner(
    forgotten: Subscription,
) -> None:
    Subscription.objects.update(session_state=SessionState.UP)

    assert mark_orphans(now=NOW) == 1


def test_a_worker_of_0_1_owns_what_it_claims_of_a_worker_that_it_deleted(
    forgotten: Subscription,
) -> None:
    old_worker(forgotten)
    Subscription.objects.update(session_state=SessionState.UP)
    leases.check_in("new", now=NOW)

    assert leases.unleased() == []
    assert leases.claim("new", [forgotten.pk]) == []
    assert mark_orphans(now=NOW + LEASE) == 0
    assert mark_orphans(now=NOW + LEASE + SECOND) == 1


def test_a_session_of_a_worker_of_0_1_has_an_owner_as_long_as_its_lease(
    acme_northgate: Subscription,
) -> None:
    old_worker(acme_northgate)
    Subscription.objects.update(session_state=SessionState.UP)

    assert mark_orphans(now=NOW + LEASE) == 0
    assert mark_orphans(now=NOW + LEASE + SECOND) == 1
