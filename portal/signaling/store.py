"""The database from the agent's event loop: few threads, connections given back after each call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

from django.db import close_old_connections

DATABASE_THREADS: Final = 4
"""Fewer than the connection pool holds: the rest is for the worker's tasks."""

P = ParamSpec("P")
T = TypeVar("T")


class Store:
    """Runs synchronous services. A cancelled awaiter does not undo the write it waited for."""

    def __init__(self, *, threads: int = DATABASE_THREADS) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="agent-db")

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(_run, call, *args, **kwargs))

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)


def _run(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    close_old_connections()
    try:
        return call(*args, **kwargs)
    finally:
        close_old_connections()
