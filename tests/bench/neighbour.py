"""How soon one organization sees its request confirmed while another one holds many mitigations."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from tests.bench.callers import Callers, Confirmations
from tests.bench.installation import Installation, measure_in_installation, parser
from tests.bench.report import QUANTILES, quantiles, say, table
from tests.bench.steady import fill


def main(arguments: Sequence[str]) -> None:
    options = parser("neighbour", __doc__)
    options.add_argument("--held", type=int, default=600, help="mitigations of the large one")
    options.add_argument("--every-s", type=float, default=2.0, help="between two reports of each")
    options.add_argument("--fill-s", type=float, default=120.0, help="the large one submits")
    options.add_argument("--samples", type=int, default=20, help="requests of the small one")
    options.add_argument("--patience-s", type=float, default=30.0, help="for one confirmation")
    options.add_argument("--signal-workers", type=int, default=1)
    chosen = options.parse_args(arguments)
    measure_in_installation(_measure, chosen, organizations=2, signal_workers=chosen.signal_workers)


async def _measure(running: Installation, options: argparse.Namespace) -> None:
    large, small = running.slugs
    async with Callers(running, [large, small]) as callers:

        async def sample() -> Confirmations:
            return await callers.confirmations(
                small, options.samples, patience_s=options.patience_s
            )

        alone = await sample()
        await running.meter.rest(5)
        filling = asyncio.create_task(
            fill(running, callers, options.held, options.fill_s, options.every_s, [large])
        )
        meanwhile = await sample()
        held = await filling
        before = running.meter.sample()
        beside = await sample()
        span = running.meter.since(before)
        say(f"{len(held):,} of {options.held:,} held; refused: {dict(callers.refused)}")
        say()
        table(QUANTILES, list(rows({
            "alone": alone,
            "while the other submits": meanwhile,
            "while the other holds": beside,
        })))  # fmt: skip
        say()
        span.say("confirmation", len(beside.shown))


def rows(found: dict[str, Confirmations]) -> list[tuple[str, ...]]:
    """From the POST until the confirmation was saved, and until a socket showed it."""
    return [
        row
        for when, times in found.items()
        for row in (
            quantiles(f"confirmation saved, {when}", times.saved),
            quantiles(f"confirmation on a socket, {when}", times.shown),
        )
    ]
