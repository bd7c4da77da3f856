from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from portal.organizations.models import Organization
from portal.providers import services
from portal.providers.models import Provider, SessionState, Subscription
from portal.signaling import leases
from portal.signaling.lease_fence import LEASE
from portal.signaling.models import SignalWorker
from portal.signaling.orphaned_sessions import mark_orphans
from portal.signaling.session_status import SessionStatus, record_heard, record_session
from tests.portal.providers.identities import identity
from tests.portal.signaling.conftest import session_events

pytestmark = pytest.mark.sqlite

NOW = timezone.now()
QUIET, PRESENT_FOR, FORGOTTEN_AFTER = (
    timedelta(seconds=3),
    timedelta(seconds=4),
    timedelta(days=1),
)
MOMENT = timedelta(microseconds=1)
EXPIRED = NOW + LEASE + timedelta(seconds=1)


def claim(owner: str) -> list[UUID]:
    return leases.claim(owner, leases.unrenewed(now=NOW), now=NOW)


def test_one_of_two_workers_competing_for_a_free_subscription_gets_it(
    acme_northgate: Subscription,
) -> None:
    free = leases.unrenewed(now=NOW)

    assert leases.claim("one", free, now=NOW) == [acme_northgate.pk]
    assert leases.claim("two", free, now=NOW) == []


def test_a_worker_that_stops_renewing_loses_its_subscriptions(acme_northgate: Subscription) -> None:
    claim("one")
    run_out = leases.unrenewed(now=EXPIRED)
    assert [lease.has_run_out(EXPIRED) for lease in run_out] == [True]

    assert leases.claim("two", run_out, now=EXPIRED) == [acme_northgate.pk]
    assert leases.renew("one", [acme_northgate.pk], now=EXPIRED).kept == set()


def test_a_renewal_between_the_read_and_the_claim_keeps_the_subscription(
    acme_northgate: Subscription,
) -> None:
    claim("one")
    run_out = leases.unrenewed(now=EXPIRED)
    leases.renew("one", [acme_northgate.pk], now=EXPIRED)

    assert leases.claim("two", run_out, now=EXPIRED) == []


def test_an_unclaimed_lease_is_renewed_however_late(acme_northgate: Subscription) -> None:
    claim("one")

    assert leases.renew("one", [acme_northgate.pk], now=EXPIRED).kept == {acme_northgate.pk}


def test_a_lease_renewed_in_time_is_not_offered_to_others(acme_northgate: Subscription) -> None:
    claim("one")
    soon = NOW + timedelta(seconds=1)

    assert leases.unrenewed(now=soon) == []


@pytest.mark.parametrize(
    ("until", "is_unrenewed", "has_run_out"),
    [
        (None, True, True),
        (NOW - MOMENT, True, True),
        (NOW, True, False),
        (NOW + LEASE - QUIET - MOMENT, True, False),
        (NOW + LEASE - QUIET, False, False),
        (NOW + LEASE + QUIET, False, False),
        # The clock was set back since.
        (NOW + LEASE + QUIET + MOMENT, True, True),
    ],
)
def test_the_end_of_a_lease_decides_whether_it_has_expired(
    acme_northgate: Subscription, until: datetime | None, is_unrenewed: bool, has_run_out: bool
) -> None:
    Subscription.objects.update(owner="one", lease_until=until)
    lease = leases.Lease(acme_northgate.pk, "one", until)

    assert leases.unrenewed(now=NOW) == ([lease] if is_unrenewed else [])
    assert lease.has_run_out(NOW) is has_run_out


def test_a_lease_lasts_from_its_claim_and_from_each_renewal(acme_northgate: Subscription) -> None:
    claim("one")
    acme_northgate.refresh_from_db()
    assert acme_northgate.lease_until == NOW + LEASE

    leases.renew("one", [acme_northgate.pk], now=EXPIRED)
    acme_northgate.refresh_from_db()
    assert acme_northgate.lease_until == EXPIRED + LEASE


def test_a_released_subscription_is_free_at_once(acme_northgate: Subscription) -> None:
    claim("one")
    leases.release("one", [acme_northgate.pk])

    assert claim("two") == [acme_northgate.pk]


def test_only_the_owner_releases(acme_northgate: Subscription) -> None:
    claim("one")
    leases.release("two", [acme_northgate.pk])

    assert leases.unrenewed(now=NOW) == []


def test_a_disabled_subscription_is_neither_claimed_nor_kept(acme_northgate: Subscription) -> None:
    claim("one")
    Subscription.objects.update(enabled=False)

    renewed = leases.renew("one", [acme_northgate.pk], now=NOW)

    assert renewed.kept == set()
    assert renewed.switched_off == {acme_northgate.pk}
    assert leases.unrenewed(now=EXPIRED) == []


