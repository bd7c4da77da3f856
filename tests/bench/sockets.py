"""The cost of open pages while nothing happens: the web process with and without idle event
sockets.

Every process is real. The statements and Redis commands are those of all processes together, so
what the sockets add is the difference of the two columns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
import redis
from websockets.asyncio.client import ClientConnection, connect

from local_stack.cast import PROVIDERS, Cast, Organization, Resource, User
from local_stack.simulators import Simulator
from local_stack.stack import Stack
from tests.bench.report import machine, say, table
from tests.integration.faults.injection import family
from tests.integration.stack import Api, Databases

ORGANIZATIONS: Final = 5
SETTLED_AFTER_S: Final = 15.0
TICKS: Final = os.sysconf("SC_CLK_TCK")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench sockets", description=__doc__)
    parser.add_argument("--sockets", type=int, default=50, help="at most 100 (50)")
    parser.add_argument("--watch", type=float, default=30.0, help="seconds of each (30)")
    options = parser.parse_args(arguments)
    say(machine())
    say()
    databases = Databases("")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="portal-bench-") as directory,
            Stack(
                Path(directory),
                database_url=databases.make("portal_sockets"),
                simulators=[Simulator.on_free_ports(PROVIDERS[0])],
                cast=_cast(),
            ) as stack,
        ):
            asyncio.run(_measure(stack, options.sockets, options.watch))
    finally:
        databases.close()


def _cast() -> Cast:
    names = [f"org{number}" for number in range(ORGANIZATIONS)]
    return Cast(
        organizations=tuple(
            Organization(
                name,
                name.capitalize(),
                (Resource("Network", "prefix", f"2001:db8:{number:x}::/48"),),
            )
            for number, name in enumerate(names)
        ),
        users=tuple(User(f"person-{name}", "admin", name) for name in names),
    )


@dataclass(frozen=True)
class _Counts:
    cpu_s: float
    transactions: int
    redis_commands: int


async def _measure(stack: Stack, count: int, watch_s: float) -> None:
    people = [Api(stack, f"person-org{number}") for number in range(ORGANIZATIONS)]
    await asyncio.sleep(SETTLED_AFTER_S)
    without = await _watch(stack, watch_s)
    async with AsyncExitStack() as opened:
        readers = []
        for number in range(count):
            socket = await opened.enter_async_context(_open(stack, people[number % len(people)]))
            readers.append(asyncio.create_task(_read(socket)))
        await asyncio.sleep(SETTLED_AFTER_S)
        with_sockets = await _watch(stack, watch_s)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    for person in people:
        person.close()
    a_minute = 60 / watch_s
    table(
        ("what", "no socket", f"{count} idle sockets"),
        [
            ("CPU of web, share of one core", *_shares((without, with_sockets), watch_s)),
            *(
                (f"{name} a minute", f"{a * a_minute:.0f}", f"{b * a_minute:.0f}")
                for name, a, b in (
                    ("transactions", without.transactions, with_sockets.transactions),
                    ("Redis commands", without.redis_commands, with_sockets.redis_commands),
                )
            ),
        ],
    )


def _shares(counts: Sequence[_Counts], watch_s: float) -> list[str]:
    return [f"{100 * one.cpu_s / watch_s:.2f} %" for one in counts]


def _open(stack: Stack, person: Api) -> connect:
    slug = person.username.removeprefix("person-")
    url = stack.url.replace("http", "ws") + f"/ws/organizations/{slug}/events?after=0"
    return connect(url, additional_headers={"Authorization": f"Bearer {person.token}"})


async def _read(socket: ClientConnection) -> None:
    async for _ in socket:
        pass


async def _watch(stack: Stack, watch_s: float) -> _Counts:
    before = await asyncio.to_thread(_counts, stack)
    await asyncio.sleep(watch_s)
    after = await asyncio.to_thread(_counts, stack)
    return _Counts(
        after.cpu_s - before.cpu_s,
        after.transactions - before.transactions,
        after.redis_commands - before.redis_commands,
    )


def _counts(stack: Stack) -> _Counts:
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert found is not None
    with redis.Redis.from_url(stack.redis_url) as client:
        commands = client.info("stats")["total_commands_processed"]
    return _Counts(sum(map(_cpu_s, family(stack["web"]))), found[0], commands)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
