"""Leases on PostgreSQL: who waits for whose lock, and who wins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from portal.providers.models import Provider, Subscription
from portal.signaling.leasing import leases
from portal.signaling.leasing.lease_balancer import LeaseBalancer
from portal.signaling.leasing.lease_fence import LEASE
from portal.signaling.leasing.leases import Worker
from portal.signaling.models import Lease, SignalWorker
from tests.factories import OrganizationFactory, SubscriptionFactory
from tests.integration.stack import wait_for
from tests.integration.test_simultaneous import together
from tests.portal.leased import lease_to

pytestmark = pytest.mark.django_db

NOW = timezone.now()
AT_ONCE_S: Final = 5.0
"""Nothing here waits for a lock for this long."""
ROUNDS: Final = 15

T = TypeVar("T")


@pytest.fixture
def subscriptions(northgate: Provider) -> list[Subscription]:
    return [
        SubscriptionFactory.create(organization=OrganizationFactory.create(), provider=northgate)
        for _ in range(6)
    ]


def seen(name: str) -> Worker:
    return Worker(name, SignalWorker.objects.get(name=name).seen_at)


class Connection:
    """A thread with its own connection."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads

    def start(self, call: Callable[[], T]) -> Future[T]:
        def run() -> T:
            try:
                return call()
            finally:
                connection.close()

        return self._threads.submit(run)

    def at_once(self, call: Callable[[], T]) -> T:
        """Fails if the call waits for a lock."""
        return self.start(call).result(AT_ONCE_S)


@pytest.fixture
def other() -> Iterator[Connection]:
    with ThreadPoolExecutor(4) as threads:
        yield Connection(threads)


@contextmanager
def under_way(act: Callable[[], object]) -> Iterator[None]:
    """`act` has run in a transaction that does not end before the block does."""
    has_acted, may_end = threading.Event(), threading.Event()

    def run() -> None:
        try:
            with transaction.atomic():
                act()
                has_acted.set()
                may_end.wait(60)
        finally:
            has_acted.set()
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert has_acted.wait(30)
        yield
    finally:
        may_end.set()
        thread.join()


def held(*subscriptions: Subscription) -> Callable[[], object]:
    ids = [one.pk for one in subscriptions]
    return lambda: list(Subscription.objects.filter(pk__in=ids).select_for_update())


def test_a_held_subscription_stops_no_renewal_and_no_worker_takes_over(
    subscriptions: list[Subscription], other: Connection
) -> None:
    mine, yours = subscriptions[:3], subscriptions[3:]
    lease_to("one", *mine, now=NOW)
    lease_to("two", *yours, now=NOW)
    balancer = LeaseBalancer()

    with under_way(held(mine[0], yours[0])):
        for second in range(1, 2 * int(LEASE.total_seconds())):
            now = NOW + timedelta(seconds=second)
            for name, owned in (("one", mine), ("two", yours)):
                renewal = other.at_once(lambda: leases.renew(name, now=now))  # noqa: B023 - at once
                assert renewal is not None
                assert renewal.kept == {one.pk for one in owned}
                assert balancer.dead(renewal.workers, at=second) == []
            assert other.at_once(leases.unleased) == []


def test_a_held_subscription_delays_no_claim_and_no_release_of_another(
    subscriptions: list[Subscription], other: Connection
) -> None:
    first, *rest = [one.pk for one in subscriptions]
    lease_to("one", now=NOW)

    with under_way(held(subscriptions[0])):
        assert set(other.at_once(lambda: leases.claim("one", [first, *rest]))) == set(rest)
        other.at_once(lambda: leases.release("one", rest))
        assert set(leases.unleased()) == {first, *rest}

    assert leases.claim("one", [first]) == [first]


def test_a_dead_worker_is_declared_dead_although_its_subscription_is_held(
    subscriptions: list[Subscription], other: Connection
) -> None:
    lease_to("one", *subscriptions, now=NOW)
    dead = seen("one")

    with under_way(held(subscriptions[0])):
        assert other.at_once(lambda: leases.declare_dead(dead))

    assert len(leases.unleased()) == len(subscriptions)


def write(subscription: Subscription, owner: str = "one") -> Callable[[], object]:
    return lambda: leases.write_as_owner(subscription.pk, owner, lambda: None)


