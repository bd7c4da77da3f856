"""A hundred organizations under attack at the same time: all submit requests within seconds.

Each organization has an open event socket. While they submit, the provider reports new statuses of
mitigations that it already holds, to measure how late the sockets are during the rush.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from typing import Final

from tests.bench.callers import CONFIRMED, Arrivals, Callers, Submitted, report
from tests.bench.installation import Installation, measure_in_installation, parser
from tests.bench.report import QUANTILES, quantiles, say, table

MITIGATING: Final = 2


def main(arguments: Sequence[str]) -> None:
    options = parser("rush", __doc__)
    options.add_argument("--organizations", type=int, default=100)
    options.add_argument("--requests", type=int, default=10, help="of each organization")
    options.add_argument("--within-s", type=float, default=10.0, help="all are submitted")
    options.add_argument("--signal-workers", type=int, default=2)
    options.add_argument("--witnesses", type=int, default=20, help="status reports in the rush")
    options.add_argument("--rest-s", type=float, default=10.0, help="for the idle share")
    options.add_argument("--patience-s", type=float, default=300.0, help="for the last ones")
    chosen = options.parse_args(arguments)
    measure_in_installation(
        _measure, chosen, organizations=chosen.organizations, signal_workers=chosen.signal_workers
    )


async def _measure(running: Installation, options: argparse.Namespace) -> None:
    async with Callers(running, running.slugs) as callers:
        arrivals = Arrivals(running)
        witnesses = await callers.submit_all(
            running.slugs[: options.witnesses], 1, within_s=options.witnesses / 10
        )
        await arrivals.of(witnesses, within_s=options.patience_s)
        idle_from = running.servers.now()
        await running.meter.rest(options.rest_s)
        idle = running.servers.since(idle_from)

        before, counted_from = running.meter.sample(), running.servers.now()
        submitting = asyncio.create_task(
            callers.submit_all(running.slugs, options.requests, within_s=options.within_s)
        )
        to_frame = await _reports(running, callers, witnesses, options)
        posted = await submitting
        to_wire = await arrivals.of(posted, within_s=options.patience_s)
        frames = await asyncio.gather(
            *(callers.frame(one.mitigation, CONFIRMED, options.patience_s) for one in posted)
        )
        span, counts = running.meter.since(before), running.servers.since(counted_from)

        total = options.organizations * options.requests
        say(f"{len(posted):,} of {total:,} requests accepted; refused: {dict(callers.refused)}")
        say()
        to_confirmed = [
            frame.received_at - one.posted_at for one, frame in zip(posted, frames, strict=True)
        ]
        table(
            QUANTILES,
            [
                quantiles("POST to its answer", [one.answered_after_s for one in posted]),
                quantiles("POST to the PUT's arrival at the provider", to_wire),
                quantiles("POST to the confirmation on a socket", to_confirmed),
                quantiles("notification to the socket, during the rush", to_frame),
            ],
        )
        say()
        span.say("submission", len(posted))
        say()
        counts.each(max(len(posted), 1), idle=idle).say("submission")


async def _reports(
    running: Installation,
    callers: Callers,
    witnesses: Sequence[Submitted],
    options: argparse.Namespace,
) -> list[float]:
    """Seconds from each of the provider's reports until its socket had it."""

    async def one(number: int, witness: Submitted) -> float:
        await asyncio.sleep((number + 1) * options.within_s / (len(witnesses) + 1))
        sent_at = await report(running, witness, MITIGATING)
        frame = await callers.frame(witness.mitigation, ["mitigating"], options.patience_s)
        return frame.received_at - sent_at

    return list(await asyncio.gather(*(one(*each) for each in enumerate(witnesses))))
