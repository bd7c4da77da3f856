from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from portal.organizations.models import Organization
from portal.providers import services
from portal.providers.models import Provider, SessionState, Subscription
from portal.signaling.leasing import leases
from portal.signaling.leasing.lease_fence import LEASE
from portal.signaling.leasing.leases import Worker
from portal.signaling.models import Lease, SignalWorker
from portal.signaling.sessions.orphaned_sessions import mark_orphans
from portal.signaling.store.session_status import SessionStatus, record_heard, record_session
from tests.factories import OrganizationFactory, SubscriptionFactory
from tests.portal.leased import lease_to
from tests.portal.providers.identities import identity
from tests.portal.signaling.conftest import session_events

pytestmark = pytest.mark.sqlite

NOW = timezone.now()
PRESENT_FOR = timedelta(seconds=4)
MOMENT = timedelta(microseconds=1)
EXPIRED = NOW + LEASE + timedelta(seconds=1)


def seen(name: str) -> Worker:
    """The row of the worker, as another one reads it."""
    row = SignalWorker.objects.get(name=name)
    return Worker(row.name, row.seen_at)


def owner_of(subscription: Subscription) -> str | None:
    return Lease.objects.filter(pk=subscription.pk).values_list("worker_id", flat=True).first()


def renewed(owner: str, now: datetime = NOW) -> leases.RenewedLeases:
    renewed = leases.renew(owner, now=now)
    assert renewed is not None
    return renewed


def test_one_of_two_workers_competing_for_a_free_subscription_gets_it(
    acme_northgate: Subscription,
) -> None:
    for name in ("one", "two"):
        leases.check_in(name, now=NOW)
    free = leases.unleased()
    assert free == [acme_northgate.pk]

    assert leases.claim("one", free) == free
    assert leases.claim("two", free) == []
    assert leases.unleased() == []
    assert leases.claim("one", free) == free, "it is still its own"


