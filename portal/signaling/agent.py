"""The agent: one event loop that holds the sessions this worker owns, and sweeps so that nothing depends on a task."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import CancelledError
from typing import Final
from uuid import UUID

from django.db import DatabaseError
from django.utils import timezone

from dots_client import ClientSettings
from portal.core.broadcast import broadcast_from
from portal.mitigations import queries, services
from portal.signaling import leases
from portal.signaling.journal import Journal
from portal.signaling.keeper import Keeper
from portal.signaling.store import Store

logger = logging.getLogger(__name__)

SWEEP_S: Final = 1.0
CALL_TIMEOUT_S: Final = 5.0
STOP_TIMEOUT_S: Final = 10.0
HELD_ELSEWHERE: Final = "held elsewhere"


class Agent:
    """Lives in a thread of a signal worker; `owner` is that worker's name in the leases."""

    def __init__(self, owner: str, *, settings: ClientSettings) -> None:
        self._owner = owner
        self._settings = settings
        self._store = Store()
        self._journal = Journal(self._store)
        self._keepers: dict[UUID, tuple[Keeper, asyncio.Task[None]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._main, name="dots-agent", daemon=True)

    # from other threads

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close the sessions, hand over the subscriptions, end the thread."""
        self._is_stopping.set()
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(STOP_TIMEOUT_S)
        if self._thread.is_alive():
            logger.error("the agent did not stop within %s s", STOP_TIMEOUT_S)

    def wake(self, subscription_id: UUID) -> str:
        """Have the rows of a subscription looked at; what became of it, in a word."""
        if self._is_stopping.is_set() or self._loop is None:
            return "stopping"
        future = asyncio.run_coroutine_threadsafe(self._wake(subscription_id), self._loop)
        try:
            return future.result(CALL_TIMEOUT_S)
        except CancelledError:
            return "stopping"
        except TimeoutError:
            future.cancel()
            return "busy"

    # on the loop

    def _main(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        broadcast_from(self._loop)
        logger.info("agent %s: at work", self._owner)
        self._write_journal()
        try:
            while not self._stopping.is_set():
                try:
                    await self._sweep()
                except DatabaseError as error:
                    logger.warning("agent %s: no sweep: %s", self._owner, error)
                try:
                    async with asyncio.timeout(SWEEP_S):
                        await self._stopping.wait()
                except TimeoutError:
                    continue
        finally:
            await self._hand_over()
            broadcast_from(None)

    async def _wake(self, subscription_id: UUID) -> str:
        held = self._keepers.get(subscription_id)
        if held is None:
            # Nobody may hold it yet.
            await self._claim()
            held = self._keepers.get(subscription_id)
        if held is None:
            return HELD_ELSEWHERE
        held[0].wake()
        return "woken" if held[0].is_connected else "connecting"

    async def _sweep(self) -> None:
        now = timezone.now()
        if self._keepers:
            kept = await self._store.run(leases.renew, self._owner, list(self._keepers), now=now)
            for subscription_id in self._keepers.keys() - kept:
                logger.warning("agent %s: lost subscription %s", self._owner, subscription_id)
                await self._drop(subscription_id)
        await self._claim()
        # A wake-up may be lost with the broker, or have reached another worker.
        for subscription_id in await self._store.run(
            queries.subscriptions_with_something_to_say, list(self._keepers)
        ):
            if held := self._keepers.get(subscription_id):
                held[0].wake()
        await self._store.run(services.mark_overdue, now=now)
        await self._store.run(services.mark_expired, now=now)
        await self._store.run(services.mark_due_again, now=now)

    async def _claim(self) -> None:
        for subscription_id in await self._store.run(leases.claim, self._owner, now=timezone.now()):
            if subscription_id in self._keepers:
                continue
            keeper = Keeper(
                subscription_id=subscription_id,
                owner=self._owner,
                store=self._store,
                recorder=self._journal.recorder(subscription_id),
                settings=self._settings,
            )
            task = asyncio.create_task(keeper.run(), name=f"keeper {subscription_id}")
            task.add_done_callback(self._keeper_ended)
            self._keepers[subscription_id] = keeper, task

    def _keeper_ended(self, task: asyncio.Task[None]) -> None:
        """A keeper that crashed is dropped: the next sweep finds its lease and starts a new one."""
        if task.cancelled():
            return
        logger.error(
            "agent %s: %s crashed", self._owner, task.get_name(), exc_info=task.exception()
        )
        for subscription_id, (_, held) in list(self._keepers.items()):
            if held is task:
                del self._keepers[subscription_id]

    def _write_journal(self) -> None:
        self._writing = asyncio.create_task(self._journal.run(), name="wire journal")
        self._writing.add_done_callback(self._journal_ended)

    def _journal_ended(self, task: asyncio.Task[None]) -> None:
        """A defect costs the journal what it had in hand, and nobody the help that was asked for."""
        if task.cancelled() or task.exception() is None:
            return
        logger.error("agent %s: the wire journal crashed", self._owner, exc_info=task.exception())
        self._journal.lose_what_is_in_hand()
        self._write_journal()

    async def _drop(self, subscription_id: UUID) -> None:
        _, task = self._keepers.pop(subscription_id)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _hand_over(self) -> None:
        held = list(self._keepers)
        await asyncio.gather(*(self._drop(subscription_id) for subscription_id in held))
        try:
            await self._store.run(leases.release, self._owner, held)
        except DatabaseError as error:
            logger.warning("agent %s: leases run out by themselves: %s", self._owner, error)
        await self._journal.close(self._writing)
        self._store.close()
        logger.info("agent %s: handed over %s subscriptions", self._owner, len(held))
