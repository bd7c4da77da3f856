"""The latency from a person's request to the wire and back, when nothing else happens.

The same run also measures the same PUT with only `dots_client` around it.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from typing import Final

import dots_client
from tests.bench.callers import CONFIRMED, PAUSE_S, Arrivals, Callers, report
from tests.bench.installation import Installation, installation, parser
from tests.bench.provider import BenchProvider, bench_provider, scope
from tests.bench.report import QUANTILES, header, quantiles, say, table

WARM_UP: Final = 10
WITHIN_S: Final = 30.0
TURNS: Final = 8
WORDS: Final = {2: "mitigating", 3: "attack_stopped"}


def main(arguments: Sequence[str]) -> None:
    options = parser("portal", __doc__)
    options.add_argument("--samples", type=int, default=200, help="of each way (default 200)")
    options.add_argument("--rest-s", type=float, default=10.0, help="for the idle share")
    chosen = options.parse_args(arguments)
    header()
    with installation(chosen, organizations=1) as running, bench_provider() as alone:
        asyncio.run(_measure(running, alone, chosen))


async def _measure(
    running: Installation, alone: BenchProvider, options: argparse.Namespace
) -> None:
    (slug,) = running.slugs
    async with Callers(running, [slug]) as callers:
        bare = await _bare_puts(alone, options.samples)
        arrivals = Arrivals(running)
        await _post_to_put(callers, arrivals, slug, WARM_UP)
        idle_from = running.servers.now()
        await running.meter.rest(options.rest_s)
        idle = running.servers.since(idle_from)
        before, counted_from = running.meter.sample(), running.servers.now()
        to_put = await _post_to_put(callers, arrivals, slug, options.samples)
        span, counts = running.meter.since(before), running.servers.since(counted_from)
        to_frame = await _notification_to_frame(running, callers, slug, options.samples)
    table(
        QUANTILES,
        [
            quantiles("the PUT with only dots_client, there and back", bare),
            quantiles("POST to the PUT's arrival at the provider", to_put),
            quantiles("notification to the socket", to_frame),
        ],
    )
    say()
    span.say("request and its end", len(to_put))
    say()
    counts.each(max(len(to_put), 1), idle=idle).say("request and its end")


async def _post_to_put(
    callers: Callers, arrivals: Arrivals, slug: str, samples: int
) -> list[float]:
    """From just before the POST until the provider read the PUT's datagram, by one clock."""
    found = []
    for _ in range(samples):
        request = await callers.submit(slug)
        assert request is not None, f"refused: {dict(callers.refused)}"
        await callers.frame(request.mitigation, CONFIRMED, WITHIN_S)
        found += await arrivals.of([request], within_s=WITHIN_S)
        await callers.terminate(request)
        await asyncio.sleep(PAUSE_S)
    return found


async def _notification_to_frame(
    running: Installation, callers: Callers, slug: str, samples: int
) -> list[float]:
    """From when the provider sent the notification until a socket received its event. Mitigations
    take turns, since the portal saves a status of each once a second.
    """
    requests = []
    for _ in range(TURNS):
        request = await callers.submit(slug)
        assert request is not None, f"refused: {dict(callers.refused)}"
        await callers.frame(request.mitigation, CONFIRMED, WITHIN_S)
        requests.append(request)
    found = []
    for number in range(samples):
        request, status = requests[number % TURNS], 2 + number // TURNS % 2
        callers.frames.pop((request.mitigation, WORDS[status]), None)
        sent_at = await report(running, request, status)
        frame = await callers.frame(request.mitigation, [WORDS[status]], WITHIN_S)
        found.append(frame.received_at - sent_at)
        await asyncio.sleep(PAUSE_S)
    for request in requests:
        await callers.terminate(request)
    return found


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
            await asyncio.sleep(PAUSE_S / 10)
    return times[WARM_UP:]
