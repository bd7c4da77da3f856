"""A restart of one signal worker: how soon its sessions are back, and what happens to mitigations.

The worker gets the signal that an upgrade sends, and starts again as soon as it has stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from typing import Final

from tests.bench.callers import Callers
from tests.bench.installation import Installation, measure_in_installation, parser
from tests.bench.report import NEVER, in_seconds, say, table

LOOK_EVERY_S: Final = 0.25
BACK_WITHIN_S: Final = 300.0
SHARES: Final = (0.5, 0.99, 1.0)
MITIGATIONS: Final = "SELECT id::text, status, overdue_at FROM mitigations_mitigation"
EVENTS: Final = (
    "SELECT type, count(*) FROM mitigations_event WHERE id > %s"
    " AND type NOT IN ('session.up', 'session.down', 'mitigation.counters') GROUP BY type"
)


def main(arguments: Sequence[str]) -> None:
    options = parser("restart", __doc__)
    options.add_argument("--sessions", type=int, default=200)
    options.add_argument("--signal-workers", type=int, default=1, help="the first one restarts")
    options.add_argument("--mitigations", type=int, default=50, help="held, of as many sessions")
    options.add_argument("--settle-s", type=float, default=10.0, help="before the restart")
    chosen = options.parse_args(arguments)
    measure_in_installation(
        _measure, chosen, organizations=chosen.sessions, signal_workers=chosen.signal_workers
    )


async def _measure(running: Installation, options: argparse.Namespace) -> None:
    running.behave("northgate", status_delay_s=0.1)
    holders = running.slugs[: options.mitigations]
    async with Callers(running, holders) as callers:
        held = await callers.submit_all(holders, 1, within_s=len(holders) / 10)
        for one in held:
            await callers.frame(one.mitigation, ["mitigating"], BACK_WITHIN_S)
        await asyncio.sleep(options.settle_s)
        await _restart(running, options)


async def _restart(running: Installation, options: argparse.Namespace) -> None:
    (event_from,) = running.row("SELECT coalesce(max(id), 0) FROM mitigations_event")
    mitigations_from = sorted(running.rows(MITIGATIONS))
    before, began = running.meter.sample(), time.monotonic()
    counts: list[tuple[float, int]] = []
    worker = running.stack["signal-1"]
    restarting = asyncio.create_task(asyncio.to_thread(worker.restart))
    while time.monotonic() - began < BACK_WITHIN_S:
        count = await asyncio.to_thread(running.sessions)
        counts.append((time.monotonic() - began, count))
        if restarting.done() and count >= options.sessions:
            break
        await asyncio.sleep(LOOK_EVERY_S)
    await restarting
    span = running.meter.since(before)
    fewest = min(count for _, count in counts)
    changed = sorted(set(running.rows(MITIGATIONS)) - set(mitigations_from))
    events = dict(running.rows(EVENTS, event_from))
    table(
        ("what", "measured"),
        [
            ("sessions before the restart", str(options.sessions)),
            ("fewest sessions during it", str(fewest)),
            (
                "half, 99 %, all are back after",
                ", ".join(in_seconds(_back_after(counts, fewest, options.sessions * share))
                          for share in SHARES),
            ),
            ("mitigations held", str(len(mitigations_from))),
            ("mitigations whose status changed or that are overdue", str(len(changed))),
            ("events other than of sessions", str(events or 0)),
        ],
    )  # fmt: skip
    say()
    span.say("session", options.sessions)


def _back_after(counts: Sequence[tuple[float, int]], fewest: int, wanted: float) -> float:
    """When so many sessions were there again, after the moment with the fewest."""
    lowest = next(number for number, (_, count) in enumerate(counts) if count == fewest)
    return next((at for at, count in counts[lowest:] if count >= wanted), NEVER)
