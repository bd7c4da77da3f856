"""Makes the tests of connections that people asked for, of any subscription: a test needs no
lease, as it only opens a session, asks and closes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol
from uuid import UUID

from django.utils import timezone

from dots_client import WireTap
from portal.connections import services
from portal.connections.models import ConnectionTest
from portal.connections.services.connection_tests import MAX_TAKEN
from portal.connections.steps import (
    ConnectionResult,
    ConnectionStep,
    StepFailure,
    StepName,
    StepState,
)
from portal.core.errors import SecretUnreadable
from portal.signaling.connection_probe import ConnectionProbe
from portal.signaling.connection_settings import settings_with_key
from portal.signaling.database_threads import DatabaseThreads

logger = logging.getLogger(__name__)

DEADLINE_S: Final = 60.0
"""For one test, whatever the provider does."""


class TapOf(Protocol):
    def __call__(self, subscription_id: UUID) -> WireTap: ...


class ConnectionTests:
    """Runs on the agent's loop."""

    def __init__(self, threads: DatabaseThreads, *, tap_of: TapOf) -> None:
        self._threads = threads
        self._tap_of = tap_of
        self._running: set[asyncio.Task[None]] = set()

    async def begin_due(self) -> None:
        """Begin the tests that wait, as long as fewer than MAX_TAKEN run here."""
        room = MAX_TAKEN - len(self._running)
        if room <= 0:
            return
        take = partial(services.take_due_tests, timezone.now(), at_most=room)
        for test in await self._threads.run(take):
            task = asyncio.create_task(self.make(test), name="connection test")
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Stop. What ran is lost, and can be asked for again."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def make(self, test: ConnectionTest) -> None:
        """Make one test and save its result."""
        steps, result = await self._probe(test)
        await self._threads.run(services.end_test, test, steps, result, timezone.now())

    async def _probe(
        self, test: ConnectionTest
    ) -> tuple[Sequence[ConnectionStep], ConnectionResult]:
        try:
            settings = await self._threads.run(
                settings_with_key, test.subscription_id, test.client_key_id
            )
        except SecretUnreadable:
            return [_portal_failed()], ConnectionResult.FAILED

        async def save(steps: Sequence[ConnectionStep]) -> None:
            await self._threads.run(services.save_steps, test, tuple(steps))

        probe = ConnectionProbe(settings, on_steps=save, on_wire=self._tap_of(test.subscription_id))
        try:
            async with asyncio.timeout(DEADLINE_S):
                return probe.steps, await probe.run()
        except TimeoutError:
            await probe.give_up(StepFailure.UNFINISHED)
        return probe.steps, ConnectionResult.FAILED

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The page says after a while that the test was lost.
            logger.error("a test of a connection crashed", exc_info=error)


def _portal_failed() -> ConnectionStep:
    return ConnectionStep(
        step=StepName.NAME, state=StepState.FAILED, failure=StepFailure.PORTAL_FAILED
    )
