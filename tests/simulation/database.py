"""The database of a life: SQLite in memory, whose calls take time, fail or hang."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final, ParamSpec, TypeVar

from django.apps import apps
from django.db import OperationalError, connection, connections

from portal.core.database import is_away
from portal.signaling.database_threads import FIRST_THREADS, DatabaseThreads
from portal.signaling.repeated_call import RepeatedCall
from tests.simulation.virtual_loop import current_process
from tests.sqlite_tables import copy_tables

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

MAX_STATEMENTS: Final = 64
"""A call that fails in the middle fails at one of these statements; the first ones are likelier."""
LONGEST_HANG_S: Final = 20.0


class DatabaseFaults:
    """What goes wrong with the next call. Everything is fine until `share` is raised."""

    def __init__(self, chance: Random, *, counts: Counter[str]) -> None:
        self._chance = chance
        self._counts = counts
        self.share = 0.0
        "of calls that fail"
        self.hang_share = 0.0
        "of calls that hang"

    def delay_s(self) -> float:
        if self._chance.random() < self.hang_share:
            self._counts["database calls that hang"] += 1
            return self._chance.uniform(1.0, LONGEST_HANG_S)
        return self._chance.uniform(0.0005, 0.004)

    def call(self, call: Callable[[], T]) -> T:
        """Run it; it may fail before it begins, at any statement, or after its commit."""
        process = current_process()
        if process is not None and not process.reaches_database:
            self._counts["database calls of a worker that is cut off"] += 1
            raise OperationalError("the simulated server is out of reach")
        if self._chance.random() >= self.share:
            return call()
        match self._chance.choice(("before", "within", "within", "after")):
            case "before":
                self._counts["database calls that fail before they begin"] += 1
                raise OperationalError("the simulated server is away")
            case "within":
                with self._failing_at(int(MAX_STATEMENTS ** self._chance.random())):
                    return call()
        call()
        self._counts["database calls that fail after the commit"] += 1
        raise OperationalError("the simulated connection broke after the commit")

    @contextmanager
    def _failing_at(self, number: int) -> Iterator[None]:
        left = number

        def execute(run: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                self._counts["database calls that fail at a statement"] += 1
                raise OperationalError(f"the simulated connection broke at {sql.split()[0]}")
            return run(sql, parameters, many, context)

        with connection.execute_wrapper(execute):
            yield


class SimulatedThreads(DatabaseThreads):
    """Takes turns like threads do, but runs every call on the loop's thread.

    As with threads, the write that a cancelled caller waited for happens all the same. A process
    that dies loses the calls that have not begun, and the results of the others.
    """

    def __init__(self, threads: int, *, faults: DatabaseFaults) -> None:
        self._faults = faults
        self._free_at = [0.0] * threads
        self._first_free_at = [0.0] * FIRST_THREADS
        self._loop = asyncio.get_running_loop()

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(self._free_at, partial(call, *args, **kwargs))

    async def run_first(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(self._first_free_at, partial(call, *args, **kwargs))

    def close(self) -> None:
        """There is no thread to end."""

    def _run(self, free_at: list[float], call: Callable[[], T]) -> asyncio.Future[T]:
        thread = free_at.index(min(free_at))
        begins_at = max(self._loop.time(), free_at[thread]) + self._faults.delay_s()
        ends_at = begins_at + self._faults.delay_s()
        free_at[thread] = ends_at
        result: asyncio.Future[T] = self._loop.create_future()
        self._loop.call_at(begins_at, self._execute, call, result, ends_at)
        return result

    def _execute(self, call: Callable[[], T], result: asyncio.Future[T], ends_at: float) -> None:
        if result.cancelled():
            # A thread would not have begun it either; one that has begun cannot be stopped.
            return
        try:
            outcome: Any = partial(_settle, result, self._faults.call(call), None)
        except Exception as error:  # noqa: BLE001  it belongs to the caller, as with threads
            outcome = partial(_settle, result, None, error)
        self._loop.call_at(ends_at, outcome)


class SimulatedRepeatedCall(RepeatedCall):
    """Takes turns like a thread does, but runs every call on the loop's thread."""

    def __init__(
        self, call: Callable[[], None], *, every_s: float, name: str, faults: DatabaseFaults
    ) -> None:
        self._call = call
        self._every_s = every_s
        self._name = name
        self._threads = SimulatedThreads(1, faults=faults)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._repeat())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _repeat(self) -> None:
        while True:
            try:
                await self._threads.run(self._call)
            except Exception as error:
                if is_away(error):
                    logger.warning("%s failed, the database is away", self._name)
                else:
                    logger.exception("%s crashed", self._name)
            await asyncio.sleep(self._every_s)


def _settle(result: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
    if result.done():
        return
    if error is None:
        result.set_result(value)
    else:
        result.set_exception(error)


def share_connection() -> None:
    """Use the one connection in this context and those copied from it.

    Django opens one for each context otherwise, each with its own database in memory.
    """
    connections["default"] = _shared[0]


def sqlite() -> sqlite3.Connection:
    """The connection itself, for quick looks from any context."""
    raw: sqlite3.Connection = _shared[0].connection
    return raw


_shared: list[Any] = []
_emptied: list[str] = []


def make_tables(own: str) -> None:
    """`own`: SQL that makes the tables and triggers of the simulation itself."""
    connection.ensure_connection()
    _shared[:] = [connections["default"]]
    with TemporaryDirectory() as folder:
        copy_tables(file := Path(folder) / "tables.sqlite3")
        with closing(sqlite3.connect(file)) as made:
            made.backup(sqlite())
    sqlite().create_function("simulation_process", 0, _running_process)
    sqlite().executescript(own)
    _emptied[:] = [
        f'DELETE FROM "{table}"'
        for table in connection.introspection.table_names()
        if table in _tables()
    ]


def _running_process() -> str | None:
    process = current_process()
    return None if process is None else process.name


def empty_tables() -> None:
    """Delete every row, so that the next life starts with nothing of this one."""
    # Straight to SQLite: Django would check what depends on what, table by table.
    sqlite().executescript(
        f"PRAGMA foreign_keys=OFF; BEGIN; {'; '.join(_emptied)}; COMMIT; PRAGMA foreign_keys=ON;"
    )


def _tables() -> frozenset[str]:
    models = apps.get_models(include_auto_created=True)
    unchanging = ("contenttypes", "auth")
    own = (model._meta.db_table for model in models if model._meta.app_label not in unchanging)
    return frozenset((*own, "simulation_written", "simulation_foreign"))