@pytest.mark.parametrize("act", ["declare_dead", "check_out"])
def test_no_lease_of_a_worker_ends_while_one_of_its_writes_is_under_way(
    subscriptions: list[Subscription], other: Connection, act: str
) -> None:
    lease_to("one", *subscriptions[:2], now=NOW)
    dead = seen("one")

    def end() -> bool:
        return leases.declare_dead(dead) if act == "declare_dead" else leases.check_out("one")

    with under_way(write(subscriptions[0])):
        assert not other.at_once(end)
        other.at_once(write(subscriptions[0]))
        assert other.at_once(lambda: leases.renew("one", now=NOW)) is not None

    assert end()


def test_a_release_leaves_the_lease_that_a_write_needs(
    subscriptions: list[Subscription], other: Connection
) -> None:
    ids = [one.pk for one in subscriptions[:2]]
    lease_to("one", *subscriptions[:2], now=NOW)

    with under_way(write(subscriptions[0])):
        other.at_once(lambda: leases.release("one", ids))
        assert list(Lease.objects.values_list("pk", flat=True)) == ids[:1]

    leases.release("one", ids)
    assert not Lease.objects.exists()


@pytest.mark.parametrize("end", ["release", "declare_dead"])
def test_a_write_that_begins_while_its_lease_ends_waits_and_is_refused(
    subscriptions: list[Subscription], other: Connection, end: str
) -> None:
    subscription = subscriptions[0]
    lease_to("one", subscription, now=NOW)
    dead = seen("one")

    def act() -> None:
        if end == "release":
            leases.release("one", [subscription.pk])
        else:
            assert leases.declare_dead(dead)

    with under_way(act):
        late = other.start(write(subscription))
        wait_for(lambda: waits_for_a_lock("FOR KEY SHARE"))

    with pytest.raises(leases.NotOwner):
        late.result(AT_ONCE_S)


def test_a_renewal_that_begins_while_its_worker_is_declared_dead_waits_and_finds_no_lease(
    subscriptions: list[Subscription], other: Connection
) -> None:
    lease_to("one", subscriptions[0], now=NOW)
    dead = seen("one")

    with under_way(lambda: leases.declare_dead(dead)):
        late = other.start(lambda: leases.renew("one", now=NOW))
        wait_for(lambda: waits_for_a_lock("UPDATE"))

    assert late.result(AT_ONCE_S) is None


def waits_for_a_lock(words: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND query LIKE %s",
            [f"%{words}%"],
        )
        return bool(cursor.fetchone()[0])


def test_a_renewal_and_a_declaration_of_death_exclude_each_other(
    subscriptions: list[Subscription],
) -> None:
    outcomes = set()
    for number in range(ROUNDS):
        name = f"worker {number}"
        lease_to(name, subscriptions[0], now=NOW)
        dead = seen(name)
        later = NOW + timedelta(seconds=1)

        renewal, is_dead = together(
            lambda: leases.renew(name, now=later),  # noqa: B023 - at once
            lambda: leases.declare_dead(dead),  # noqa: B023 - at once
        )

        assert (renewal is None) is is_dead, (renewal, is_dead)
        outcomes.add(is_dead)
        leases.check_out(name)
    assert outcomes, "one of them wins"


def test_two_workers_that_take_over_from_a_third_do_not_share_a_subscription(
    subscriptions: list[Subscription],
) -> None:
    ids = {one.pk for one in subscriptions}
    for number in range(ROUNDS):
        late, heirs = f"late {number}", [f"heir {number}.{side}" for side in range(2)]
        for heir in heirs:
            lease_to(heir, now=NOW)
        lease_to(late, *subscriptions, now=NOW)
        dead = seen(late)

        def take_over(heir: str, dead: Worker = dead) -> tuple[bool, list[UUID]]:
            return leases.declare_dead(dead), leases.claim(heir, ids)

        results = together(*(partial(take_over, heir) for heir in heirs))

        declared, claimed = zip(*results, strict=True)
        assert sorted(declared) == [False, True]
        for heir, won in zip(heirs, claimed, strict=True):
            assert set(won) == set(Lease.objects.filter(worker=heir).values_list("pk", flat=True))
        assert not set(claimed[0]) & set(claimed[1])
        for heir in heirs:
            assert leases.check_out(heir)
