"""The signal agent: one event loop that runs this worker's sessions. Its sweep finds what a lost
wake-up left behind.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Final
from uuid import UUID

from dots_client import ClientSettings, WireTap
from portal.core.broadcast import broadcast_from
from portal.core.database import is_away
from portal.inventory import queries as inventory_queries
from portal.mitigations import services
from portal.signaling import wakeups
from portal.signaling.book import Book
from portal.signaling.connection_settings import fingerprints
from portal.signaling.connection_tests import ConnectionTests
from portal.signaling.database_threads import DATABASE_THREADS, DatabaseThreads
from portal.signaling.journal.wire_journal import WireJournal
from portal.signaling.leasing import database_clock
from portal.signaling.leasing.lease_fence import LeaseFence
from portal.signaling.leasing.lease_renewals import RENEW_S
from portal.signaling.repeated_call import RepeatedCall
from portal.signaling.reports.ledger import DECIDING_THREADS, Ledger
from portal.signaling.sessions.opening_turns import OpeningTurns
from portal.signaling.sessions.owned_subscriptions import OwnedSubscriptions
from portal.signaling.sessions.session_manager import SessionManager
from portal.signaling.store.grouped_reads import GroupedReads
from portal.signaling.store.grouped_writes import GroupedWrites

logger = logging.getLogger(__name__)

BALANCE_S: Final = 0.1
"""It also waits for the next renewal."""
FOLLOW_RENEWALS_S: Final = 0.25
SWEEP_S: Final = 1.0
COMPARE_SETTINGS_S: Final = 30.0
"""Notice settings that were changed directly in the database. The portal's own saves are noticed
by the next renewal.
"""
LEASE_THREADS: Final = 1
STOP_TIMEOUT_S: Final = 10.0


class SignalAgent:
    """Runs in a thread of a signal worker. Its names in the leases begin with `process`."""

    def __init__(
        self,
        process: str,
        *,
        settings: ClientSettings,
        new_threads: Callable[[int], DatabaseThreads] = DatabaseThreads,
        repeated_call: Callable[..., RepeatedCall] = RepeatedCall,
    ) -> None:
        """`new_threads` starts this many threads for the database."""
        self._process = process
        self._settings = settings
        self._threads = new_threads(DATABASE_THREADS)
        self._journal = WireJournal(self._threads)
        self._ledger = Ledger(new_threads(DECIDING_THREADS))
        self._book = Book(self._threads)
        self._grouped = GroupedWrites(self._threads)
        self._reads = GroupedReads(self._threads)
        self._turns = OpeningTurns()
        self._owned_subscriptions = OwnedSubscriptions(
            process,
            lease_threads=new_threads(LEASE_THREADS),
            book=self._book,
            new_manager=self._new_manager,
            finish=self._ledger.finish,
        )
        renew = self._owned_subscriptions.renewals.renew
        self._renewing = repeated_call(renew, every_s=RENEW_S, name=f"agent {process}: renewal")
        self._connection_tests = ConnectionTests(self._threads, tap_of=self._tap_of)
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._main, name="dots-agent", daemon=True)

    # called from other threads

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close the sessions, hand over the subscriptions, end the thread."""
        # The thread may have just started.
        loop = self._loop.result(STOP_TIMEOUT_S)
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(STOP_TIMEOUT_S)
        if self.is_running:
            logger.error("the agent did not stop within %s s", STOP_TIMEOUT_S)

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    # called on the loop

    def _main(self) -> None:
        asyncio.run(self._run_in_thread())

    async def _run_in_thread(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop.set_result(loop)
        broadcast_from(loop)
        try:
            await self.run()
        finally:
            broadcast_from(None)

    async def run(self) -> None:
        """Run until `stop`, or until cancelled."""
        logger.info("agent %s: started", self._process)
        self._write_journal()
        self._renewing.start()
        # Separate tasks: neither a sweep, nor sessions that close, nor a hung database delays the
        # end of an expired session.
        loops = [
            asyncio.create_task(self._every(BALANCE_S, self._owned_subscriptions.balance)),
            asyncio.create_task(
                self._every(FOLLOW_RENEWALS_S, self._owned_subscriptions.follow_renewals)
            ),
            asyncio.create_task(self._every(SWEEP_S, self._sweep)),
            asyncio.create_task(self._every(SWEEP_S, self._grouped.save_heard)),
            asyncio.create_task(self._every(SWEEP_S, self._connection_tests.begin_due)),
            asyncio.create_task(self._every(COMPARE_SETTINGS_S, self._compare_settings)),
            asyncio.create_task(wakeups.listen(self._owned_subscriptions.wake)),
        ]
        try:
            await self._stopping.wait()
        finally:
            for task in loops:
                task.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await self._connection_tests.close()
            await self._renewing.stop()
            await self._owned_subscriptions.hand_over()
            await self._ledger.close()
            await self._journal.close(self._writing)
            self._threads.close()

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception as error:
                # The agent's outermost loop: a defect in one call must not stop the others.
                if is_away(error):
                    logger.warning(
                        "agent %s: %s failed, the database is away: %s",
                        self._process,
                        work.__name__,
                        error,
                    )
                else:
                    logger.exception("agent %s: %s crashed", self._process, work.__name__)
            await asyncio.sleep(seconds)

    def _new_manager(self, subscription_id: UUID, owner: str, fence: LeaseFence) -> SessionManager:
        return SessionManager(
            subscription_id=subscription_id,
            owner=owner,
            threads=self._threads,
            ledger=self._ledger,
            book=self._book,
            grouped=self._grouped,
            reads=self._reads,
            recorder=self._journal.recorder(subscription_id),
            turns=self._turns,
            settings=self._settings,
            fence=fence,
        )

    def _tap_of(self, subscription_id: UUID) -> WireTap:
        return self._journal.recorder(subscription_id).tap

    async def _sweep(self) -> None:
        # A wake-up may be lost with Redis.
        owned = self._owned_subscriptions
        owned.wake_outdated(await self._book.find_outdated())
        owned.wake_unknown(await self._threads.run(inventory_queries.with_withdrawals, owned.ids))
        now = database_clock.now()
        await self._threads.run(services.mark_overdue, now=now)
        await self._threads.run(services.mark_due_again, now=now)
        if database_clock.is_settled():
            await self._threads.run(services.mark_expired, now=now)

    async def _compare_settings(self) -> None:
        owned = self._owned_subscriptions
        owned.settings_found(await self._threads.run(fingerprints, owned.ids))

    def _write_journal(self) -> None:
        self._writing = asyncio.create_task(self._journal.run(), name="wire journal")
        self._writing.add_done_callback(self._journal_ended)

    def _journal_ended(self, task: asyncio.Task[None]) -> None:
        """A defect loses the batch being written, never a mitigation."""
        if task.cancelled() or task.exception() is None:
            return
        logger.error("agent %s: the wire journal crashed", self._process, exc_info=task.exception())
        self._journal.drop_batch()
        self._write_journal()
