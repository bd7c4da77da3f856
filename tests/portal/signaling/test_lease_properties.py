"""Three workers share subscriptions while processes stop and die, the database fails, and its clock
jumps: each subscription always has one owner, and finds one again.

Workers and database calls are those of the simulation (`tests/simulation`), from a seed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from functools import partial
from random import Random
from typing import Final
from unittest.mock import patch
from uuid import UUID

import pytest
from django.db import connections
from django.utils import timezone

from dots_client import SessionClosed
from portal.core.database import is_away
from portal.providers.models import Provider, Subscription
from portal.signaling.book import Book
from portal.signaling.leasing import database_clock
from portal.signaling.leasing.lease_fence import LEASE, LeaseFence
from portal.signaling.leasing.lease_renewals import RENEW_S
from portal.signaling.leasing.leases import SavedAt
from portal.signaling.models import Lease, SignalWorker
from portal.signaling.sessions.owned_subscriptions import OwnedSubscriptions
from portal.signaling.signal_agent import BALANCE_S, FOLLOW_RENEWALS_S
from portal.signaling.store.fenced_store import FencedStore
from tests.factories import OrganizationFactory, SubscriptionFactory
from tests.portal.signaling.worker_of_0_1 import WorkerOf01
from tests.simulation.database import DatabaseFaults, SimulatedThreads
from tests.simulation.machine import machine
from tests.simulation.virtual_loop import Process, VirtualLoop

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.sqlite,
    # A statement that fails in the middle of a test's own transaction would spoil it.
    pytest.mark.django_db(transaction=True),
]

WORKERS: Final = ("one", "two", "three")
SUBSCRIPTIONS: Final = 6
FAULTS_END_AT_S: Final = 60.0
OWNED_WITHIN_S: Final = 2 * LEASE.total_seconds() + 15
SENDS_EVERY_S: Final = 0.5


class World:
    """The database's clock and faults, and what the workers did."""

    def __init__(self, seed: int, loop: VirtualLoop) -> None:
        self.chance = Random(f"leases {seed}")
        self.loop = loop
        self.faults = DatabaseFaults(Random(f"database {seed}"), counts=Counter())
        self.clock_ahead_s = 0.0
        self.sends: Counter[str] = Counter()
        "by process"
        self.violations: list[str] = []
        self.workers = {name: Worker(name, self) for name in WORKERS}

    async def upgrade(self) -> None:
        """Begin with workers of 0.1, and replace each of them, in order or after its death. Some
        are started once more before they are replaced.
        """
        for worker in self.workers.values():
            worker.start(is_old=True)
        await asyncio.sleep(self.chance.uniform(2.0, 6.0))
        for worker in self.workers.values():
            await self._end(worker)
            if self.chance.random() < 0.3:
                worker.start(is_old=True)
                await asyncio.sleep(self.chance.uniform(1.0, 10.0))
                await self._end(worker)
            worker.start()
            await asyncio.sleep(self.chance.choice((0.5, 3.0, 20.0)))

    async def _end(self, worker: Worker) -> None:
        if self.chance.random() < 0.5:
            await worker.leave()
        else:
            worker.process.is_dead = True
            await asyncio.sleep(self.chance.choice((0.1, 5.0, 14.0)))

    async def suffer(self) -> None:
        """One fault after the other, each with enough time to be noticed, or not."""
        while self.loop.time() < FAULTS_END_AT_S:
            await asyncio.sleep(self.chance.uniform(0.1, 9.0))
            worker = self.workers[self.chance.choice(WORKERS)]
            match self.chance.choice(("kill", "stop", "leave", "clock", "fail", "hang")):
                case "kill":
                    worker.process.steps_to_live = int(10 ** self.chance.uniform(0.0, 2.5))
                    await asyncio.sleep(self.chance.uniform(0.5, 20.0))
                    worker.process.is_dead = True
                    worker.start()
                case "stop":
                    worker.process.stop()
                    if self.chance.random() < 0.5:
                        await asyncio.sleep(self.chance.uniform(0.0, 3.0))
                        self._set_clock()
                    await asyncio.sleep(self.chance.choice((2.0, 7.0, 11.0, 13.0, 20.0, 40.0)))
                    worker.process.resume(self.loop)
                case "leave":
                    await worker.leave()
                    worker.start()
                case "clock":
                    self._set_clock()
                case "fail":
                    self.faults.share = self.chance.choice((0.1, 0.5, 1.0))
                    await asyncio.sleep(self.chance.uniform(1.0, 20.0))
                    self.faults.share = 0.0
                case "hang":
                    self.faults.hang_share = self.chance.choice((0.05, 0.3))
                    await asyncio.sleep(self.chance.uniform(1.0, 10.0))
                    self.faults.hang_share = 0.0

    def _set_clock(self) -> None:
        self.clock_ahead_s += self.chance.choice((-3600.0, -20.0, -2.0, 9.0, 13.0, 3600.0))


