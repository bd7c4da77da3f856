"""The page of a request with thousands of events, and its report."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Final

from tests.bench.callers import CONFIRMED, Callers
from tests.bench.installation import VIEWER, Installation, measure_in_installation, parser
from tests.bench.report import QUANTILES, quantiles, say, table
from tests.integration.stack import Pages

WITHIN_S: Final = 30.0
ADD: Final = """
WITH added AS (
    UPDATE mitigations_eventcounter SET last_seq = last_seq + %(count)s
    WHERE organization_id = %(organization)s RETURNING last_seq
)
INSERT INTO mitigations_event (organization_id, seq, at, type, request_id, mitigation_id, data, thinned)
SELECT %(organization)s, last_seq - %(count)s + number, now(), 'mitigation.status', %(request)s, %(mitigation)s,
       CASE number %% 2 WHEN 0 THEN '{"status": "mitigating", "previous": "exceeded"}'::jsonb
                        ELSE '{"status": "exceeded", "previous": "mitigating"}'::jsonb END, 0
FROM added, generate_series(1, %(count)s) AS number
"""  # noqa: E501
"""Status changes as a provider that alternates between two of them causes."""


def main(arguments: Sequence[str]) -> None:
    options = parser("timeline", __doc__)
    options.add_argument("--events", type=int, nargs="*", default=[0, 5000], help="per request")
    options.add_argument("--samples", type=int, default=20, help="of each page")
    chosen = options.parse_args(arguments)
    measure_in_installation(_measure, chosen, organizations=1, has_viewer=True)


async def _measure(running: Installation, options: argparse.Namespace) -> None:
    (slug,) = running.slugs
    pages = Pages(running.stack, VIEWER)
    async with Callers(running, [slug]) as callers:
        await running.meter.rest(5)
        for count in options.events:
            request = await callers.submit(slug)
            assert request is not None, f"refused: {dict(callers.refused)}"
            await callers.frame(request.mitigation, CONFIRMED, WITHIN_S)
            _add_events(running, request.id, request.mitigation, count)
            path = f"/organizations/{slug}/requests/{request.id}"
            times, sizes = [], []
            for what in ("", "/report", "/report.txt"):
                before = running.meter.sample()
                seconds, size = _read(pages, path + what, options.samples)
                span = running.meter.since(before)
                times.append(quantiles(f"…/requests/ID{what}", seconds))
                sizes.append(
                    (
                        f"…/requests/ID{what}",
                        f"{size / 1024:,.0f} KiB",
                        f"{span.cost_ms('web', options.samples):.1f} ms",
                        f"{span.cost_of_portal_ms(options.samples):.1f} ms",
                    )
                )
            say(f"{count:,} events more than usual:")
            say()
            table(QUANTILES, times)
            say()
            table(("", "size, not compressed", "CPU of web", "of all processes"), sizes)
            say()
    pages.close()


def _add_events(running: Installation, request: str, mitigation: str, count: int) -> None:
    (organization,) = running.row(
        "SELECT organization_id FROM mitigations_mitigation WHERE id = %s", mitigation
    )
    running.execute(
        ADD,
        {
            "organization": organization,
            "request": request,
            "mitigation": mitigation,
            "count": count,
        },
    )


def _read(pages: Pages, path: str, samples: int) -> tuple[list[float], int]:
    times, size = [], 0
    for _ in range(samples):
        began = time.perf_counter()
        answer = pages.get(path)
        times.append(time.perf_counter() - began)
        answer.raise_for_status()
        size = len(answer.content)
    return times, size
