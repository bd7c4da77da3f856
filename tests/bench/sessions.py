"""The cost of many live sessions in one process, and how they reconnect after a restart of the
provider.

The provider is a simulator in its own process; every session has a socket, a context and
heartbeats.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import resource
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import psutil

from dots_client import Client, ClientSettings, DotsError, Reconnect, connect
from tests.bench.provider import BenchProvider, bench_provider
from tests.bench.report import machine, percentile, say, table

HEARTBEAT_INTERVAL_S: Final = 30.0
SETTLED_AFTER_S: Final = 5.0
DESCRIPTORS_EACH: Final = 4
"""Overlapping handshake attempts have a socket each."""
GIVEN_UP_AFTER_S: Final = 200.0
KIB: Final = 1024

Row = tuple[str, str]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench sessions", description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000, help="at most 1024 (1000)")
    parser.add_argument(
        "--watch", type=float, default=90.0, help="seconds of peacetime to measure (90)"
    )
    parser.add_argument("--at-once", type=int, default=20, help="handshakes at first (20)")
    options = parser.parse_args(arguments)
    _allow_descriptors(DESCRIPTORS_EACH * options.sessions)
    say(machine())
    say()
    with bench_provider() as provider:
        table(("what", "measured"), asyncio.run(_measure(provider, options)))


def _allow_descriptors(wanted: int) -> None:
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(allowed, min(wanted, most)), most))


def share_in_peace(sessions: int, *, watch_s: float, at_once: int = 20) -> float:
    """The share of a core that so many idle sessions of this process use."""
    _allow_descriptors(DESCRIPTORS_EACH * sessions)
    with bench_provider() as provider:
        return asyncio.run(_share_alone(provider, sessions, watch_s, at_once))


async def _share_alone(
    provider: BenchProvider, sessions: int, watch_s: float, at_once: int
) -> float:
    fleet = Fleet(provider, at_once=at_once)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fleet.keep_one(number)) for number in range(sessions)]
        await _until_all_are_up(fleet, sessions)
        await asyncio.sleep(SETTLED_AFTER_S)
        share = await _share(fleet, sessions, watch_s)
        for task in tasks:
            task.cancel()
    return share


class Fleet:
    """Sessions that reconnect on their own, as the portal's do."""

    def __init__(self, provider: BenchProvider, *, at_once: int) -> None:
        self.provider = provider
        self.is_under_attack = False
        self.clients: set[Client] = set()
        self.opened_at: list[float] = []
        self.attempted_at: list[float] = []
        self.has_changed = asyncio.Event()
        self._free = asyncio.Semaphore(at_once)
        self._loop = asyncio.get_running_loop()

    async def keep_one(self, number: int) -> None:
        reconnect = Reconnect(rng=random.Random(number))
        is_first = True
        while True:
            due_at = reconnect.next_attempt_at(
                now=self._loop.time(), is_under_attack=self.is_under_attack
            )
            await asyncio.sleep(max(0.0, due_at - self._loop.time()))
            if is_first:
                await self._free.acquire()
            try:
                await self._hold(reconnect, on_open=self._free.release if is_first else _nothing)
            except DotsError:
                if is_first:
                    raise
            is_first = False

    async def _hold(self, reconnect: Reconnect, *, on_open: Callable[[], None]) -> None:
        reconnect.attempted(now=self._loop.time())
        self.attempted_at.append(self._loop.time())
        async with connect(
            self.provider.server(),
            self.provider.credentials,
            cuid=self.provider.cuid,
            settings=ClientSettings(heartbeat_interval_s=HEARTBEAT_INTERVAL_S),
            is_under_attack=self.is_under_attack,
        ) as client:
            reconnect.succeeded(now=self._loop.time())
            on_open()
            self.opened_at.append(self._loop.time())
            self.clients.add(client)
            self.has_changed.set()
            try:
                await client.closed()
            finally:
                self.clients.discard(client)


def _nothing() -> None:
    """Only the first handshakes take turns."""


async def _measure(provider: BenchProvider, options: argparse.Namespace) -> list[Row]:
    loop = asyncio.get_running_loop()
    fleet = Fleet(provider, at_once=options.at_once)
    rss_before = _rss()
    began_at = loop.time()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fleet.keep_one(number)) for number in range(options.sessions)]
        await _until_all_are_up(fleet, options.sessions)
        opening_s = max(fleet.opened_at) - began_at
        await asyncio.sleep(SETTLED_AFTER_S)
        rss = _rss() - rss_before
        rows = [
            ("live sessions", str(options.sessions)),
            (
                f"handshakes, {options.at_once} at the same time",
                f"{options.sessions / opening_s:.0f} a second",
            ),
            ("memory of one session", f"{rss / options.sessions / KIB:.0f} KiB"),
            await _peace(fleet, options),
            *await _restart(fleet, options.sessions, "in peacetime"),
        ]
        fleet.is_under_attack = True
        rows += await _restart(fleet, options.sessions, "under attack")
        for task in tasks:
            task.cancel()
    return rows


async def _peace(fleet: Fleet, options: argparse.Namespace) -> Row:
    share = await _share(fleet, options.sessions, options.watch)
    return (
        (
            f"CPU in {options.watch:g} s of peacetime, heartbeats every {HEARTBEAT_INTERVAL_S:g} s "
            f"both ways"
        ),
        f"{100 * share:.1f} % of one core",
    )


async def _share(fleet: Fleet, sessions: int, watch_s: float) -> float:
    process = psutil.Process()
    cpu_s = -sum(process.cpu_times()[:2])
    await asyncio.sleep(watch_s)
    cpu_s += sum(process.cpu_times()[:2])
    assert len(fleet.clients) == sessions
    return float(cpu_s / watch_s)


async def _restart(fleet: Fleet, sessions: int, when: str) -> list[Row]:
    """The provider closes all sessions and accepts new ones as soon as it has restarted."""
    loop = asyncio.get_running_loop()
    stopped_at = loop.time()
    await asyncio.to_thread(fleet.provider.process.stop)
    fleet.opened_at.clear()
    fleet.attempted_at.clear()
    fleet.provider.process.start()
    await asyncio.to_thread(fleet.provider.process.wait_until_ready)
    ready_at = loop.time()
    await _until_all_are_up(fleet, sessions)
    back = [at - ready_at for at in sorted(fleet.opened_at)]
    attempts = [at - ready_at for at in fleet.attempted_at]
    return [
        (f"restart {when}: the provider was away for", f"{ready_at - stopped_at:.1f} s"),
        (
            f"restart {when}: half, 99 %, all are back after",
            f"{percentile(back, 0.5):.1f} s, {percentile(back, 0.99):.1f} s, {back[-1]:.1f} s",
        ),
        (
            f"restart {when}: attempts in the busiest second",
            f"{_busiest_second(attempts)} of {len(attempts)}",
        ),
    ]


async def _until_all_are_up(fleet: Fleet, sessions: int) -> None:
    async with asyncio.timeout(GIVEN_UP_AFTER_S):
        while len(fleet.clients) < sessions:
            fleet.has_changed.clear()
            await fleet.has_changed.wait()


def _busiest_second(times: Iterable[float]) -> int:
    return max(Counter(int(time // 1) for time in times).values(), default=0)


def _rss() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)
