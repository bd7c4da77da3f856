"""A signal worker of a life."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from portal.signaling.signal_agent import SignalAgent
from portal.signaling.worker import CLIENT_SETTINGS
from tests.simulation.database import SimulatedRepeatedCall, SimulatedThreads
from tests.simulation.virtual_loop import Process

if TYPE_CHECKING:
    from tests.simulation.life import Life


class Worker:
    """A signal worker, which may die and start again under another name."""

    def __init__(self, life: Life, name: str) -> None:
        self._life = life
        self._name = name
        self._starts = 0
        self.process: Process | None = None
        self._task: asyncio.Task[Any] | None = None

    def start(self) -> None:
        self._starts += 1
        life = self._life
        owner = f"{self._name}.{self._starts}"
        self.process = Process(owner)
        settings = replace(CLIENT_SETTINGS, open_dtls=life.transport)

        async def main() -> None:
            agent = SignalAgent(
                owner,
                settings=settings,
                new_threads=partial(SimulatedThreads, faults=life.database),
                repeated_call=partial(SimulatedRepeatedCall, faults=life.database),
            )
            await agent.run()

        self._task = self.process.start(main)

    def kill(self, steps: int) -> None:
        if self.process is not None:
            self.process.steps_to_live = steps

    def die(self) -> None:
        if self.process is not None:
            self.process.is_dead = True

    async def stop_in_order(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=10.0)
            self.die()
