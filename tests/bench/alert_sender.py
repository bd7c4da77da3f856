"""Detectors that send alerts at a fixed rate over connections that stay open.

A separate program, so that the person's calls are timed by a process that does nothing else:
`python -m tests.bench.alert_sender`, with a `Storm` as JSON on standard input, writes a `Tally` as
JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final
from urllib.parse import urlsplit

MAX_CONNECTIONS: Final = 200
MAX_ALERTS: Final = 600_000
"""of one storm"""
ATTACKS: Final = 250
"""Different targets of one endpoint, in turn: a detector repeats what it sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """What to send, and where to."""

    url: str
    endpoints: Sequence[tuple[str, str]]
    "id and secret"
    network: str
    "whose addresses are the targets, such as 2001:db8:0:"
    per_s: float
    "alerts a second, of all endpoints together"
    seconds: float
    records: int
    "in one call"
    connections: int

    @property
    def calls(self) -> int:
        return round(self.per_s * self.seconds / self.records)


@dataclass(slots=True)
class Tally:
    """What became of it."""

    seconds: float = 0.0
    "until the last answer"
    answers: list[float] = field(default_factory=list)
    "seconds from the first byte of each call that was answered 202 to its answer"
    late: list[float] = field(default_factory=list)
    "seconds by which a call began later than planned, because all connections waited"
    statuses: dict[str, int] = field(default_factory=dict)
    "calls, by status or error"
    accepted: int = 0
    over_limit: int = 0

    def count(self, status: str) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1


async def send(storm: Storm) -> Tally:
    """All calls, each at its time, or as soon as a connection is free."""
    tally, numbers = Tally(), iter(range(storm.calls))
    began = time.monotonic()
    count = min(storm.connections, MAX_CONNECTIONS)
    await asyncio.gather(*(_connection(storm, numbers, began, tally) for _ in range(count)))
    tally.seconds = time.monotonic() - began
    return tally


async def _connection(storm: Storm, numbers: Iterator[int], began: float, tally: Tally) -> None:
    address = urlsplit(storm.url)
    for number in numbers:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            for one in itertools.chain([number], numbers):
                due = began + one * storm.records / storm.per_s
                await asyncio.sleep(due - time.monotonic())
                tally.late.append(max(0.0, time.monotonic() - due))
                await _call(reader, writer, _request(storm, one), tally)
        except (OSError, EOFError) as error:
            tally.count(type(error).__name__)
        finally:
            writer.close()


async def _call(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, tally: Tally
) -> None:
    sent_at = time.perf_counter()
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    body = await reader.readexactly(length)
    status = head.split(b" ", 2)[1].decode()
    tally.count(status)
    if status == "202":
        tally.answers.append(time.perf_counter() - sent_at)
        receipt = json.loads(body)
        tally.accepted += receipt["accepted"]
        tally.over_limit += receipt["over_limit"]


def _request(storm: Storm, number: int) -> bytes:
    endpoint, secret = storm.endpoints[number % len(storm.endpoints)]
    first = number * storm.records
    records = [_alert(storm.network, one) for one in range(first, first + storm.records)]
    body = json.dumps(records if storm.records > 1 else records[0]).encode()
    return (
        f"POST /api/v1/alerts/{endpoint} HTTP/1.1\r\n"
        f"Host: {urlsplit(storm.url).netloc}\r\n"
        f"Authorization: Bearer {secret}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _alert(network: str, number: int) -> dict[str, object]:
    """Its amounts differ each time, so that every alert says something new."""
    attack = number % ATTACKS
    return {
        "id": f"attack-{attack}",
        "state": "start" if number < ATTACKS else "update",
        "targets": [f"{network}:a:{attack:x}/128"],
        "vector": "udp flood",
        "severity": 4,
        "bps": 1_000_000_000 + number,
        "pps": 1_000_000 + number,
    }


def main() -> None:
    storm = Storm(**json.load(sys.stdin))
    if storm.per_s * storm.seconds > MAX_ALERTS:
        raise SystemExit(f"at most {MAX_ALERTS:,} alerts in one storm")
    json.dump(asdict(asyncio.run(send(storm))), sys.stdout)


if __name__ == "__main__":
    main()
