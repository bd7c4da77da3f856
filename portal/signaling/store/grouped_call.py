"""Calls of all sessions of a worker that share one statement: those that came while the last one
ran, or before the next turn. So a single call does not wait, and in a rush the statements get
longer instead of more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from typing import Final, Generic, TypeVar

from portal.signaling.turns import Turns

MAX_GROUP: Final = 200
"""Most calls with one statement; the others wait for the next one."""

T = TypeVar("T")
R = TypeVar("R")


class GroupedCall(Generic[T, R]):
    """Calls `run` with the arguments of all callers that wait, and gives each the common result."""

    def __init__(
        self, run: Callable[[Sequence[T]], Awaitable[R]], turns: Turns | None = None
    ) -> None:
        """`turns`: of its groups; without them a group starts as soon as the last one has ended."""
        self._run = run
        self._turns = turns
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._running: asyncio.Task[None] | None = None
        # Not that of a caller: log lines of a group belong to no single subscription.
        self._context = copy_context()

    async def __call__(self, argument: T) -> R:
        """The result for the group that `argument` was in. Raises what its `run` raised."""
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((argument, result))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run_groups(), context=self._context.copy())
        return await result

    def drop(self, is_meant: Callable[[T], bool]) -> bool:
        """Cancel the callers that still wait with such an argument. Whether there were any."""
        waiting, self._waiting = self._waiting, []
        is_dropped = False
        for argument, result in waiting:
            if is_meant(argument):
                is_dropped |= result.cancel()
            else:
                self._waiting.append((argument, result))
        return is_dropped

    async def _run_groups(self) -> None:
        group: list[tuple[T, asyncio.Future[R]]] = []
        try:
            while self._waiting:
                # Let the other callers of this moment join.
                await (asyncio.sleep(0) if self._turns is None else self._turns.next())
                group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
                if not group:
                    break
                try:
                    common = await self._run([argument for argument, _ in group])
                except Exception as error:  # noqa: BLE001  it belongs to the callers
                    _fail(group, error)
                else:
                    for _, result in group:
                        if not result.done():
                            result.set_result(common)
        except BaseException as error:
            # No caller may wait for a task that has ended.
            left, self._waiting = [*group, *self._waiting], []
            _fail(left, error)
            raise


def _fail(group: Sequence[tuple[T, asyncio.Future[R]]], error: BaseException) -> None:
    for _, result in group:
        if result.done():
            continue
        if isinstance(error, asyncio.CancelledError):
            result.cancel()
        else:
            result.set_exception(error)
