"""How soon a provider's confirmation is seen while another provider floods the portal.

The flooding provider alternates the status of every mitigation that it holds, and reports each
change.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tests.bench.callers import CONFIRMED, Callers, Confirmations
from tests.bench.installation import Installation, measure_in_installation, parser
from tests.bench.neighbour import rows
from tests.bench.report import QUANTILES, say, table
from tests.integration.stack import control

HEALTHY = "northgate"
FLOODING = "tidewall"
EVENTS = "SELECT count(*) FROM mitigations_event WHERE type = 'mitigation.status'"


def main(arguments: Sequence[str]) -> None:
    options = parser("flood", __doc__)
    options.add_argument("--statuses-per-s", type=float, default=1200.0)
    options.add_argument("--mitigations", type=int, default=60, help="at the flooding provider")
    options.add_argument("--samples", type=int, default=20, help="requests at the healthy one")
    options.add_argument("--patience-s", type=float, default=30.0, help="for one confirmation")
    options.add_argument("--signal-workers", type=int, default=1)
    chosen = options.parse_args(arguments)
    measure_in_installation(
        _measure, chosen, organizations=2, providers=2, signal_workers=chosen.signal_workers
    )


async def _measure(running: Installation, options: argparse.Namespace) -> None:
    flooded, other = running.slugs
    healthy = running.subscriptions(HEALTHY)[other]
    async with Callers(running, [flooded, other]) as callers:

        async def sample() -> Confirmations:
            return await callers.confirmations(
                other, options.samples, patience_s=options.patience_s, subscription=healthy
            )

        held = await callers.submit_all(
            [flooded],
            options.mitigations,
            within_s=options.mitigations / 5,
            subscription=running.subscriptions(FLOODING)[flooded],
        )
        for one in held:
            await callers.frame(one.mitigation, CONFIRMED, options.patience_s)
        await running.meter.rest(5)
        calm = await sample()
        running.behave(FLOODING, floods_per_s=options.statuses_per_s)
        (saved_from,), sent_from = running.row(EVENTS), _sent(running)
        before = running.meter.sample()
        beside = await sample()
        span = running.meter.since(before)
        (saved,), sent = running.row(EVENTS), _sent(running)
        running.behave(FLOODING)
        say(f"{len(held):,} mitigations at the flooding provider; refused: {dict(callers.refused)}")
        say(
            f"statuses a second: {(sent - sent_from) / span.seconds:.0f} sent, "
            f"{(saved - saved_from) / span.seconds:.0f} saved"
        )
        say()
        table(QUANTILES, rows({"in peace": calm, "beside the flood": beside}))
        say()
        span.say("confirmation", len(beside.shown))


def _sent(running: Installation) -> int:
    return int(control(running.stack, FLOODING, "/state")["flips_sent"])
