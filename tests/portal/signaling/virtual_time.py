"""Tests of timers without waiting: an event loop whose time advances when nothing else is left to
do.

Only for tests without sockets and threads. The database's time follows the loop's.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec
from unittest.mock import patch

from django.utils import timezone

from portal.signaling.leasing import database_clock

STEP_S = 0.01

P = ParamSpec("P")


class _Selector(selectors.DefaultSelector):
    """Advances the time instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.now += timeout or 0.0
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in virtual time."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            loop = runner.get_loop()
            with patch.multiple(database_clock, boottime=loop.time, _known=None):
                database_clock.synchronize(timezone.now())
                runner.run(test(*args, **kwargs))

    return run


async def pass_time(seconds: float) -> None:
    """Run everything that is due within `seconds`."""
    await asyncio.sleep(seconds)


async def until(condition: Callable[[], bool], *, within_s: float = 60.0) -> None:
    """Advance the time until the condition holds, checking every STEP_S."""
    async with asyncio.timeout(within_s):
        while not condition():  # code without an event sets the condition
            await pass_time(STEP_S)
