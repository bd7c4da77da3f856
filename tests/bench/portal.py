"""The latency from a person's request to the wire and back.

Every process is real: PostgreSQL, Redis, web, signal worker, default worker, two simulated
providers on loopback. The same run also measures the same PUT with only `dots_client` around it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

import dots_client
from local_stack.cast import PROVIDERS
from local_stack.stack import Stack
from tests.bench.provider import BenchProvider, bench_provider, scope
from tests.bench.report import machine, say, times_of
from tests.integration.stack import Api, Databases, control, wait_for

REQUESTS = "organizations/acme/mitigation-requests"
LAST = 2**53
"""Above every number: lists no requests, only their count."""
WARM_UP = 10
NOTIFIED_WITHIN_S = 10.0


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench portal", description=__doc__)
    parser.add_argument("--samples", type=int, default=200, help="of each way (default 200)")
    parser.add_argument("--sqlite", action="store_true", help="on SQLite instead of PostgreSQL")
    options = parser.parse_args(arguments)
    say(machine())
    databases = Databases(os.environ.get("DATABASE_URL", ""))
    try:
        url = None if options.sqlite else databases.make("portal_bench")
        with (
            tempfile.TemporaryDirectory(prefix="portal-bench-") as directory,
            Stack(Path(directory), database_url=url) as stack,
        ):
            _measure(stack, options.samples)
    finally:
        databases.close()


def _measure(stack: Stack, samples: int) -> None:
    for provider in PROVIDERS:
        calm = {"accept": "always", "status_delay_s": 0.1, "attack_ends_after_s": None}
        control(stack, provider.key, "/behaviour", calm)
    alice = Api(stack, "alice")
    with bench_provider() as alone:
        bare = asyncio.run(_bare_puts(alone, samples))
    times_of("bare dots_client PUT, round trip", bare)
    times_of("HTTP POST to the PUT's arrival", _post_to_put(stack, alice, samples))
    times_of("notification to the WebSocket frame", _notification_to_frame(stack, alice, samples))
    alice.close()


def _post_to_put(stack: Stack, alice: Api, samples: int) -> Iterator[float]:
    """From just before the POST until the provider read the PUT's datagram, by one clock."""
    for number in range(WARM_UP + samples):
        prefix = f"{IPv6Address('2001:db8:10::1') + number}/128"
        seen = control(stack, "northgate", f"/requests?after={LAST}")["last"]
        posted_at = time.time()
        request = alice.post(REQUESTS, {"targets": {"prefixes": [prefix]}})
        mid = request["mitigations"][0]["mid"]
        arrived_at = wait_for(partial(_arrival, stack, mid, seen))
        alice.post(f"{REQUESTS}/{request['id']}/terminate")
        if number >= WARM_UP:
            yield arrived_at - posted_at


def _arrival(stack: Stack, mid: int, seen: int) -> float:
    """When the first PUT of that mid arrived, in seconds since 1970; 0 if none did."""
    requests = control(stack, "northgate", f"/requests?after={seen}")["requests"]
    arrivals = [
        one["at"]
        for one in requests
        if (one["client"], one["method"], one["mid"]) == ("acme", "PUT", mid)
    ]
    return min(arrivals, default=0.0)


def _notification_to_frame(stack: Stack, alice: Api, samples: int) -> Iterator[float]:
    """From when the provider sent the notification until a page's socket received the event."""
    control(stack, "northgate", "/behaviour", {"status_delay_s": 3600})
    request = alice.post(REQUESTS, {"targets": {"prefixes": ["203.0.113.9/32"]}})
    path = wait_for(lambda: _own_path(stack, request["mitigations"][0]["mid"]))
    after = alice.get("organizations/acme/events", after=0, limit=1000)["results"][-1]["seq"]
    url = stack.url.replace("http", "ws") + f"/ws/organizations/acme/events?after={after}"
    words = {2: "mitigating", 3: "attack_stopped"}
    with connect(url, additional_headers={"Authorization": f"Bearer {alice.token}"}) as socket:
        for number in range(WARM_UP + samples):
            status = 2 + number % 2
            answer = control(stack, "northgate", f"{path}/status", {"status": status})
            framed_at = _frame(socket, words[status])
            if number >= WARM_UP:
                yield framed_at - answer["at"]
    alice.post(f"{REQUESTS}/{request['id']}/terminate")


def _own_path(stack: Stack, mid: int) -> str:
    for one in control(stack, "northgate", "/state")["mitigations"]:
        if one["mid"] == mid:
            return f"/mitigations/{one['cuid']}/{mid}"
    return ""


def _frame(socket: ClientConnection, status: str) -> float:
    while True:
        event: dict[str, Any] = json.loads(socket.recv(timeout=NOTIFIED_WITHIN_S))
        received_at = time.time()
        if event["type"] == "mitigation.status" and event["data"]["status"] == status:
            return received_at


async def _bare_puts(provider: BenchProvider, samples: int) -> list[float]:
    """One session with a private provider."""
    times = []
    async with dots_client.connect(
        provider.server(), provider.credentials, cuid=provider.cuid
    ) as client:
        for mid in range(1, WARM_UP + samples + 1):
            began = time.perf_counter()
            await client.request(mid, scope(mid))
            times.append(time.perf_counter() - began)
            await client.withdraw(mid)
    return times[WARM_UP:]
