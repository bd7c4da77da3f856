"""The processor time of one accepted POST: the call and its answer alone.

No signal worker runs, so nothing is sent and no provider reports.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from tests.bench.callers import Callers, Submitted
from tests.bench.installation import Installation, installation, parser
from tests.bench.report import QUANTILES, header, quantiles, say, table


def main(arguments: Sequence[str]) -> None:
    options = parser("post", __doc__)
    options.add_argument("--posts", type=int, default=400, help="of each number of callers")
    options.add_argument("--callers", type=int, nargs="*", default=[1, 10], help="at once")
    options.add_argument("--organizations", type=int, default=40)
    options.add_argument("--rest-s", type=float, default=10.0, help="for the idle share")
    chosen = options.parse_args(arguments)
    header()
    with installation(chosen, organizations=chosen.organizations, signal_workers=0) as running:
        asyncio.run(_measure(running, chosen))


async def _measure(running: Installation, options: argparse.Namespace) -> None:
    async with Callers(running, []) as callers:
        for slug in running.slugs:
            await callers.submit(slug)
        idle_from = running.servers.now()
        await running.meter.rest(options.rest_s)
        idle = running.servers.since(idle_from)
        for at_once in options.callers:
            before, counted_from = running.meter.sample(), running.servers.now()
            posted = await _post(running, callers, options.posts, at_once)
            span, counts = running.meter.since(before), running.servers.since(counted_from)
            say(f"{at_once} at once; refused: {dict(callers.refused)}")
            say()
            table(
                QUANTILES,
                [quantiles("POST to its answer", [one.answered_after_s for one in posted])],
            )
            say()
            span.say("accepted POST", len(posted))
            say()
            counts.each(max(len(posted), 1), idle=idle).say("accepted POST")
            say()


async def _post(
    running: Installation, callers: Callers, count: int, at_once: int
) -> list[Submitted]:
    numbers = iter(range(count))
    found = []

    async def one() -> None:
        for number in numbers:
            if (posted := await callers.submit(running.slugs[number % len(running.slugs)])) is None:
                continue
            found.append(posted)

    await asyncio.gather(*(one() for _ in range(at_once)))
    return found
