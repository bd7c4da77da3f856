"""Run database calls for the agent's event loop in a few threads, which release their connection
after each call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Final, ParamSpec, TypeVar

from django.db import close_old_connections

DATABASE_THREADS: Final = 3
FIRST_THREADS: Final = 2
"""Together fewer than the connection pool holds: the rest is for leases and the worker's tasks."""

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThreads:
    """Runs synchronous services. Cancelling a caller does not undo the write it waits for."""

    def __init__(self, threads: int = DATABASE_THREADS) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="agent-db")
        self._first = ThreadPoolExecutor(FIRST_THREADS, thread_name_prefix="agent-db-first")

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await _in(self._executor, partial(_run, call, *args, **kwargs))

    async def run_first(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """For calls that a person's request waits for: they do not queue behind other writes."""
        return await _in(self._first, partial(_run, call, *args, **kwargs))

    def close(self) -> None:
        for executor in (self._first, self._executor):
            executor.shutdown(wait=True, cancel_futures=True)


async def _in(executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    # In the caller's context, for the ids of log lines.
    run = partial(copy_context().run, work)
    return await asyncio.get_running_loop().run_in_executor(executor, run)


def _run(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    close_old_connections()
    try:
        return call(*args, **kwargs)
    finally:
        close_old_connections()
