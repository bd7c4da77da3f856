"""The subscriptions that this worker owns: it claims, renews and gives back their leases, and ends
expired sessions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import Error

from dots_client import ClientSettings
from portal.core.metrics import OWNED_SUBSCRIPTIONS
from portal.signaling import database_clock, leases
from portal.signaling.book import Book
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.grouped_writes import GroupedWrites
from portal.signaling.lease_balancer import LeaseBalancer, to_give_back
from portal.signaling.lease_fence import LeaseFence, boottime
from portal.signaling.leases import Lease, RenewedLeases
from portal.signaling.ledger import Ledger
from portal.signaling.session_manager import SessionManager
from portal.signaling.wire_journal import WireJournal

logger = logging.getLogger(__name__)

CRASHED_PAUSE_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class _Owned:
    manager: SessionManager
    task: asyncio.Task[None]
    fence: LeaseFence


@dataclass(frozen=True, slots=True)
class _LeaseState:
    """The leases as the database returned them. `asked_at`: the boot-time clock before the first
    query.
    """

    asked_at: float
    now: datetime
    renewed: RenewedLeases
    unrenewed: list[Lease]
    share: int


class OwnedSubscriptions:
    """Call every method on the agent's loop."""

    def __init__(
        self,
        owner: str,
        *,
        threads: DatabaseThreads,
        lease_threads: DatabaseThreads,
        ledger: Ledger,
        journal: WireJournal,
        book: Book,
        grouped: GroupedWrites,
        settings: ClientSettings,
    ) -> None:
        """`lease_threads`: a pool of its own, so that no session's write delays a renewal."""
        self._owner = owner
        self._ledger = ledger
        self._journal = journal
        self._book = book
        self._grouped = grouped
        self._threads = threads
        self._lease_threads = lease_threads
        self._settings = settings
        self._sharing = LeaseBalancer(owner)
        self._owned: dict[UUID, _Owned] = {}
        self._crashed_at: dict[UUID, float] = {}
        OWNED_SUBSCRIPTIONS.set_function(lambda: len(self._owned))

    @property
    def ids(self) -> list[UUID]:
        return list(self._owned)

    def wake(self, subscription_id: UUID, mitigation_id: UUID | None = None) -> None:
        """This mitigation of a subscription, which another worker may own, changed; None: any of
        its rows may have.
        """
        if owned := self._owned.get(subscription_id):
            self._book.changed(subscription_id, mitigation_id)
            owned.manager.wake()
            if mitigation_id is None:
                owned.manager.wake_unknown()

    def wake_outdated(self, subscription_ids: Iterable[UUID]) -> None:
        """The book knows of changed rows of these subscriptions."""
        for subscription_id in subscription_ids:
            if owned := self._owned.get(subscription_id):
                owned.manager.wake()

    def wake_unknown(self, subscription_ids: Iterable[UUID]) -> None:
        """A person may have asked to withdraw an unknown mitigation of these subscriptions."""
        for subscription_id in subscription_ids:
            if owned := self._owned.get(subscription_id):
                owned.manager.wake_unknown()

    async def renew_and_balance(self) -> None:
        """Renew our leases, claim free subscriptions, and give back those beyond our share."""
        state = await self._lease_threads.run(_renew, self._owner, self.ids)
        for subscription_id in self.ids:
            if subscription_id in state.renewed.kept:
                owned = self._owned[subscription_id]
                owned.fence.extend(asked_at=state.asked_at)
                owned.manager.settings_saved(state.renewed.saved_at[subscription_id])
            elif subscription_id not in state.renewed.switched_off:
                logger.warning("agent %s: lost the lease of %s", self._owner, subscription_id)
                self._owned[subscription_id].fence.close()
        await self._give_back(state.renewed.switched_off)
        await self._claim(state)
        surplus = to_give_back(self._idle(), owned=len(self._owned), share=state.share)
        if surplus:
            logger.info("agent %s: releasing %s subscriptions", self._owner, len(surplus))
            await self._give_back(surplus)

    async def end_expired(self) -> None:
        """End the sessions whose lease expired. They send nothing more except close_notify (ADR
        17).
        """
        for subscription_id, owned in list(self._owned.items()):
            if not owned.fence.is_open():
                logger.warning(
                    "agent %s: the lease of %s expired, ending its session",
                    self._owner,
                    subscription_id,
                )
                del self._owned[subscription_id]
                owned.task.cancel()

    async def hand_over(self) -> None:
        """Close all sessions and release their leases, so that other workers take over at once."""
        ids = self.ids
        await self._close(ids)
        try:
            await self._lease_threads.run(leases.release, self._owner, ids)
            await self._lease_threads.run(leases.check_out, self._owner)
        except Error as error:
            logger.warning(
                "agent %s: cannot release its leases, they will expire: %s", self._owner, error
            )
        self._lease_threads.close()
        logger.info("agent %s: handed over %s subscriptions", self._owner, len(ids))

    # Inside

    async def _claim(self, state: _LeaseState) -> None:
        at = boottime()
        crashed = {one for one, when in self._crashed_at.items() if at - when < CRASHED_PAUSE_S}
        self._crashed_at = {one: self._crashed_at[one] for one in crashed}
        wanted = self._sharing.to_claim(
            state.unrenewed,
            owned=crashed | self._owned.keys(),
            share=state.share,
            now=state.now,
            at=at,
        )
        if not wanted:
            return
        asked_at, claimed = await self._lease_threads.run(_claim, self._owner, wanted)
        for subscription_id in claimed:
            fence = LeaseFence(asked_at=asked_at)
            if fence.is_open() and subscription_id not in self._owned:
                self._start(subscription_id, fence)

    def _start(self, subscription_id: UUID, fence: LeaseFence) -> None:
        manager = SessionManager(
            subscription_id=subscription_id,
            owner=self._owner,
            threads=self._threads,
            ledger=self._ledger,
            book=self._book,
            grouped=self._grouped,
            recorder=self._journal.recorder(subscription_id),
            settings=self._settings,
            fence=fence,
        )
        task = asyncio.create_task(manager.run(), name=f"session manager of {subscription_id}")
        task.add_done_callback(self._manager_ended)
        self._owned[subscription_id] = _Owned(manager, task, fence)

    def _manager_ended(self, task: asyncio.Task[None]) -> None:
        """Forget a manager whose lease another worker took; restart one that crashed, after a
        pause.
        """
        if task.cancelled():
            return
        if error := task.exception():
            logger.error("agent %s: %s crashed", self._owner, task.get_name(), exc_info=error)
        for subscription_id, owned in list(self._owned.items()):
            if owned.task is task:
                del self._owned[subscription_id]
                if error:
                    self._crashed_at[subscription_id] = boottime()

    def _idle(self) -> Iterable[UUID]:
        """Newest first: subscriptions without mitigations, which can do without a session for a
        moment.
        """
        return [one for one, owned in reversed(self._owned.items()) if owned.manager.is_idle]

    async def _give_back(self, ids: Collection[UUID]) -> None:
        if ids:
            await self._close(ids)
            await self._lease_threads.run(leases.release, self._owner, list(ids))

    async def _close(self, ids: Collection[UUID]) -> None:
        tasks = [self._owned.pop(subscription_id).task for subscription_id in ids]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._ledger.finish(ids)


def _renew(owner: str, owned: Collection[UUID]) -> _LeaseState:
    asked_at = boottime()
    now = database_clock.read()
    database_clock.synchronize(now)
    renewed = leases.renew(owner, owned, now=now)
    leases.check_in(owner, now=now)
    unrenewed = leases.unrenewed(now=now)
    return _LeaseState(asked_at, now, renewed, unrenewed, leases.fair_share(now=now))


def _claim(owner: str, wanted: list[Lease]) -> tuple[float, list[UUID]]:
    asked_at = boottime()
    return asked_at, leases.claim(owner, wanted, now=database_clock.read())
