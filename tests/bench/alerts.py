"""The way from a person to the wire while detectors report a thousand alerts a second.

All detectors are of one organization. The person of another one submits, and the person of the same
one, in turn. A detector of the other organization sends one alert after the other, which shows how
soon alerts are mapped there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

import httpx

from local_stack.programs import ROOT
from tests.bench.alert_sender import Storm, Tally
from tests.bench.callers import CONFIRMED, PAUSE_S, Arrivals, Callers
from tests.bench.installation import Installation, measure_in_installation, parser
from tests.bench.report import NEVER, QUANTILES, in_seconds, quantiles, say, table

WARM_UP: Final = 5
WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 0.02
PROBE_EVERY_S: Final = 1.0
DRAINED_WITHIN_S: Final = 120.0
OLDEST: Final = (
    "SELECT extract(epoch FROM clock_timestamp() - min(received_at))::float8"
    " FROM alerts_alertpayload WHERE is_waiting"
)
MAPPED: Final = "SELECT count(*) FROM alerts_receivedalert WHERE endpoint_id = %s AND event_id = %s"
COUNTED: Final = "SELECT coalesce(sum(count), 0)::int FROM alerts_receivedalert"


@dataclass(frozen=True)
class Endpoint:
    id: str
    secret: str


@dataclass
class Seen:
    """What happened during the storm, in seconds."""

    to_wire: dict[str, list[float]] = field(default_factory=dict)
    "from each POST of a person to the provider, by organization"
    probes: list[float] = field(default_factory=list)
    "from the POST of an alert of the other organization until it was mapped"
    oldest: list[float] = field(default_factory=list)
    "how long the oldest payload had waited, at each look"


def main(arguments: Sequence[str]) -> None:
    options = parser("alerts", __doc__)
    options.add_argument("--per-s", type=float, default=1000.0, help="alerts a second")
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--records", type=int, default=10, help="alerts in one call")
    options.add_argument("--endpoints", type=int, default=10, help="of the one organization")
    options.add_argument("--connections", type=int, default=50, help="of its detectors")
    options.add_argument("--calm-samples", type=int, default=30, help="requests before the storm")
    options.add_argument("--rest-s", type=float, default=10.0, help="for the idle share")
    measure_in_installation(_measure, options.parse_args(arguments), organizations=2)


async def _measure(running: Installation, options: argparse.Namespace) -> None:
    stormy, other = running.slugs
    endpoints = [await _endpoint(running, stormy, f"E{one}") for one in range(options.endpoints)]
    probed = await _endpoint(running, other, "Probe")
    async with Callers(running, running.slugs) as callers:
        arrivals = Arrivals(running)
        for slug in running.slugs:
            await _requests(callers, arrivals, slug, WARM_UP)
        await running.meter.rest(options.rest_s)
        calm = await _requests(callers, arrivals, other, options.calm_samples)
        storm = Storm(
            url=running.stack.url,
            endpoints=[(one.id, one.secret) for one in endpoints],
            network="2001:db8:0:",
            per_s=options.per_s,
            seconds=options.seconds,
            records=options.records,
            connections=options.connections,
        )
        before, counted_from = running.meter.sample(), running.row(COUNTED)[0]
        tally, seen = await _beside(running, callers, arrivals, storm, probed)
        span = running.meter.since(before)
        drained_s = await _drained(running)
        until_mapped = running.meter.since(before)
    (mapped,) = running.row(COUNTED)
    _say_tally(storm, tally, mapped - counted_from, drained_s)
    table(
        QUANTILES,
        [
            quantiles("a person's POST to the wire, before", calm),
            quantiles("during, another organization", seen.to_wire[other]),
            quantiles("during, the same organization", seen.to_wire[stormy]),
            quantiles("alert to its 202", tally.answers),
            quantiles("alert to mapped, another organization", seen.probes),
            quantiles("age of the oldest payload that waits", seen.oldest),
        ],
    )
    say()
    span.say("alert", sum(tally.statuses.values()) * storm.records)
    say()
    until_mapped.say("mapped alert", mapped - counted_from)


async def _beside(
    running: Installation, callers: Callers, arrivals: Arrivals, storm: Storm, probed: Endpoint
) -> tuple[Tally, Seen]:
    """Send the storm; until it has passed, submit, probe and look."""
    stormy, other = running.slugs
    seen = Seen({stormy: [], other: []})
    sending = asyncio.create_task(_send(storm))

    async def submit() -> None:
        while not sending.done():
            for slug in (other, stormy):
                seen.to_wire[slug] += await _requests(callers, arrivals, slug, 1)

    async def look() -> None:
        while not sending.done():
            (age,) = await asyncio.to_thread(running.row, OLDEST)
            seen.oldest.append(age or 0.0)
            await asyncio.sleep(1)

    await asyncio.gather(submit(), look(), _probe(running, probed, other, sending, seen.probes))
    return await sending, seen


async def _send(storm: Storm) -> Tally:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.alert_sender",
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    written, _ = await process.communicate(json.dumps(asdict(storm)).encode())
    return Tally(**json.loads(written))


async def _requests(callers: Callers, arrivals: Arrivals, slug: str, count: int) -> list[float]:
    """From just before each POST until the provider read the PUT's datagram, by one clock."""
    found = []
    for _ in range(count):
        request = await callers.submit(slug)
        if request is None:
            found.append(NEVER)
            continue
        await callers.frame(request.mitigation, CONFIRMED, WITHIN_S)
        found += await arrivals.of([request], within_s=WITHIN_S)
        await callers.terminate(request)
        await asyncio.sleep(PAUSE_S)
    return found


