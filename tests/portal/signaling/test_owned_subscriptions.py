"""What a worker does with the sessions of its subscriptions, one renewal and balance at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from uuid import UUID

import pytest
from django.utils import timezone

from portal.providers.models import Provider, Subscription
from portal.signaling.book import Book
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.leasing import leases
from portal.signaling.leasing.lease_balancer import MAX_GIVEN_BACK
from portal.signaling.leasing.lease_fence import LeaseFence, boottime
from portal.signaling.leasing.leases import SavedAt, Worker
from portal.signaling.models import Lease, SignalWorker
from portal.signaling.sessions import owned_subscriptions
from portal.signaling.sessions.owned_subscriptions import CRASHED_PAUSE_S, OwnedSubscriptions
from tests.dots_client.transport.loopback import until
from tests.factories import OrganizationFactory, SubscriptionFactory
from tests.portal.leased import lease_to
from tests.portal.signaling.session_managers import db

pytestmark = pytest.mark.django_db(transaction=True)


class Session:
    """Runs until it is cancelled, or crashes when told so."""

    def __init__(self, subscription_id: UUID, owner: str, fence: LeaseFence) -> None:
        self.subscription_id = subscription_id
        self.owner = owner
        self.fence = fence
        self.is_idle = True
        self.is_cancelled = False
        self.crashes = asyncio.Event()

    def wake(self) -> None: ...

    def wake_unknown(self) -> None: ...

    def settings_saved(self, at: SavedAt) -> None: ...

    def settings_found(self, fingerprint: int) -> None: ...

    async def run(self) -> None:
        try:
            await self.crashes.wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        raise RuntimeError("a defect")


class Here:
    """One worker and the sessions that it has begun."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self.sessions: list[Session] = []
        self.finished: list[UUID] = []
        self.owned = OwnedSubscriptions(
            "here",
            lease_threads=threads,
            book=Book(threads),
            new_manager=self._begin,
            finish=self._finish,
        )

    async def _finish(self, subscriptions: Collection[UUID]) -> None:
        newest = {one.subscription_id: one for one in self.sessions}
        assert all(newest[one].fence.is_open() for one in subscriptions), "it may have to write"
        self.finished += subscriptions

    def _begin(self, subscription_id: UUID, owner: str, fence: LeaseFence) -> Session:
        session = Session(subscription_id, owner, fence)
        self.sessions.append(session)
        return session

    async def renew(self) -> None:
        await db(self.owned.renewals.renew)
        await self.owned.follow_renewals()

    async def round(self) -> None:
        await self.renew()
        await self.owned.balance()

    def session(self, subscription: Subscription) -> Session:
        return next(one for one in self.sessions if one.subscription_id == subscription.pk)


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    threads = DatabaseThreads(1)
    here = Here(threads)
    yield here
    await here.owned.hand_over()


def owners() -> set[str]:
    return set(Lease.objects.values_list("worker_id", flat=True))


async def test_a_worker_owns_every_free_subscription_from_its_first_renewal_on(
    here: Here, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    await here.round()

    assert {one.subscription_id for one in here.sessions} == {acme_northgate.pk, acme_tidewall.pk}
    assert all(one.fence.is_open() for one in here.sessions)
    assert await db(owners) == {one.owner for one in here.sessions}


async def test_a_worker_that_was_declared_dead_ends_every_session_and_begins_under_another_name(
    here: Here, acme_northgate: Subscription
) -> None:
    await here.round()
    (before,) = here.sessions
    worker = await db(SignalWorker.objects.get)
    assert await db(lambda: leases.declare_dead(Worker(worker.name, worker.seen_at)))

    await db(here.owned.renewals.renew)
    assert not before.fence.is_open()
    await here.round()

    after = here.sessions[-1]
    assert after.fence.is_open()
    assert after.owner != before.owner
    assert await db(owners) == {after.owner}


async def test_a_session_whose_subscription_was_switched_off_ends_and_its_lease_is_released(
    here: Here, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    await here.round()
    await db(lambda: Subscription.objects.filter(pk=acme_northgate.pk).update(enabled=False))

    await here.round()

    ended = here.session(acme_northgate)
    assert ended.is_cancelled
    assert here.finished == [acme_northgate.pk]
    assert not ended.fence.is_open(), "a write that it left behind must not be saved any more"
    assert here.owned.ids == [acme_tidewall.pk]
    assert await db(lambda: list(Lease.objects.values_list("pk", flat=True))) == [acme_tidewall.pk]


async def test_a_crashed_session_begins_again_after_a_pause(
    here: Here, acme_northgate: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed_s = 0.0
    monkeypatch.setattr(owned_subscriptions, "boottime", lambda: boottime() + passed_s)
    await here.round()
    (crashed,) = here.sessions
    crashed.crashes.set()
    await until(lambda: here.owned.ids == [])

    await here.round()
    assert here.sessions == [crashed]
    assert not crashed.fence.is_open()

    passed_s = CRASHED_PAUSE_S
    await here.round()
    assert [one.subscription_id for one in here.sessions] == 2 * [acme_northgate.pk]


async def test_a_worker_gives_back_its_newest_idle_subscriptions(
    here: Here, northgate: Provider
) -> None:
    def subscribe() -> None:
        for _ in range(6):
            SubscriptionFactory.create(
                organization=OrganizationFactory.create(), provider=northgate
            )

    await db(subscribe)
    await here.round()
    owned = here.owned.ids
    here.sessions[-1].is_idle = False
    await db(lambda: leases.check_in("other", now=timezone.now()))

    await here.round()

    assert len(owned) == 6 <= MAX_GIVEN_BACK
    assert here.owned.ids == [owned[0], owned[1], owned[5]]
    await db(lambda: lease_to("other", *Subscription.objects.filter(lease__isnull=True)))


async def test_a_worker_that_leaves_releases_everything(acme_northgate: Subscription) -> None:
    here = Here(DatabaseThreads(1))
    await here.round()

    await here.owned.hand_over()

    assert not here.sessions[0].fence.is_open()
    assert not await db(SignalWorker.objects.exists)
    assert await db(leases.unleased) == [acme_northgate.pk]
