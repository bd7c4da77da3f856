"""The machine that a life runs on: its clocks and its randomness come from the seed.

It replaces only what the operating system supplies, and no code of the portal.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Final
from unittest.mock import patch

from django.utils import timezone

from portal.core import cooldown
from portal.signaling.leasing import database_clock
from tests.simulation.virtual_loop import VirtualLoop

START: Final = 1_800_000_000.0
"""Seconds since 1970 at the start of each life."""


@contextmanager
def machine(loop: VirtualLoop, seed: int, ahead: Callable[[], float]) -> Iterator[None]:
    """`ahead`: how many seconds the running process's date is ahead of the database's."""
    chance = random.Random(f"machine {seed}")

    def now() -> float:
        return START + loop.time() + ahead()

    def aware_now() -> datetime:
        return datetime.fromtimestamp(now(), UTC)

    class DatabaseTime:
        """Stands for `timezone` where the portal asks SQLite for the time: it has no clock."""

        @staticmethod
        def now() -> datetime:
            return datetime.fromtimestamp(START + loop.time(), UTC)

    def since_boot(*_: object) -> float:
        return 1000.0 + loop.time()

    with ExitStack() as stack:
        for owner, name, value in (
            (time, "time", now),
            (time, "monotonic", since_boot),
            (time, "clock_gettime", since_boot),
            (cooldown, "monotonic", since_boot),
            (timezone, "now", aware_now),
            (os, "urandom", chance.randbytes),
            (random, "_urandom", chance.randbytes),
            (database_clock, "timezone", DatabaseTime),
            (database_clock, "_known", None),
            (database_clock, "_jumped_at", float("-inf")),
        ):
            stack.enter_context(patch.object(owner, name, value))
        random.seed(seed)
        yield
