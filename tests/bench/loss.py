"""How long a request for mitigation takes on a line that loses most of its datagrams.

Each run has its own line and seed, and many run in parallel. For comparison, libcoap's client with
the Confirmable retransmission of RFC 7252 uses the same lines.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import psutil

from dots_client import ClientSettings, RetransmissionSettings
from tests.bench import lines
from tests.bench.lines import DELAY_S, Line, Outcome
from tests.bench.provider import BenchProvider, bench_provider
from tests.bench.report import (
    in_percent,
    in_seconds,
    machine,
    percentile,
    say,
    share_within,
    table,
)
from tests.dots_client.loss.relay import Weather, both_ways

DARK_S: Final = 30.0
LIMITS_S: Final = (10.0, 30.0)

Run = Callable[[Line], Awaitable[Outcome]]


@dataclass(frozen=True)
class Condition:
    name: str
    weather: Weather
    calm_after_s: float | None = None


@dataclass(frozen=True)
class Way:
    name: str
    run: Run
    runs: int


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench loss", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="of our client, each way (200)")
    parser.add_argument("--libcoap-runs", type=int, default=40, help="of libcoap's (40)")
    parser.add_argument("--at-once", type=int, default=100, help="runs at the same time (100)")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds for one run (60)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--loss", type=int, nargs="*", default=[0, 30, 50, 70, 90], help="percent, each way"
    )
    parser.add_argument("--no-dark", action="store_true", help="leave out the 30 s of silence")
    parser.add_argument("--only", choices=["session", "handshake", "ticket"], help="one part")
    parser.add_argument(
        "--handshake-repeat", type=float, help="seconds until a handshake is overtaken"
    )
    parser.add_argument("--handshakes", type=int, help="of one client at the same time")
    parser.add_argument("--handshake-timeout", type=float, help="seconds for all of them")
    parser.add_argument("--floor", type=float, help="seconds between two tries, at least")
    options = parser.parse_args(arguments)
    say(machine())
    has_libcoap = shutil.which(lines.LIBCOAP) is not None
    if not has_libcoap:
        say(f"{lines.LIBCOAP} is not installed: without it")
    libcoap_runs = options.libcoap_runs if has_libcoap else 0
    parts = {
        "session": (
            "The session is there when the line turns bad",
            [
                Way("dots_client", lines.in_session, options.runs),
                Way("libcoap, CON", lines.libcoap_in_session, libcoap_runs),
            ],
        ),
        "handshake": (
            "The handshake has still to be done",
            [
                Way("dots_client", lines.from_nothing, options.runs),
                Way("libcoap, CON", lines.libcoap_from_nothing, libcoap_runs),
            ],
        ),
        "ticket": (
            "The same with a ticket from a session in peacetime",
            [Way("dots_client", lines.from_a_ticket, options.runs)],
        ),
    }
    conditions = [
        Condition(f"{percent} % each way", both_ways(percent / 100, delay_s=DELAY_S))
        for percent in options.loss
    ]
    if not options.no_dark:
        dark = Weather(lost_to_client=1.0, delay_s=DELAY_S)
        conditions.append(Condition(f"all from the server, {DARK_S:.0f} s", dark, DARK_S))
    for part, (title, ways) in parts.items():
        if options.only in (None, part):
            say(f"\n{title}; given up after {options.patience:g} s:\n")
            measure(conditions, ways, options)


def measure(
    conditions: Sequence[Condition], ways: Sequence[Way], options: argparse.Namespace
) -> None:
    process = psutil.Process()
    cpu = -sum(process.cpu_times()[:2])
    table(
        [
            *("loss", "client", "runs", *(f"within {limit:g} s" for limit in LIMITS_S)),
            *(f"within {options.patience:g} s", "median", "90th", "99th"),
            *("requests", "datagrams", "shortest gap"),
        ],
        (
            _row(condition, way, outcomes, options.patience)
            for condition in conditions
            for way in ways
            if (outcomes := _outcomes(condition, way, options))
        ),
    )
    cpu += sum(process.cpu_times()[:2])
    say(f"\n{cpu:.0f} s of CPU in this process, which holds the clients and the lines")


def _outcomes(condition: Condition, way: Way, options: argparse.Namespace) -> list[Outcome]:
    """With its own provider, so that leftovers of earlier runs cost nothing."""
    if way.runs == 0:
        return []
    with bench_provider("--terminating", "0") as provider:
        return asyncio.run(_run_all(condition, way, provider, options))


async def _run_all(
    condition: Condition, way: Way, provider: BenchProvider, options: argparse.Namespace
) -> list[Outcome]:
    free = asyncio.Semaphore(options.at_once)
    settings = _settings(options)

    async def one(number: int) -> Outcome:
        line = Line(
            provider=provider,
            weather=condition.weather,
            calm_after_s=condition.calm_after_s,
            patience_s=options.patience,
            mid=number,
            seed=options.seed * 1_000_000 + number,
            settings=settings,
        )
        async with free:
            return await way.run(line)

    return list(await asyncio.gather(*(one(number) for number in range(1, way.runs + 1))))


def _settings(options: argparse.Namespace) -> ClientSettings:
    """The client's settings, with the given changes."""
    settings = ClientSettings()
    if options.floor is not None:
        settings = replace(settings, retransmission=RetransmissionSettings(floor_s=options.floor))
    if options.handshake_repeat is not None:
        settings = replace(settings, attack_handshake_repeat_s=options.handshake_repeat)
    if options.handshakes is not None:
        settings = replace(settings, attack_max_handshakes=options.handshakes)
    if options.handshake_timeout is not None:
        settings = replace(settings, attack_handshake_timeout_s=options.handshake_timeout)
    return settings


def _row(
    condition: Condition, way: Way, outcomes: Sequence[Outcome], patience_s: float
) -> list[str]:
    times = [outcome.confirmed_s for outcome in outcomes]
    return [
        *(condition.name, way.name, str(len(outcomes))),
        *(in_percent(share_within(times, limit_s)) for limit_s in (*LIMITS_S, patience_s)),
        *(in_seconds(percentile(times, share)) for share in (0.5, 0.9, 0.99)),
        f"{statistics.mean(outcome.requests for outcome in outcomes):.1f}",
        f"{statistics.mean(outcome.datagrams for outcome in outcomes):.1f}",
        in_seconds(min(outcome.shortest_gap_s for outcome in outcomes)),
    ]
