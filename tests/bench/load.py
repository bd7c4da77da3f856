"""A hundred organizations under attack at the same time, and the cost of a thousand held
mitigations.

Every process is real: PostgreSQL, Redis, web, two signal workers, default worker, beat, a simulated
provider. The callers run beside them on the same cores. Each organization has its own person, so
the portal's rate limits apply as usual.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
from websockets.asyncio.client import connect

from local_stack.cast import PROVIDERS, Cast, Organization, Resource, User
from local_stack.processes import Process
from local_stack.simulators import Simulator
from local_stack.stack import Stack
from tests.bench.report import machine, percentile, say, table
from tests.integration.faults.injection import family
from tests.integration.stack import Api, Databases, control, wait_for

ALL_UP_WITHIN_S: Final = 120.0
ALL_ON_THE_WIRE_WITHIN_S: Final = 120.0
PATIENCE_S: Final = 180.0
"""How long a caller or an opening socket waits."""
FRAMES_WITHIN_S: Final = 120.0
SAMPLE_EVERY_S: Final = 15.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
CALM: Final = {"accept": "always", "attack_ends_after_s": None, "notify_interval_s": 10.0}
SHARES: Final = (0.5, 0.95, 0.99)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench load", description=__doc__)
    parser.add_argument("--organizations", type=int, default=100)
    parser.add_argument("--requests", type=int, default=10, help="of each organization")
    parser.add_argument("--within-s", type=float, default=10.0, help="all are submitted")
    parser.add_argument("--hold-s", type=float, default=60.0, help="with status updates every 10 s")
    parser.add_argument("--directory", type=Path, help="keep the logs there")
    options = parser.parse_args(arguments)
    say(machine())
    databases = Databases("")
    try:
        with tempfile.TemporaryDirectory(prefix="portal-bench-") as made:
            stack = Stack(
                options.directory or Path(made),
                database_url=databases.make("portal_load"),
                simulators=[Simulator.on_free_ports(PROVIDERS[0])],
                cast=_cast(options.organizations),
                signal_workers=2,
            )
            with stack:
                assert databases.own is not None
                bench = Load(stack, databases.own.process, options)
                asyncio.run(bench.run())
    finally:
        databases.close()


def _cast(count: int) -> Cast:
    names = [f"org{number}" for number in range(count)]
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


@dataclass
class _Usage:
    cpu_s: float
    rss_bytes: int


@dataclass
class Load:
    stack: Stack
    postgres: Process
    options: argparse.Namespace
    frames: dict[tuple[str, str], float] = field(default_factory=dict)
    "when a socket received the event, by mitigation and status"
    events: int = 0
    answered_after: list[float] = field(default_factory=list)

    async def run(self) -> None:
        options, total = self.options, self.options.organizations * self.options.requests
        wait_for(lambda: self._sessions() >= options.organizations, within_s=ALL_UP_WITHIN_S)
        control(self.stack, "northgate", "/behaviour", CALM | {"status_delay_s": 36000})
        people = [Api(self.stack, f"person-org{number}") for number in range(options.organizations)]
        sockets = [asyncio.create_task(self._listen(person)) for person in people]
        before, began = self._usage(), time.monotonic()
        posted = await self._submit_all(people)
        arrived = await self._arrivals(posted)
        to_wire = [arrived.get(key, float("inf")) - at for key, (at, _) in posted.items()]
        busy_s = time.monotonic() - began
        after = self._usage()
        say(f"{len(posted)} of {total} requests answered 202; on the wire {len(arrived)}")
        self._say_times("HTTP POST to its answer", self.answered_after)
        self._say_times("HTTP POST to the PUT's arrival", to_wire)
        self._say_cpu(before, after, busy_s)
        to_frame = await self._notify_all(posted)
        self._say_times("notification to the WebSocket frame", to_frame)
        control(self.stack, "northgate", "/behaviour", {"status_delay_s": 0.1})
        await self._hold(total)
        for socket in sockets:
            socket.cancel()
        await asyncio.gather(*sockets, return_exceptions=True)
        for person in people:
            person.close()

    # A burst

    async def _submit_all(self, people: list[Api]) -> dict[tuple[str, int], tuple[float, str]]:
        """When each POST started, and the mitigation's id, by client and mid."""
        total = len(people) * self.options.requests
        refused: list[str] = []
        posted: dict[tuple[str, int], tuple[float, str]] = {}
        began = time.monotonic()
        # One each: a pool with a thousand waiting calls is slower than the portal.
        client_of = {
            person.username: httpx.AsyncClient(
                base_url=f"{self.stack.url}/api/v1/", timeout=PATIENCE_S
            )
            for person in people
        }

        async def submit(number: int) -> None:
            due = began + number * self.options.within_s / total
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            person, which = people[number % len(people)], number // len(people)
            slug = person.username.removeprefix("person-")
            prefix = f"2001:db8:{int(slug[3:]):x}::{which + 1:x}/128"
            at = time.time()
            try:
                answer = await client_of[person.username].post(
                    f"organizations/{slug}/mitigation-requests",
                    json={"targets": {"prefixes": [prefix]}, "lifetime": 3600},
                    headers={
                        "Authorization": f"Bearer {person.token}",
                        "Idempotency-Key": f"load {number}",
                    },
                )
            except httpx.TransportError as error:
                refused.append(type(error).__name__)
                return
            if not answer.is_success:
                refused.append(str(answer.status_code))
                return
            self.answered_after.append(time.time() - at)
            (mitigation,) = answer.json()["mitigations"]
            posted[slug, mitigation["mid"]] = at, mitigation["id"]

        await asyncio.gather(*map(submit, range(total)))
        for client in client_of.values():
            await client.aclose()
        if refused:
            say(f"refused: {dict(Counter(refused))}")
        return posted

    async def _arrivals(
        self, posted: dict[tuple[str, int], tuple[float, str]]
    ) -> dict[tuple[str, int], float]:
        deadline = time.monotonic() + ALL_ON_THE_WIRE_WITHIN_S
        arrived: dict[tuple[str, int], float] = {}
        seen = 0
        while len(arrived) < len(posted) and time.monotonic() < deadline:
            log = control(self.stack, "northgate", f"/requests?after={seen}")
            seen = log["last"]
            for one in log["requests"]:
                key = one["client"], one["mid"]
                if one["method"] == "PUT" and key in posted:
                    arrived.setdefault(key, one["at"])
            await asyncio.sleep(1)
        return arrived

    async def _notify_all(self, posted: dict[tuple[str, int], tuple[float, str]]) -> list[float]:
        """The provider reports "mitigating" for each, one after the other, over the same time as
        their submission.
        """
        state = control(self.stack, "northgate", "/state")["mitigations"]
        sent: dict[str, float] = {}
        async with httpx.AsyncClient(base_url=self.stack.simulators[0].control_url) as client:
            for one in state:
                path = f"/mitigations/{one['cuid']}/{one['mid']}/status"
                answer = await client.post(path, json={"status": 2})
                key = one["client"], one["mid"]
                if key in posted:
                    sent[posted[key][1]] = answer.json()["at"]
                await asyncio.sleep(self.options.within_s / len(state))
        deadline = time.monotonic() + FRAMES_WITHIN_S
        while time.monotonic() < deadline:
            if all((mitigation, "mitigating") in self.frames for mitigation in sent):
                break
            await asyncio.sleep(0.2)
        never = float("inf")
        return [
            self.frames.get((mitigation, "mitigating"), never) - at
            for mitigation, at in sent.items()
        ]

    async def _listen(self, person: Api) -> None:
        slug = person.username.removeprefix("person-")
        url = self.stack.url.replace("http", "ws") + f"/ws/organizations/{slug}/events?after=0"
        headers = {"Authorization": f"Bearer {person.token}"}
        async with connect(
            url, additional_headers=headers, max_queue=None, open_timeout=PATIENCE_S
        ) as socket:
            async for message in socket:
                event: dict[str, Any] = json.loads(message)
                self.events += event["type"] != "heartbeat"
                if event["type"] == "mitigation.status":
                    key = event["mitigation"], event["data"]["status"]
                    self.frames.setdefault(key, time.time())

    # Holding

    async def _hold(self, total: int) -> None:
        began, before = time.monotonic(), self._usage()
        sizes = [(0.0, self._database_bytes(), before)]
        while (passed := time.monotonic() - began) < self.options.hold_s:
            await asyncio.sleep(min(SAMPLE_EVERY_S, self.options.hold_s - passed))
            sizes.append((time.monotonic() - began, self._database_bytes(), self._usage()))
        live = [
            one
            for one in control(self.stack, "northgate", "/state")["mitigations"]
            if one["status"] == 2
        ]
        shown = self._shown_mitigating()
        middle, last = sizes[len(sizes) // 2], sizes[-1]
        say()
        say(f"held {last[0]:.0f} s: {len(live)} of {total} live, {shown} shown as such")
        self._say_cpu(before, last[2], last[0])
        table(
            ("", "at the beginning", "half-way", "at the end"),
            [
                (
                    f"memory of {name}",
                    *(_mib(one[2][name].rss_bytes) for one in (sizes[0], middle, last)),
                )
                for name in before
            ]
            + [("the database", *(_mib(one[1]) for one in (sizes[0], middle, last)))],
        )
        self._say_tables()

    def _shown_mitigating(self) -> int:
        return int(
            self._row("SELECT count(*) FROM mitigations_mitigation WHERE status = 'mitigating'")
        )

    def _database_bytes(self) -> int:
        return int(self._row("SELECT pg_database_size(current_database())"))

    def _row(self, query: str) -> Any:
        with psycopg.connect(self.stack.database_url) as connection:
            return (connection.execute(query).fetchone() or (0,))[0]

    def _say_tables(self) -> None:
        with psycopg.connect(self.stack.database_url) as connection:
            rows = connection.execute(
                "SELECT relname, n_live_tup, n_tup_ins, n_tup_upd, pg_total_relation_size(relid)"
                " FROM pg_stat_user_tables ORDER BY 5 DESC LIMIT 6"
            ).fetchall()
        table(
            ("table", "rows", "inserted", "updated", "size"),
            [(name, *map(str, numbers), _mib(size)) for name, *numbers, size in rows],
        )

    # What it costs

    def _processes(self) -> dict[str, Process]:
        named = {one.program.name: one for one in self.stack.processes}
        return named | {"postgres": self.postgres}

    def _usage(self) -> dict[str, _Usage]:
        return {name: _usage_of(family(process)) for name, process in self._processes().items()} | {
            "the bench": _usage_of([os.getpid()])
        }

    def _say_cpu(
        self, before: dict[str, _Usage], after: dict[str, _Usage], passed_s: float
    ) -> None:
        table(
            ("process", f"CPU in {passed_s:.0f} s", "share of one core", "memory"),
            [
                (
                    name,
                    f"{usage.cpu_s - before[name].cpu_s:.1f} s",
                    f"{100 * (usage.cpu_s - before[name].cpu_s) / passed_s:.0f} %",
                    _mib(usage.rss_bytes),
                )
                for name, usage in after.items()
            ],
        )

    def _say_times(self, what: str, seconds: list[float]) -> None:
        never = sum(one == float("inf") for one in seconds)
        words = "   ".join(
            f"{name} {1000 * percentile(seconds, share):.0f} ms"
            for name, share in zip(("median", "95th", "99th"), SHARES, strict=True)
        )
        say(f"{what:<40} {words}   of {len(seconds)}, never {never}")

    def _sessions(self) -> int:
        return len(control(self.stack, "northgate", "/state")["sessions"])


def _usage_of(pids: list[int]) -> _Usage:
    usage = _Usage(0.0, 0)
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            pages = Path(f"/proc/{pid}/statm").read_text().split()
        except FileNotFoundError:
            continue  # a PostgreSQL backend that has exited since
        usage.cpu_s += (int(fields[11]) + int(fields[12])) / TICKS
        # Without shared memory: all PostgreSQL backends map the same buffers.
        usage.rss_bytes += (int(pages[1]) - int(pages[2])) * PAGE
    return usage


def _mib(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"
