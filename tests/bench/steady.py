"""Many mitigations held while the provider reports new amounts of each, again and again."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from typing import Final

from tests.bench.callers import Callers, Submitted, report
from tests.bench.installation import Installation, measure_in_installation, parser
from tests.bench.report import QUANTILES, mib, quantiles, say, table

ATTACK_STOPPED: Final = 3
FILLED_WITHIN_S: Final = 300.0
RECEIVED: Final = (
    "SELECT count(*) FROM wire_wiremessage"
    " WHERE id > %s AND direction = 'received' AND topic = 'mitigation'"
)
EVENTS: Final = (
    "SELECT count(*) FROM mitigations_event WHERE id > %s AND type = 'mitigation.counters'"
)


def main(arguments: Sequence[str]) -> None:
    options = parser("steady", __doc__)
    options.add_argument("--mitigations", type=int, default=1000)
    options.add_argument("--organizations", type=int, default=100)
    options.add_argument("--every-s", type=float, default=10.0, help="between two reports of each")
    options.add_argument("--fill-s", type=float, default=120.0, help="all are submitted")
    options.add_argument("--hold-s", type=float, default=60.0, help="measured")
    options.add_argument("--signal-workers", type=int, default=2)
    options.add_argument("--samples", type=int, default=20, help="status reports meanwhile")
    options.add_argument("--rest-s", type=float, default=10.0, help="for the idle share")
    chosen = options.parse_args(arguments)
    measure_in_installation(
        _measure, chosen, organizations=chosen.organizations, signal_workers=chosen.signal_workers
    )


async def _measure(running: Installation, options: argparse.Namespace) -> None:
    async with Callers(running, running.slugs) as callers:
        idle_from = running.servers.now()
        await running.meter.rest(options.rest_s)
        idle = running.servers.since(idle_from)
        held = await fill(running, callers, options.mitigations, options.fill_s, options.every_s)

        (wire_from,) = running.row("SELECT coalesce(max(id), 0) FROM wire_wiremessage")
        (event_from,) = running.row("SELECT coalesce(max(id), 0) FROM mitigations_event")
        before, counted_from = running.meter.sample(), running.servers.now()
        to_frame = await _samples(running, callers, held, options)
        span, counts = running.meter.since(before), running.servers.since(counted_from)
        (received,) = running.row(RECEIVED, wire_from)
        (events,) = running.row(EVENTS, event_from)
        (size,) = running.row("SELECT pg_database_size(current_database())")

        say(
            f"{len(held):,} mitigations, a report of each every {options.every_s:g} s: in "
            f"{span.seconds:.0f} s {received:,} reports received ({received / span.seconds:.1f} a "
            f"second), {events:,} saved as events; refused: {dict(callers.refused)}"
        )
        say(f"all portal processes: {100 * span.share_of_portal():.0f} % of a core")
        say(
            f"CPU of each report that was saved as an event: {span.cost_of_portal_ms(events):.2f} "
            "ms; reports that arrive faster than they are saved are merged"
        )
        say(f"the database: {mib(size)}")
        say()
        table(QUANTILES, [quantiles("notification to the socket", to_frame)])
        say()
        span.say("report", received)
        say()
        counts.each(max(received, 1), idle=idle).say("report")


async def fill(
    running: Installation,
    callers: Callers,
    count: int,
    within_s: float,
    every_s: float,
    slugs: Sequence[str] = (),
) -> list[Submitted]:
    """Have the provider filter `count` mitigations, and report each every `every_s` seconds."""
    slugs = slugs or running.slugs
    running.behave("northgate", status_delay_s=0.1, notify_interval_s=every_s)
    each = max(1, count // len(slugs))
    held = await callers.submit_all(slugs, each, within_s=within_s)
    deadline = time.monotonic() + FILLED_WITHIN_S
    while (filtering := _filtering(running)) < len(held):
        if time.monotonic() > deadline:
            say(f"only {filtering:,} of {len(held):,} filter after {FILLED_WITHIN_S:.0f} s")
            break
        await asyncio.sleep(1)
    await asyncio.sleep(2 * every_s)
    return held


def _filtering(running: Installation) -> int:
    query = "SELECT count(*) FROM mitigations_mitigation WHERE status = 'mitigating'"
    return int(running.row(query)[0])


async def _samples(
    running: Installation, callers: Callers, held: Sequence[Submitted], options: argparse.Namespace
) -> list[float]:
    """Seconds from a report that the attack stopped until its socket had it, over `hold_s`."""
    chosen = held[:: max(1, len(held) // max(1, options.samples))][: options.samples]

    async def one(number: int, request: Submitted) -> float:
        await asyncio.sleep((number + 0.5) * options.hold_s / len(chosen))
        sent_at = await report(running, request, ATTACK_STOPPED)
        frame = await callers.frame(request.mitigation, ["attack_stopped"], options.hold_s)
        return frame.received_at - sent_at

    waiting = asyncio.create_task(asyncio.sleep(options.hold_s))
    found = await asyncio.gather(*(one(*each) for each in enumerate(chosen)))
    await waiting
    return list(found)
