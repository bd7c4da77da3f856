"""How each fault is applied to the processes of a stack, and how it ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, TypeVar

import httpx
import psycopg
from psycopg import sql
from redis.exceptions import RedisError

from local_stack.ports import LOOPBACK
from local_stack.processes import Process, ProcessFailed
from local_stack.servers import Postgres
from provider_simulator.odd_reports import ODD_REPORTS
from tests.integration.redis_faults import NOBODY_LISTENS
from tests.integration.redis_faults import client as redis_client
from tests.integration.stack import Stack, control

LOSS: Final = 0.5
NOBODY_THERE: Final = "alternate.example 127.0.0.9"
POLLS_REFUSED_WITH: Final = ("4.00", "4.05", "5.00", "5.03")
JUMPS_S: Final = (-3600, -90, 90, 3600)
STARTS_WITHIN_S: Final = 30.0
T = TypeVar("T")


def wrong_clock(directory: Path, name: str) -> dict[str, str]:
    """The environment of a Python process whose date can be set."""
    directory.mkdir(parents=True, exist_ok=True)
    setting = _clock_of(directory, name)
    setting.write_text("0")
    return {
        "PYTHONPATH": str(Path(__file__).parent / "wrong_clock"),
        "WRONG_CLOCK_FILE": str(setting),
    }


def _clock_of(directory: Path, name: str) -> Path:
    return directory / f"{name}.clock"


@dataclass
class Injection:
    """The faults of one run; each ends on its own, and `all_over` waits for that."""

    stack: Stack
    postgres: Postgres
    rng: Random
    starter: Executor
    "one thread that outlives the run: processes it started are killed with it"
    _running: list[threading.Thread] = field(default_factory=list)
    _failures: list[str] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, kind: str, victim: str, seconds: float) -> None:
        thread = threading.Thread(target=self._suffer, args=(kind, victim, seconds), daemon=True)
        self._running.append(thread)
        thread.start()

    def all_over(self) -> float:
        """When the last fault had ended."""
        for thread in self._running:
            thread.join()
        self._running.clear()
        if self._failures:
            raise RuntimeError(f"the harness failed: {self._failures}")
        return time.monotonic()

    def _suffer(self, kind: str, victim: str, seconds: float) -> None:
        try:
            with self._fault(kind, victim):
                time.sleep(seconds)
        except (
            ProcessFailed,
            httpx.HTTPError,
            psycopg.Error,
            RedisError,
            OSError,
            RuntimeError,
        ) as error:
            self._failures.append(f"{kind} {victim}: {error!r}")

    @contextmanager
    def _fault(self, kind: str, victim: str) -> Iterator[None]:
        match kind:
            case "kill":
                self._process(victim).kill()
                yield
                self._start(victim)
            case "restart":
                yield
                with self._turn:
                    self._process(victim).stop()
                self._start(victim)
            case "stop":
                pids = family(self._process(victim))
                _signal_all(pids, signal.SIGSTOP)
                yield
                _signal_all(pids, signal.SIGCONT)
            case "crash" | "forget":
                self._tell(victim, f"/{kind}", {})
                yield
            case "loss":
                self._tell(victim, "/behaviour", {"loss": LOSS})
                yield
                self._tell(victim, "/behaviour", {"loss": 0.0})
            case "redirect":
                self._tell(victim, "/behaviour", {"redirect_to": NOBODY_THERE})
                yield
                self._tell(victim, "/behaviour", {"redirect_to": None})
            case "rearm":
                yield from self._behaving(victim, default=False, rearms_on_put=True)
            case "keep-plans":
                yield from self._behaving(victim, default=False, keeps_preconfigured=True)
            case "odd-report":
                yield from self._behaving(victim, odd_report=self.rng.choice(sorted(ODD_REPORTS)))
            case "refuse-polls":
                yield from self._behaving(victim, poll_code=self.rng.choice(POLLS_REFUSED_WITH))
            case "ignore-mid":
                yield from self._behaving(victim, ignored_mid=self._next_mid(victim))
            case "refuse-writes":
                self._let_write(victim, may_write=False)
                yield
                self._let_write(victim, may_write=True)
            case "clock":
                setting = _clock_of(self.stack.directory, victim)
                setting.write_text(str(self.rng.choice(JUMPS_S)))
                yield
                setting.write_text("0")
            case _:
                raise RuntimeError(f"no such fault: {kind}")

    def _behaving(
        self, provider: str, *, default: object = None, **behaviour: object
    ) -> Iterator[None]:
        self._tell(provider, "/behaviour", behaviour)
        yield
        self._tell(provider, "/behaviour", dict.fromkeys(behaviour, default))

    def _next_mid(self, provider: str) -> int:
        """The mid above the highest that the provider holds, usually that of the next request."""
        state = _patiently(lambda: control(self.stack, provider, "/state"))
        return 1 + max((held["mid"] for held in state["mitigations"]), default=0)

    def _process(self, name: str) -> Process:
        return self.postgres.process if name == "postgres" else self.stack[name]

    def _start(self, name: str) -> None:
        """Also starts what another fault of this run has started, stopped or killed in the
        meantime.
        """
        process = self._process(name)
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            with self._turn:
                if not process.is_running:
                    self.starter.submit(process.start).result()
            try:
                process.wait_until_ready()
            except ProcessFailed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
            else:
                return

    def _let_write(self, server: str, *, may_write: bool) -> None:
        """Redis answers READONLY and PostgreSQL 25006 until the fault ends; either may be down
        because of another fault.
        """
        _patiently(
            lambda: (
                write_to_postgres(self.postgres, may_write=may_write)
                if server == "postgres"
                else write_to_redis(self.stack, may_write=may_write)
            )
        )

    def _tell(self, provider: str, path: str, body: object) -> None:
        """The provider itself may be down because of another fault; when it is back it behaves
        normally.
        """
        _patiently(lambda: control(self.stack, provider, path, body))


def write_to_redis(stack: Stack, *, may_write: bool) -> None:
    master = ("NO", "ONE") if may_write else (LOOPBACK, NOBODY_LISTENS)
    with redis_client(stack) as server:
        server.execute_command("REPLICAOF", *master)


def write_to_postgres(server: Postgres, *, may_write: bool) -> None:
    setting = "off" if may_write else "on"
    with psycopg.connect(server.url(), autocommit=True, connect_timeout=3) as connection:
        connection.execute(
            sql.SQL("ALTER SYSTEM SET default_transaction_read_only = {}").format(setting)
        )
        connection.execute("SELECT pg_reload_conf()")


def _patiently(call: Callable[[], T]) -> T:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            return call()
        except (httpx.HTTPError, psycopg.Error, RedisError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def family(process: Process) -> list[int]:
    """The process and its children, which for PostgreSQL are in other groups."""
    pids = [process.pid]
    for folder in Path("/proc").iterdir():
        with suppress(OSError, IndexError, ValueError):
            if int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1]) == pids[0]:
                pids.append(int(folder.name))
    return pids


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
