"""The book: the live mitigations of all subscriptions that this worker owns (ADR 55).

A wake-up names the row that changed. One statement reads all rows that were named while the last
one ran, for the whole worker.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextvars import copy_context
from typing import Final
from uuid import UUID

from django.db import OperationalError

from portal.mitigations import queries
from portal.mitigations.models import Mitigation
from portal.mitigations.row_version import RowVersion
from portal.signaling.async_events import loop_time
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.owned_mitigations import OwnedMitigations
from portal.signaling.turns import Turns

COMPARE_EVERY_S: Final = 30.0
"""How often to compare all of the book with the rows. The sweep for unsent changes, each second,
makes up sooner for the wake-ups that a person waits for.
"""
READ_WITHIN_S: Final = 30.0
"""A read that takes longer has failed: one connection that hangs must not stop all sessions of the
worker. It is several times what a read of 10,000 mitigations takes.
"""


class Book:
    """Call every method on the agent's loop."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads
        self._owned: dict[UUID, OwnedMitigations] = {}
        self._reading: asyncio.Task[None] | None = None
        self._turns = Turns()
        self._compared_at = float("-inf")
        # Not that of a session: log lines of a read belong to no single subscription.
        self._context = copy_context()

    def open(self, subscription_id: UUID) -> OwnedMitigations:
        """For a subscription that this worker claimed just now: nothing of it is known."""
        self._owned[subscription_id] = owned = OwnedMitigations(subscription_id)
        return owned

    def close(self, owned: OwnedMitigations) -> None:
        """Another worker may write its rows from now on."""
        if self._owned.get(owned.subscription_id) is owned:
            del self._owned[owned.subscription_id]

    def changed(self, subscription_id: UUID, mitigation_id: UUID | None = None) -> None:
        """A wake-up came; None: any mitigation of the subscription may have changed."""
        if owned := self._owned.get(subscription_id):
            owned.changed(None if mitigation_id is None else {mitigation_id})

    async def read(self, owned: OwnedMitigations) -> None:
        """Read what is known to have changed before this call. Raises the database's error."""
        # A read that has begun does not have what was named since.
        for _ in range(2):
            if owned.is_current:
                return
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read(), context=self._context.copy())
            await asyncio.shield(self._reading)

    async def find_outdated(self) -> set[UUID]:
        """Make up for lost wake-ups: return the subscriptions with rows that changed unnoticed."""
        is_due = loop_time() >= self._compared_at + COMPARE_EVERY_S
        query = queries.live_versions if is_due else queries.unsent_versions
        versions = await self._threads.run(query, list(self._owned))
        if is_due:
            self._compared_at = loop_time()
        found: defaultdict[UUID, list[RowVersion]] = defaultdict(list)
        for one in versions:
            found[one.subscription].append(one)
        outdated = set()
        for subscription_id, owned in self._owned.items():
            if ids := owned.outdated(found[subscription_id], are_all=is_due):
                owned.changed(ids)
                outdated.add(subscription_id)
        return outdated

    async def _read(self) -> None:
        await self._turns.next()
        reading = [owned for owned in self._owned.values() if not owned.is_current]
        unread = [(owned, owned.begin_read()) for owned in reading]
        try:
            rows = await self._rows(
                [owned.subscription_id for owned, one in unread if one.everything],
                [pk for _, one in unread if not one.everything for pk in one.mitigations],
            )
        except BaseException:
            for owned in reading:
                owned.not_read()
            raise
        found: defaultdict[UUID, list[Mitigation]] = defaultdict(list)
        for row in rows:
            found[row.subscription_id].append(row)
        for owned in reading:
            owned.read(found[owned.subscription_id], at=loop_time())

    async def _rows(self, subscriptions: list[UUID], mitigations: list[UUID]) -> list[Mitigation]:
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                return await self._threads.run_first(
                    queries.live_mitigations, subscriptions, mitigations
                )
        except TimeoutError as error:
            raise OperationalError(f"no answer within {READ_WITHIN_S:.0f} s") from error