def test_the_subscriptions_of_a_suspended_organization_are_neither_claimed_nor_kept(
    acme_northgate: Subscription, acme: Organization
) -> None:
    claim("one")
    Organization.objects.filter(pk=acme.pk).update(is_active=False)

    renewed = leases.renew("one", [acme_northgate.pk], now=NOW)

    assert renewed.kept == set()
    assert renewed.switched_off == {acme_northgate.pk}
    assert leases.unrenewed(now=EXPIRED) == []
    assert leases.fair_share(now=NOW) == 0


def test_the_number_of_leases_read_at_once_is_limited(northgate: Provider) -> None:
    organizations = Organization.objects.bulk_create(
        Organization(slug=f"o{number}", name=f"o{number}") for number in range(1001)
    )
    Subscription.objects.bulk_create(
        Subscription(organization=one, provider=northgate, cuid=one.slug, priority=1)
        for one in organizations
    )

    assert len(leases.unrenewed(now=NOW)) == 1000


def test_every_live_worker_has_the_same_share(
    acme_northgate: Subscription, globex: Organization, tidewall: Provider, acme: Organization
) -> None:
    Subscription.objects.create(organization=acme, provider=tidewall, cuid="a", priority=2)
    Subscription.objects.create(organization=globex, provider=tidewall, cuid="b", priority=1)
    leases.check_in("one", now=NOW)
    assert leases.fair_share(now=NOW) == 3

    leases.check_in("two", now=NOW)
    assert leases.fair_share(now=NOW) == 2

    later = NOW + PRESENT_FOR + timedelta(seconds=1)
    leases.check_in("two", now=later)
    assert leases.fair_share(now=later) == 3

    leases.check_in("one", now=later)
    leases.check_out("two")
    assert leases.fair_share(now=later) == 3


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
def test_a_recently_seen_worker_has_a_share(
    acme_northgate: Subscription,
    globex_northgate: Subscription,
    seen_at: datetime,
    is_present: bool,
) -> None:
    leases.check_in("one", now=NOW)
    SignalWorker.objects.create(name="two", seen_at=seen_at)

    assert leases.fair_share(now=NOW) == (1 if is_present else 2)


def test_rows_of_dead_workers_are_deleted(db: None) -> None:
    leases.check_in("one", now=NOW)
    leases.check_in("two", now=NOW + FORGOTTEN_AFTER)
    assert SignalWorker.objects.count() == 2

    leases.check_in("two", now=NOW + FORGOTTEN_AFTER + MOMENT)

    assert list(SignalWorker.objects.values_list("name", flat=True)) == ["two"]


def test_a_write_by_the_owner_is_committed(acme_northgate: Subscription) -> None:
    claim("one")

    assert leases.write_as_owner(acme_northgate.pk, "one", rename) == 1

    acme_northgate.refresh_from_db()
    assert acme_northgate.session_detail == "written"


def test_a_write_by_a_former_owner_is_rolled_back(acme_northgate: Subscription) -> None:
    claim("two")

    with pytest.raises(leases.NotOwner):
        leases.write_as_owner(acme_northgate.pk, "one", rename)

    acme_northgate.refresh_from_db()
    assert acme_northgate.session_detail == ""


def rename() -> int:
    return Subscription.objects.update(session_detail="written")


@pytest.mark.parametrize("door", ["certificate", "order", "provider"])
def test_a_renewal_returns_when_staff_saved_the_settings(
    acme_northgate: Subscription, door: str
) -> None:
    claim("one")
    before = leases.renew("one", [acme_northgate.pk], now=NOW).saved_at[acme_northgate.pk]

    if door == "certificate":
        services.replace_certificate(subscription=acme_northgate, identity=identity())
    elif door == "order":
        services.set_order(subscription=acme_northgate, priority=2, enabled=True)
    else:
        acme_northgate.provider.save()

    after = leases.renew("one", [acme_northgate.pk], now=NOW).saved_at[acme_northgate.pk]
    assert after != before


def test_a_session_without_an_owner_is_not_shown_as_connected(acme_northgate: Subscription) -> None:
    claim("one")
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
    claim("one")
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
    claim("one")

    note(acme_northgate, SessionState.UP, owner="two")
    record_heard(owner="two", heard={acme_northgate.pk: NOW})

    acme_northgate.refresh_from_db()
    assert (acme_northgate.session_state, acme_northgate.last_heard_at) == ("down", None)