async def _probe(
    running: Installation,
    endpoint: Endpoint,
    slug: str,
    sending: asyncio.Task[Tally],
    found: list[float],
) -> None:
    number = 0
    async with httpx.AsyncClient(base_url=running.stack.url, timeout=WITHIN_S) as client:
        while not sending.done():
            number += 1
            name, began = f"probe-{number}", time.monotonic()
            answer = await client.post(
                f"/api/v1/alerts/{endpoint.id}",
                json={"id": name, "targets": ["198.51.100.1/32"]},
                headers={"Authorization": f"Bearer {endpoint.secret}"},
            )
            answer.raise_for_status()
            found.append(await _mapped(running, endpoint, name, began))
            await asyncio.sleep(PROBE_EVERY_S)


async def _mapped(running: Installation, endpoint: Endpoint, name: str, began: float) -> float:
    while time.monotonic() - began < WITHIN_S:
        if (await asyncio.to_thread(running.row, MAPPED, endpoint.id, name))[0]:
            return time.monotonic() - began
        await asyncio.sleep(LOOK_EVERY_S)
    return NEVER


async def _drained(running: Installation) -> float:
    """Seconds until no payload waits."""
    began = time.monotonic()
    while time.monotonic() - began < DRAINED_WITHIN_S:
        if (await asyncio.to_thread(running.row, OLDEST))[0] is None:
            return time.monotonic() - began
        await asyncio.sleep(LOOK_EVERY_S)
    return NEVER


async def _endpoint(running: Installation, slug: str, name: str) -> Endpoint:
    async with httpx.AsyncClient(base_url=running.stack.url, timeout=WITHIN_S) as client:
        answer = await client.post(
            f"/api/v1/organizations/{slug}/alert-endpoints",
            json={"name": name, "source": "plain"},
            headers={"Authorization": f"Bearer {running.tokens[slug]}"},
        )
    made = answer.raise_for_status().json()
    return Endpoint(made["id"], made["secret"])


def _say_tally(storm: Storm, tally: Tally, mapped: int, drained_s: float) -> None:
    sent = sum(tally.statuses.values()) * storm.records
    say(
        f"{sent:,} alerts in {tally.seconds:.0f} s ({sent / tally.seconds:,.0f} a second; "
        f"{storm.per_s:,.0f} wanted), {storm.records} in a call; calls by answer: "
        f"{dict(tally.statuses)}"
    )
    say(
        f"accepted {tally.accepted:,}, only counted {tally.over_limit:,}; mapped {mapped:,}; "
        f"no payload waited {in_seconds(drained_s)} after the last answer"
    )
    say(f"a call began at most {in_seconds(max(tally.late, default=0.0))} later than planned")
    say()
