"""The subscriptions one worker holds: claimed, renewed, given back, and silenced when their time is over."""

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
from portal.signaling import clock, leases
from portal.signaling.hold import Hold
from portal.signaling.hold import clock as own_clock
from portal.signaling.journal import Journal
from portal.signaling.keeper import Keeper
from portal.signaling.leases import Lease, Renewed
from portal.signaling.sharing import Sharing, to_give_back
from portal.signaling.store import Store

logger = logging.getLogger(__name__)

HELD_ELSEWHERE: Final = "held elsewhere"
LEASE_THREADS: Final = 1
"""Of its own: no write of a session stands before a renewal."""
CRASHED_PAUSE_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class _Held:
    keeper: Keeper
    task: asyncio.Task[None]
    hold: Hold


@dataclass(frozen=True, slots=True)
class _Round:
    """What the database said. `asked_at`: our clock before the first question."""

    asked_at: float
    now: datetime
    renewed: Renewed
    doubtful: list[Lease]
    share: int


class Holdings:
    """Lives on the agent's loop."""

    def __init__(
        self, owner: str, *, store: Store, journal: Journal, settings: ClientSettings
    ) -> None:
        self._owner = owner
        self._journal = journal
        self._store = store
        self._lease_store = Store(threads=LEASE_THREADS)
        self._settings = settings
        self._sharing = Sharing(owner)
        self._held: dict[UUID, _Held] = {}
        self._crashed_at: dict[UUID, float] = {}

    @property
    def ids(self) -> list[UUID]:
        return list(self._held)

    def wake(self, subscription_id: UUID) -> str:
        """Rows of this subscription may have changed; what became of it, in a word."""
        held = self._held.get(subscription_id)
        if held is None:
            return HELD_ELSEWHERE
        held.keeper.wake()
        return "woken" if held.keeper.is_connected else "connecting"

    async def share(self) -> None:
        """Renew what is ours, claim what is free, give back what is too much."""
        said = await self._lease_store.run(_ask, self._owner, self.ids)
        for subscription_id in self.ids:
            if subscription_id in said.renewed.kept:
                held = self._held[subscription_id]
                held.hold.renewed(asked_at=said.asked_at)
                held.keeper.settings_saved(said.renewed.saved_at[subscription_id])
            elif subscription_id not in said.renewed.switched_off:
                logger.warning("agent %s: lost subscription %s", self._owner, subscription_id)
                self._held[subscription_id].hold.end()
        await self._give_up(said.renewed.switched_off)
        await self._claim(said)
        surplus = to_give_back(self._idle(), held=len(self._held), share=said.share)
        if surplus:
            logger.info("agent %s: gives back %s subscriptions", self._owner, len(surplus))
            await self._give_up(surplus)

    async def silence(self) -> None:
        """End the sessions whose lease ran out. They send nothing any more but their close_notify (ADR 17)."""
        for subscription_id, held in list(self._held.items()):
            if not held.hold.is_on():
                logger.warning("agent %s: silent for %s", self._owner, subscription_id)
                del self._held[subscription_id]
                held.task.cancel()

    async def hand_over(self) -> None:
        """Say goodbye to the providers and leave everything to the other workers at once."""
        ids = self.ids
        await self._close(ids)
        try:
            await self._lease_store.run(leases.release, self._owner, ids)
            await self._lease_store.run(leases.check_out, self._owner)
        except Error as error:
            logger.warning("agent %s: leases run out by themselves: %s", self._owner, error)
        self._lease_store.close()
        logger.info("agent %s: handed over %s subscriptions", self._owner, len(ids))

    # Inside

    async def _claim(self, said: _Round) -> None:
        at = own_clock()
        crashed = {one for one, when in self._crashed_at.items() if at - when < CRASHED_PAUSE_S}
        self._crashed_at = {one: self._crashed_at[one] for one in crashed}
        wanted = self._sharing.to_claim(
            said.doubtful,
            held=crashed | self._held.keys(),
            share=said.share,
            now=said.now,
            at=at,
        )
        if not wanted:
            return
        asked_at, claimed = await self._lease_store.run(_claim, self._owner, wanted)
        for subscription_id in claimed:
            hold = Hold(asked_at=asked_at)
            if hold.is_on() and subscription_id not in self._held:
                self._begin(subscription_id, hold)

    def _begin(self, subscription_id: UUID, hold: Hold) -> None:
        keeper = Keeper(
            subscription_id=subscription_id,
            owner=self._owner,
            store=self._store,
            recorder=self._journal.recorder(subscription_id),
            settings=self._settings,
            hold=hold,
        )
        task = asyncio.create_task(keeper.run(), name=f"keeper {subscription_id}")
        task.add_done_callback(self._keeper_ended)
        self._held[subscription_id] = _Held(keeper, task, hold)

    def _keeper_ended(self, task: asyncio.Task[None]) -> None:
        """Drop a keeper whose subscription another worker holds; restart one that crashed, after a pause."""
        if task.cancelled():
            return
        if error := task.exception():
            logger.error("agent %s: %s crashed", self._owner, task.get_name(), exc_info=error)
        for subscription_id, held in list(self._held.items()):
            if held.task is task:
                del self._held[subscription_id]
                if error:
                    self._crashed_at[subscription_id] = own_clock()

    def _idle(self) -> Iterable[UUID]:
        """Newest first: those where a moment without a session costs nobody anything."""
        return [one for one, held in reversed(self._held.items()) if held.keeper.is_idle]

    async def _give_up(self, ids: Collection[UUID]) -> None:
        if ids:
            await self._close(ids)
            await self._lease_store.run(leases.release, self._owner, list(ids))

    async def _close(self, ids: Collection[UUID]) -> None:
        tasks = [self._held.pop(subscription_id).task for subscription_id in ids]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _ask(owner: str, held: Collection[UUID]) -> _Round:
    asked_at = own_clock()
    now = clock.ask()
    clock.learn(now)
    renewed = leases.renew(owner, held, now=now)
    leases.check_in(owner, now=now)
    doubtful = leases.doubtful(now=now)
    return _Round(asked_at, now, renewed, doubtful, leases.share(now=now))


def _claim(owner: str, wanted: list[Lease]) -> tuple[float, list[UUID]]:
    asked_at = own_clock()
    return asked_at, leases.claim(owner, wanted, now=clock.ask())
