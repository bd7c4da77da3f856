"""What idle sessions cost a signal worker, beside the bare client with as many."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from typing import Final

from tests.bench.installation import Installation, measure_in_installation, parser
from tests.bench.report import say, table
from tests.bench.sessions import share_in_peace

SETTLED_AFTER_S: Final = 12.0
WAL: Final = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
UPDATES: Final = "SELECT relname, n_tup_upd FROM pg_stat_user_tables WHERE n_tup_upd > 0"


def main(arguments: Sequence[str]) -> None:
    options = parser("idle", __doc__)
    options.add_argument("--sessions", type=int, default=200)
    options.add_argument("--watch-s", type=float, default=60.0)
    options.add_argument("--signal-workers", type=int, default=1)
    chosen = options.parse_args(arguments)
    measure_in_installation(
        _measure, chosen, organizations=chosen.sessions, signal_workers=chosen.signal_workers
    )
    bare = share_in_peace(chosen.sessions, watch_s=chosen.watch_s)
    say()
    say(
        f"the bare client with {chosen.sessions} sessions: {100 * bare:.2f} % of a core, "
        f"{100 * bare / chosen.sessions:.4f} % each"
    )


async def _measure(running: Installation, options: argparse.Namespace) -> None:
    await asyncio.sleep(SETTLED_AFTER_S)
    (wal_from,) = running.row(WAL)
    updates_from = dict(running.rows(UPDATES))
    counted_from = running.servers.now()
    span = await running.meter.rest(options.watch_s)
    counts = running.servers.since(counted_from)
    (wal,) = running.row(WAL)
    workers = [one.program.name for one in running.stack.signal_workers]
    share = sum(span.share(name) for name in workers)
    updates = {
        name: (count - updates_from.get(name, 0)) / span.seconds
        for name, count in running.rows(UPDATES)
    }
    most = sorted(updates.items(), key=lambda item: -item[1])[:4]
    table(
        ("what", "measured"),
        [
            ("sessions", f"{running.sessions()}"),
            ("signal workers, of a core", f"{100 * share:.2f} %"),
            ("of that, each session", f"{100 * share / options.sessions:.4f} %"),
            ("all portal processes, of a core", f"{100 * span.share_of_portal():.2f} %"),
            ("SQL statements a second", f"{counts.all_statements / span.seconds:.1f}"),
            ("transactions a second", f"{counts.commits / span.seconds:.1f}"),
            ("Redis commands a second", f"{counts.all_commands / span.seconds:.1f}"),
            ("WAL a second", f"{(wal - wal_from) / span.seconds:,.0f} bytes"),
            *((f"updates of {name} a second", f"{count:.1f}") for name, count in most if count),
        ],
    )
    say()
    span.say("session", options.sessions)
