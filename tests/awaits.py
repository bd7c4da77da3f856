"""Raise an exception at a chosen await of a running program."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from types import AsyncGeneratorType, CoroutineType, FrameType
from typing import Any, Final, TypeAlias

HERE: Final = Path(__file__).parents[1]
PROGRAM: Final = ("dots_client/", "portal/")

Place: TypeAlias = tuple[str, ...]
"""The waiting lines of the program, the outermost first: `dots_client/client/connection.py:70`."""

_is_watched: ContextVar[bool] = ContextVar("is_watched", default=False)


class Defect(Exception):
    """An exception that no code expects."""


class Awaits:
    """The places where the tasks of a program wait, as they are reached."""

    def __init__(self, *, raises_at: Place | None = None) -> None:
        self.seen: dict[Place, None] = {}
        "in order"
        self.raised = asyncio.Event()
        self._raises_at = raises_at

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watches tasks started inside, and their tasks, but not a server that was
        started before.
        """
        loop = asyncio.get_running_loop()
        loop.set_task_factory(self._make_task)
        token = _is_watched.set(True)
        try:
            yield
        finally:
            _is_watched.reset(token)
            loop.set_task_factory(None)

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        watched = _Watched(coroutine, self) if _is_watched.get() else coroutine
        return asyncio.Task(watched, loop=loop, **options)

    def waits(self, place: Place) -> bool:
        """Whether to raise there."""
        self.seen[place] = None
        if place != self._raises_at or self.raised.is_set():
            return False
        self.raised.set()
        return True


class _Watched(Coroutine[Any, Any, Any]):
    def __init__(self, coroutine: CoroutineType[Any, Any, Any], awaits: Awaits) -> None:
        self._coroutine = coroutine
        self._awaits = awaits
        self._is_to_raise = False

    def send(self, value: Any) -> Any:
        if self._is_to_raise:
            self._is_to_raise = False
            return self._waits(self._coroutine.throw(Defect()))
        return self._waits(self._coroutine.send(value))

    def throw(self, *error: Any) -> Any:
        self._is_to_raise = False
        return self._waits(self._coroutine.throw(*error))

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, None, Any]:
        raise NotImplementedError

    def _waits(self, waited_for: Any) -> Any:
        place = _place(self._coroutine)
        if not place or not self._awaits.waits(place):
            return waited_for
        # Do not wait for it: the task continues at once.
        if waited_for is not None:
            waited_for._asyncio_future_blocking = False
            _abandon(waited_for)
        self._is_to_raise = True
        return None


def _abandon(waited_for: asyncio.Future[Any]) -> None:
    """No code waits for it from now on, so none would take its exception."""
    if type(waited_for) is asyncio.Future:
        # One of the loop: it watches a socket until then, which the program is about to close.
        waited_for.cancel()
    else:
        waited_for.add_done_callback(lambda done: done.cancelled() or done.exception())


def _place(coroutine: Any) -> Place:
    lines = []
    waiting = coroutine
    while waiting is not None:
        frame, waiting = _frame_of(waiting)
        if frame is not None and (line := _line(frame)):
            lines.append(line)
    return tuple(lines)


def _frame_of(waiting: Any) -> tuple[FrameType | None, Any]:
    """Its frame, and what it waits for."""
    if isinstance(waiting, CoroutineType):
        return waiting.cr_frame, waiting.cr_await
    if isinstance(waiting, AsyncGeneratorType):
        return waiting.ag_frame, waiting.ag_await
    # An object that steps an asynchronous generator does not reveal the generator.
    for one in gc.get_referents(waiting):
        if isinstance(one, AsyncGeneratorType):
            return one.ag_frame, one.ag_await
    return None, None


def _line(frame: FrameType) -> str:
    file = Path(frame.f_code.co_filename)
    name = str(file.relative_to(HERE)) if file.is_relative_to(HERE) else ""
    return f"{name}:{frame.f_lineno}" if name.startswith(PROGRAM) else ""
