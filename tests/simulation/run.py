"""Runs one life, and says how it ended."""

from __future__ import annotations

import gc
import hashlib
from collections import Counter
from dataclasses import dataclass, field

from portal.core.broadcast import broadcast_from
from tests.simulation.database import (
    empty_tables,
)
from tests.simulation.life import Life
from tests.simulation.machine import machine
from tests.simulation.scenario import (
    Scenario,
    scenario_of,
)
from tests.simulation.virtual_loop import StuckError, VirtualLoop


@dataclass(frozen=True, slots=True)
class Outcome:
    """`violations` is empty if everything held. `digest`: of the whole trace."""

    seed: int
    requests: int
    violations: tuple[str, ...]
    trace: tuple[str, ...] = field(repr=False)
    faults: Counter[str]
    "how often what went wrong"

    @property
    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


def run_life(seed: int, *, requests: int) -> Outcome:
    """Run the life of this seed from empty tables."""
    return run_scenario(scenario_of(seed, requests=requests))


def run_scenario(scenario: Scenario) -> Outcome:
    """Run one life from empty tables."""
    seed, requests = scenario.seed, len(scenario.wishes)
    gc.disable()
    loop = VirtualLoop()
    try:
        life = Life(scenario, loop)
        with machine(loop, seed, life.ahead):
            empty_tables()
            with life.watching_the_log():
                try:
                    loop.run_until_complete(life.run())
                except StuckError as error:
                    life.violated(str(error))
                broadcast_from(None)
        return Outcome(seed, requests, tuple(life.violations), tuple(life.trace), life.counts)
    finally:
        for task in loop.tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.set_exception_handler(lambda *_: None)
        loop.close()
        gc.enable()