class Worker:
    """The part of a signal agent that owns subscriptions, in a process that starts again."""

    def __init__(self, name: str, world: World) -> None:
        self._world = world
        self._name = name
        self._starts = 0

    def start(self, *, is_old: bool = False) -> None:
        self._starts += 1
        self._is_leaving = asyncio.Event()
        self.process = Process(f"{self._name}.{self._starts}")
        self._task = self.process.start(self._old_main if is_old else self._main)

    async def leave(self) -> None:
        self._is_leaving.set()
        await asyncio.wait({self._task}, timeout=30.0)
        self.process.is_dead = True

    async def _main(self) -> None:
        name = self.process.name
        new_threads = partial(SimulatedThreads, faults=self._world.faults)
        threads = new_threads(3)
        owned = OwnedSubscriptions(
            name,
            lease_threads=new_threads(1),
            book=Book(threads),
            new_manager=lambda *lease: Sender(name, self._world, threads, *lease),
            finish=nothing,
        )
        renewing = new_threads(1)
        await self._run(
            (RENEW_S, lambda: renewing.run(owned.renewals.renew)),
            (BALANCE_S, owned.balance),
            (FOLLOW_RENEWALS_S, owned.follow_renewals),
        )
        await owned.hand_over()

    async def _old_main(self) -> None:
        name = self.process.name
        threads = SimulatedThreads(1, faults=self._world.faults)
        tasks: list[asyncio.Task[None]] = []

        def start(subscription_id: UUID, fence: LeaseFence) -> None:
            sender = OldSender(name, self._world, threads, subscription_id, name, fence)
            tasks.append(asyncio.create_task(sender.run()))

        owned = WorkerOf01(name, threads=threads, start=start)
        await self._run((RENEW_S, owned.renew_and_balance))
        await owned.hand_over()

    async def _run(self, *work: tuple[float, Callable[[], Awaitable[None]]]) -> None:
        loops = [asyncio.create_task(self._every(*one)) for one in work]
        await self._is_leaving.wait()
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001  only the database may fail
                if not is_away(error):
                    self._world.violations.append(repr(error))
            await asyncio.sleep(seconds)


async def nothing(_subscriptions: Collection[UUID]) -> None:
    """These sessions leave nothing to write."""


class Sender:
    """Sends for a subscription, and writes about it, whenever the fence lets it."""

    is_idle = True

    def __init__(
        self,
        process: str,
        world: World,
        threads: SimulatedThreads,
        subscription_id: UUID,
        owner: str,
        fence: LeaseFence,
    ) -> None:
        self._process = process
        self._world = world
        self._subscription_id = subscription_id
        self._owner = owner
        self._fence = fence
        self._store = FencedStore(
            subscription_id=subscription_id, owner=owner, threads=threads, fence=fence
        )

    def wake(self) -> None: ...

    def wake_unknown(self) -> None: ...

    def settings_saved(self, at: SavedAt) -> None: ...

    def settings_found(self, fingerprint: int) -> None: ...

    async def run(self) -> None:
        with suppress(SessionClosed):
            while self._fence.is_open():
                self._check("sent")
                self._world.sends[self._process] += 1
                if self._world.chance.random() < 0.1:
                    await self._store.write(self._write)
                await asyncio.sleep(SENDS_EVERY_S)

    def _write(self) -> None:
        self._check("wrote")
        Subscription.objects.filter(pk=self._subscription_id).update(session_detail=self._owner)

    def _check(self, act: str) -> None:
        owners = self._owners_in_database()
        if set(owners) != {self._owner}:
            at = self._world.loop.time()
            self._world.violations.append(f"{at:.1f} {self._owner} {act}, the owner is {owners}")

    def _owners_in_database(self) -> list[str]:
        row = Subscription.objects.filter(pk=self._subscription_id)
        return list(row.values_list("owner", "lease__worker").get())


class OldSender(Sender):
    """The same in a worker of 0.1, which writes otherwise."""

    async def run(self) -> None:
        while self._fence.is_open():
            self._check("sent")
            await asyncio.sleep(SENDS_EVERY_S)

    def _owners_in_database(self) -> list[str]:
        owner, leased_to = super()._owners_in_database()
        return [owner] if leased_to is None else [owner, leased_to]


@pytest.fixture
def subscriptions(northgate: Provider) -> list[Subscription]:
    return [
        SubscriptionFactory.create(organization=OrganizationFactory.create(), provider=northgate)
        for _ in range(SUBSCRIPTIONS)
    ]


@pytest.fixture
def _inline_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated threads run database calls on the loop's thread."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("_inline_database")
def test_one_worker_owns_each_subscription_whatever_happens(
    subscriptions: list[Subscription], seed: int
) -> None:
    async def live(world: World) -> None:
        for worker in world.workers.values():
            worker.start()
        await world.suffer()

    run(seed, live)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.usefixtures("_inline_database")
def test_one_worker_owns_each_subscription_while_workers_of_0_1_are_replaced(
    subscriptions: list[Subscription], seed: int
) -> None:
    run(seed, World.upgrade)


def run(seed: int, live: Callable[[World], Awaitable[None]]) -> None:
    loop = VirtualLoop()
    world = World(seed, loop)
    connection = connections["default"]

    async def main() -> None:
        connections["default"] = connection
        await live(world)
        await asyncio.sleep(OWNED_WITHIN_S)
        before = world.sends.copy()
        await asyncio.sleep(5 * SENDS_EVERY_S)
        sending = world.sends - before
        assert world.violations == []
        assert set(sending) == {one.process.name for one in world.workers.values()}
        owners = Counter(Lease.objects.values_list("worker_id", flat=True))
        assert sorted(owners.values()) == [2, 2, 2]
        assert set(SignalWorker.objects.values_list("name", flat=True)) == set(owners)

    with (
        machine(loop, seed, lambda: world.clock_ahead_s),
        # PostgreSQL has another clock.
        patch.object(database_clock, "read", lambda: timezone.now()),
    ):
        try:
            loop.run_until_complete(main())
        finally:
            for worker in world.workers.values():
                worker.process.is_dead = True
            for task in loop.tasks:
                task._log_destroy_pending = False  # type: ignore[attr-defined]
            loop.set_exception_handler(lambda *_: None)
            loop.close()
