"""An event loop in virtual time, on which simulated processes run, stop and die."""

from __future__ import annotations

import asyncio
import heapq
import socket
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from itertools import count
from typing import Any, Final

MAX_STEPS: Final = 300_000
"""Of one life; more means that some code runs in circles."""


STEP_S: Final = 2e-6


class StuckError(Exception):
    """Nothing is left to do, or far too much."""


class Process:
    """A simulated operating-system process: all code that starts in its context.

    It dies between two awaits: no further line of its code runs, as after SIGKILL. While it is
    stopped, what it would do waits, as after SIGSTOP.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.ahead_s = 0.0
        "how far its wall clock is ahead"
        self.reaches_database = True
        self.steps_to_live: int | None = None
        "dies after so many more steps"
        self._is_stopped = False
        self._parked: list[asyncio.Handle] = []

    def start(self, main: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Task[Any]:
        context = copy_context()
        context.run(_process.set, self)
        loop = asyncio.get_running_loop()
        return loop.create_task(main(), context=context)

    def stop(self) -> None:
        self._is_stopped = True

    def resume(self, loop: VirtualLoop) -> None:
        self._is_stopped = False
        parked, self._parked = self._parked, []
        loop.run_soon(parked)

    def admits(self, handle: asyncio.Handle) -> bool:
        """Whether the step may run now."""
        if self.is_dead:
            return False
        if self._is_stopped:
            self._parked.append(handle)
            return False
        if self.steps_to_live is not None:
            self.steps_to_live -= 1
            self.is_dead = self.steps_to_live < 0
        return not self.is_dead


_process: ContextVar[Process | None] = ContextVar("process", default=None)
OUTSIDE: Final = Context()
"""Of what belongs to no process, such as the network and the providers."""


def current_process() -> Process | None:
    return _process.get()


class _Task(asyncio.Task[Any]):
    """Hashed by a number, so that sets of tasks have the same order in each run."""

    def __init__(self, *arguments: Any, number: int, **options: Any) -> None:
        self._number = number
        super().__init__(*arguments, **options)

    def __hash__(self) -> int:
        return self._number


class _NoSockets:
    """The selector of a loop without sockets."""

    def register(self, *_: Any) -> None: ...

    def unregister(self, *_: Any) -> None: ...

    def modify(self, *_: Any) -> None: ...

    def close(self) -> None: ...

    def get_map(self) -> dict[Any, Any]:
        return {}

    def get_key(self, fileobj: Any) -> Any:
        raise KeyError(fileobj)

    def select(self, timeout: float | None = None) -> list[Any]:
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time jumps to the next timer as soon as nothing else is left to do."""

    def __init__(self) -> None:
        self._now = 0.0
        self.steps = 0
        self._numbers = count()
        self.tasks: list[asyncio.Task[Any]] = []
        "kept, so that a dead process's coroutines are not closed, which would run their code"
        super().__init__(_NoSockets())  # type: ignore[arg-type]
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self._now

    def run_soon(self, handles: list[asyncio.Handle]) -> None:
        self._ready.extend(handles)  # type: ignore[attr-defined]

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (host, port))]

    def _make_task(self, loop: Any, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        task = _Task(coroutine, loop=loop, number=next(self._numbers), **options)
        self.tasks.append(task)
        return task

    def _write_to_self(self) -> None:
        """There is no select to wake up."""

    def _run_once(self) -> None:
        """The same as in asyncio, but timers end the waiting for nothing at once."""
        # Code takes time: a wait for less than the clock's resolution would never end.
        self._now += STEP_S
        ready: Any = self._ready  # type: ignore[attr-defined]
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            self._take_timer(timers)
        if not ready:
            if not timers:
                raise StuckError("nothing is left to do")
            self._now = max(self._now, timers[0]._when)
        while timers and timers[0]._when <= self._now:
            ready.append(self._take_timer(timers))
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(_process)
            if process is None or process.admits(handle):
                self.steps += 1
                handle._run()
        if self.steps > MAX_STEPS:
            raise StuckError(f"more than {MAX_STEPS} steps")

    def _take_timer(self, timers: list[Any]) -> Any:
        timer = heapq.heappop(timers)
        timer._scheduled = False
        if timer._cancelled:
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
        return timer
