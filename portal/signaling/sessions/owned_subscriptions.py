"""The subscriptions that this worker owns: it claims and gives back their leases, and ends expired
sessions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from django.db import Error

from portal.core.metrics import OWNED_SUBSCRIPTIONS
from portal.signaling.book import Book
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.leasing import leases
from portal.signaling.leasing.lease_balancer import LeaseBalancer, to_give_back
from portal.signaling.leasing.lease_fence import LeaseFence, boottime
from portal.signaling.leasing.lease_renewals import LeaseRenewals, Renewal
from portal.signaling.leasing.leases import SavedAt

logger = logging.getLogger(__name__)

CRASHED_PAUSE_S: Final = 15.0
CHECK_OUT_TRIES: Final = 5
CHECK_OUT_AGAIN_S: Final = 0.3


class Manager(Protocol):
    """What this module needs of a session manager."""

    @property
    def is_idle(self) -> bool: ...

    def wake(self) -> None: ...

    def wake_unknown(self) -> None: ...

    def settings_saved(self, at: SavedAt) -> None: ...

    def settings_found(self, fingerprint: int) -> None: ...

    async def run(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Owned:
    manager: Manager
    task: asyncio.Task[None]
    fence: LeaseFence


class OwnedSubscriptions:
    """Call every method on the agent's loop."""

    def __init__(
        self,
        process: str,
        *,
        lease_threads: DatabaseThreads,
        book: Book,
        new_manager: Callable[[UUID, str, LeaseFence], Manager],
        finish: Callable[[Collection[UUID]], Awaitable[None]],
    ) -> None:
        """`lease_threads`: for claims and releases, so that no session's write delays them.

        `new_manager` takes a subscription, its owner's name in the leases, and the fence. `finish`
        saves what the sessions of these subscriptions have left to write.
        """
        self._process = process
        self._book = book
        self._finish = finish
        self.renewals = LeaseRenewals(process, fences=self._fences)
        self._lease_threads = lease_threads
        self._new_manager = new_manager
        self._sharing = LeaseBalancer()
        self._renewal: Renewal | None = None
        "the last one that the loop knows"
        self._has_renewed = asyncio.Event()
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

    def settings_found(self, fingerprints: Mapping[UUID, int]) -> None:
        """These are the fingerprints of the current settings."""
        for subscription_id, fingerprint in fingerprints.items():
            if owned := self._owned.get(subscription_id):
                owned.manager.settings_found(fingerprint)

    async def follow_renewals(self) -> None:
        """Note what the last renewal found, and end the sessions whose lease is lost or expired.
        They send nothing more except close_notify (ADR 17).
        """
        self.renewals.loop_is_alive()
        renewal = self.renewals.last
        if renewal is not None and renewal is not self._renewal:
            self._renewal = renewal
            for subscription_id in renewal.leases.kept & self._owned.keys():
                saved_at = renewal.leases.saved_at[subscription_id]
                self._owned[subscription_id].manager.settings_saved(saved_at)
            self._has_renewed.set()
        for subscription_id, owned in list(self._owned.items()):
            if not owned.fence.is_open():
                logger.warning(
                    "agent %s: the lease of %s expired, ending its session",
                    self._process,
                    subscription_id,
                )
                del self._owned[subscription_id]
                owned.task.cancel()

    async def balance(self) -> None:
        """After a renewal, declare silent workers dead, claim free subscriptions, and give back
        those beyond our share.
        """
        await self._has_renewed.wait()
        self._has_renewed.clear()
        renewal = self._renewal
        assert renewal is not None
        await self._give_back(renewal.leases.switched_off)
        await self._declare_dead(renewal)
        unleased, share = await self._lease_threads.run(_unleased, renewal)
        # Our own leases are free too, if they have no session.
        await self._claim([*renewal.leases.kept, *unleased], share)
        surplus = to_give_back(self._idle(), owned=len(self._owned), share=share)
        if surplus:
            logger.info("agent %s: releasing %s subscriptions", self._process, len(surplus))
            await self._give_back(surplus)

    async def hand_over(self) -> None:
        """Close all sessions and release their leases, so that other workers take over at once."""
        ids = self.ids
        await self._close(ids)
        try:
            for _ in range(CHECK_OUT_TRIES):
                if await self._lease_threads.run(leases.check_out, self.renewals.owner):
                    break
                await asyncio.sleep(CHECK_OUT_AGAIN_S)
            else:
                logger.warning("agent %s: some leases are in use, they will expire", self._process)
        except Error as error:
            logger.warning(
                "agent %s: cannot release its leases, they will expire: %s", self._process, error
            )
        self._lease_threads.close()
        logger.info("agent %s: handed over %s subscriptions", self._process, len(ids))

    # Inside

    def _fences(self) -> dict[UUID, LeaseFence]:
        return {key: one.fence for key, one in self._owned.copy().items()}

    async def _declare_dead(self, renewal: Renewal) -> None:
        others = [one for one in renewal.leases.workers if one.name != self.renewals.owner]
        for worker in self._sharing.dead(others, at=renewal.read_at):
            if await self._lease_threads.run(leases.declare_dead, worker):
                logger.warning("agent %s: %s is dead", self._process, worker.name)

    async def _claim(self, free: Iterable[UUID], share: int) -> None:
        at = boottime()
        crashed = {one for one, when in self._crashed_at.items() if at - when < CRASHED_PAUSE_S}
        self._crashed_at = {one: self._crashed_at[one] for one in crashed}
        wanted = self._sharing.to_claim(
            [one for one in free if one not in self._owned and one not in crashed],
            owned=len(self._owned),
            share=share,
            at=at,
        )
        if not wanted:
            return
        owner = self.renewals.owner
        claimed = await self._lease_threads.run(leases.claim, owner, wanted)
        renewal = self._renewal
        if renewal is None or owner != self.renewals.owner:
            return  # declared dead meanwhile
        for subscription_id in claimed:
            # The lease is as old as the last renewal, and not as young as the claim.
            fence = LeaseFence(asked_at=renewal.asked_at)
            if fence.is_open() and subscription_id not in self._owned:
                self._start(subscription_id, fence)

    def _start(self, subscription_id: UUID, fence: LeaseFence) -> None:
        manager = self._new_manager(subscription_id, self.renewals.owner, fence)
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
            logger.error("agent %s: %s crashed", self._process, task.get_name(), exc_info=error)
        for subscription_id, owned in list(self._owned.items()):
            if owned.task is task:
                del self._owned[subscription_id]
                owned.fence.close()
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
            await self._lease_threads.run(leases.release, self.renewals.owner, list(ids))

    async def _close(self, ids: Collection[UUID]) -> None:
        """End the sessions of those that have one, and their writes."""
        closed = [self._owned.pop(one) for one in ids if one in self._owned]
        for owned in closed:
            owned.task.cancel()
        await asyncio.gather(*(owned.task for owned in closed), return_exceptions=True)
        await self._finish(ids)
        for owned in closed:
            # A write that a thread has not begun yet must not count for a later lease of ours.
            owned.fence.close()


def _unleased(renewal: Renewal) -> tuple[list[UUID], int]:
    return leases.unleased(), leases.fair_share(renewal.leases.workers, now=renewal.now)