def test_a_worker_that_did_not_renew_since_it_was_seen_loses_all_its_subscriptions(
    acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    lease_to("one", acme_northgate, acme_tidewall, now=NOW)
    leases.check_in("two", now=EXPIRED)

    assert leases.declare_dead(seen("one"))

    assert leases.renew("one", now=EXPIRED) is None
    assert leases.claim("one", [acme_northgate.pk]) == []
    assert set(leases.claim("two", leases.unleased())) == {acme_northgate.pk, acme_tidewall.pk}


def test_a_worker_that_renewed_since_it_was_seen_keeps_its_subscriptions(
    acme_northgate: Subscription,
) -> None:
    lease_to("one", acme_northgate, now=NOW)
    silent = seen("one")
    assert renewed("one", EXPIRED).kept == {acme_northgate.pk}

    assert not leases.declare_dead(silent)

    assert renewed("one", EXPIRED).kept == {acme_northgate.pk}


def test_one_of_two_workers_that_declare_a_third_dead_does_so(acme_northgate: Subscription) -> None:
    lease_to("one", acme_northgate, now=NOW)
    silent = seen("one")

    assert [leases.declare_dead(silent), leases.declare_dead(silent)] == [True, False]


def test_a_lease_is_renewed_however_late(acme_northgate: Subscription) -> None:
    lease_to("one", acme_northgate, now=NOW)

    assert renewed("one", EXPIRED).kept == {acme_northgate.pk}
    assert seen("one").seen_at == EXPIRED


def test_a_released_subscription_is_free_at_once(acme_northgate: Subscription) -> None:
    lease_to("one", acme_northgate)

    leases.release("one", [acme_northgate.pk])

    lease_to("two", acme_northgate)
    assert owner_of(acme_northgate) == "two"


def test_only_the_owner_releases(acme_northgate: Subscription) -> None:
    lease_to("one", acme_northgate)

    leases.release("two", [acme_northgate.pk])

    assert owner_of(acme_northgate) == "one"


def test_a_worker_that_checks_out_leaves_nothing_behind(
    acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    lease_to("one", acme_northgate, acme_tidewall)

    assert leases.check_out("one")

    assert not SignalWorker.objects.exists()
    assert set(leases.unleased()) == {acme_northgate.pk, acme_tidewall.pk}
    assert leases.check_out("one"), "also if another worker declared it dead before"


def switch_off(subscription: Subscription) -> None:
    Subscription.objects.filter(pk=subscription.pk).update(enabled=False)


def suspend(subscription: Subscription) -> None:
    Organization.objects.filter(pk=subscription.organization_id).update(is_active=False)


@pytest.mark.parametrize("act", [switch_off, suspend])
def test_a_subscription_that_is_off_is_neither_claimed_nor_kept(
    acme_northgate: Subscription, act: Callable[[Subscription], None]
) -> None:
    lease_to("one", acme_northgate, now=NOW)
    act(acme_northgate)

    renewal = renewed("one")

    assert renewal.kept == set()
    assert renewal.switched_off == {acme_northgate.pk}
    leases.release("one", renewal.switched_off)
    assert leases.unleased() == []
    assert leases.fair_share(renewal.workers, now=NOW) == 0


def test_the_number_of_subscriptions_read_at_once_is_limited(northgate: Provider) -> None:
    # In batches: on a busy machine, composing one statement for all takes longer than PostgreSQL
    # waits inside a transaction.
    organizations = Organization.objects.bulk_create(
        (Organization(slug=f"o{number}", name=f"o{number}") for number in range(1001)),
        batch_size=100,
    )
    Subscription.objects.bulk_create(
        (
            Subscription(
                organization=one,
                provider=northgate,
                cuid=one.slug,
                priority=1,
                certificate_chain="PEM",
            )
            for one in organizations
        ),
        batch_size=100,
    )

    assert len(leases.unleased()) == 1000


@pytest.mark.parametrize("sessions", [1, 30])
def test_a_renewal_costs_the_same_statements_for_any_number_of_subscriptions(
    northgate: Provider, sessions: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    lease_to(
        "one",
        *(
            SubscriptionFactory.create(
                organization=OrganizationFactory.create(), provider=northgate
            )
            for _ in range(sessions)
        ),
        now=NOW,
    )

    with django_assert_num_queries(4) as statements:
        assert len(renewed("one").kept) == sessions

    changes = [one["sql"] for one in statements if not one["sql"].startswith("SELECT")]
    assert [one.split(" SET")[0] for one in changes] == ['UPDATE "signaling_signalworker"']


def test_every_live_worker_has_the_same_share(
    acme_northgate: Subscription, acme_tidewall: Subscription, globex_northgate: Subscription
) -> None:
    one, two = Worker("one", NOW), Worker("two", NOW)

    assert leases.fair_share([one], now=NOW) == 3
    assert leases.fair_share([one, two], now=NOW) == 2
    assert leases.fair_share([], now=NOW) == 3


@pytest.mark.parametrize(
    ("seen_at", "is_present"),
    [
        (NOW - PRESENT_FOR, False),
        (NOW - PRESENT_FOR + MOMENT, True),
        (NOW + PRESENT_FOR - MOMENT, True),
        # A clock that was set back since: the row says nothing about now.
        (NOW + PRESENT_FOR, False),
    ],
)
def test_a_worker_that_renewed_recently_has_a_share(
    acme_northgate: Subscription,
    globex_northgate: Subscription,
    seen_at: datetime,
    is_present: bool,
) -> None:
    workers = [Worker("one", NOW), Worker("two", seen_at)]

    assert leases.fair_share(workers, now=NOW) == (1 if is_present else 2)


def test_a_write_by_the_owner_is_committed(acme_northgate: Subscription) -> None:
    lease_to("one", acme_northgate)

    assert leases.write_as_owner(acme_northgate.pk, "one", rename) == 1

    acme_northgate.refresh_from_db()
    assert acme_northgate.session_detail == "written"


@pytest.mark.parametrize("end", ["release", "death"])
def test_a_write_by_a_former_owner_is_refused(acme_northgate: Subscription, end: str) -> None:
    lease_to("one", acme_northgate)
    if end == "release":
        leases.release("one", [acme_northgate.pk])
    else:
        leases.declare_dead(seen("one"))
    lease_to("two", acme_northgate)

    with pytest.raises(leases.NotOwner):
        leases.write_as_owner(acme_northgate.pk, "one", rename)

    acme_northgate.refresh_from_db()
    assert acme_northgate.session_detail == ""


def rename() -> int:
    return Subscription.objects.update(session_detail="written")


def test_the_subscriptions_that_a_worker_still_owns_are_found_in_one_statement(
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
    globex_northgate: Subscription,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    lease_to("one", acme_northgate, acme_tidewall)
    lease_to("two", globex_northgate)
    ids = [acme_northgate.pk, acme_tidewall.pk, globex_northgate.pk]

    with django_assert_num_queries(1):
        assert leases.still_owned("one", ids) == {acme_northgate.pk, acme_tidewall.pk}

    assert leases.still_owned("one", []) == set()
    assert leases.still_owned("three", ids) == set()


@pytest.mark.parametrize("door", ["certificate", "order", "provider"])
def test_a_renewal_returns_when_staff_saved_the_settings(
    acme_northgate: Subscription, door: str
) -> None:
    lease_to("one", acme_northgate)
    before = renewed("one").saved_at[acme_northgate.pk]

    if door == "certificate":
        services.replace_certificate(subscription=acme_northgate, identity=identity())
    elif door == "order":
        services.set_order(subscription=acme_northgate, priority=2, enabled=True)
    else:
        acme_northgate.provider.save()

    after = renewed("one").saved_at[acme_northgate.pk]
    assert after != before


def test_a_session_without_an_owner_is_not_shown_as_connected(acme_northgate: Subscription) -> None:
    lease_to("one", acme_northgate, now=NOW)
    note(acme_northgate, SessionState.UP)

    assert mark_orphans(now=NOW) == 0
    assert mark_orphans(now=EXPIRED) == 1

    acme_northgate.refresh_from_db()
    assert acme_northgate.session_state == "down"
    # Open pages learn of it.
    assert [event.type for event in session_events()] == ["session.up", "session.down"]
    assert mark_orphans(now=EXPIRED) == 0


def note(subscription: Subscription, state: SessionState, owner: str = "one", **more: Any) -> None:
    record_session(
        subscription_id=subscription.pk,
        owner=owner,
        status=SessionStatus(state=state, **more),
        now=NOW,
    )


@pytest.mark.rule("SC-096")
def test_establishing_and_losing_a_session_are_events(
    acme_northgate: Subscription,
) -> None:
    lease_to("one", acme_northgate, now=NOW)
    note(acme_northgate, SessionState.CONNECTING)
    note(acme_northgate, SessionState.UP, transport="dtls")
    note(acme_northgate, SessionState.CONNECTING, detail="it closed the connection")
    note(acme_northgate, SessionState.DOWN, detail="no route")

    assert [(event.type, event.data["state"]) for event in session_events()] == [
        ("session.up", "up"),
        ("session.down", "connecting"),
        ("session.down", "down"),
    ]


def test_a_worker_without_the_lease_writes_nothing(acme_northgate: Subscription) -> None:
    lease_to("one", acme_northgate, now=NOW)

    note(acme_northgate, SessionState.UP, owner="two")
    record_heard(owner="two", heard={acme_northgate.pk: NOW})

    acme_northgate.refresh_from_db()
    assert (acme_northgate.session_state, acme_northgate.last_heard_at) == ("down", None)
