"""How many SQL statements and Redis commands a submission and a report cost at most."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import pytest

from portal.mitigations.services.submit_at_once import MAX_TRIES
from tests.bench.callers import CONFIRMED, Callers, Submitted
from tests.bench.counts import NOT_COUNTED, Counts
from tests.bench.installation import Installation, installation
from tests.fork_server import ForkServer
from tests.integration.stack import wait_for

IDLE_S: Final = 10.0
SUBMISSIONS: Final = 20
REPORTED: Final = 60
"""Mitigations that are reported, so that the ledger has several to save each time."""
REPORTS: Final = 200
REPORT_EVERY_S: Final = 1.0
"""The simulator has new amounts no more often."""
WITHIN_S: Final = 30.0
CALLS: Final = 20
ROUNDS: Final = 3
"""The cheapest counts: what a worker does each minute falls into some and is not the work's."""

# Lower them when the cost falls; do not raise them. They leave room for what depends on the speed
# of the machine: the idle share that is subtracted, how many reports the ledger saves together, and
# how often a submission reads its facts again because something was saved meanwhile.
STATEMENTS_OF_A_SUBMISSION: Final = 23.0
COMMANDS_OF_A_SUBMISSION: Final = 10.5
OF_A_SUBMISSION: Final[Mapping[str, float]] = {
    # Its own, and one each for "sent" and "accepted".
    "WITH mitigations_eventcounter": MAX_TRIES + 2,
    # Its facts.
    "SELECT mitigations_eventcounter": MAX_TRIES,
    "SELECT mitigations_mitigation": 4.0,
    "UPDATE mitigations_eventcounter": 2.0,
    "SELECT signaling_lease": 2.5,
    "SELECT providers_subscription": 2.5,
    "INSERT mitigations_event": 3.0,
    "UPDATE mitigations_mitigation": 2.5,
    "WITH unnest": 1.2,
    "SELECT mitigations_mitigationrequest": 2.0,
    "SELECT accounts_apitoken": 1.5,
    "UPDATE providers_subscription": 1.2,
    "SET": 1.0,
    "COPY wire_wiremessage": 1.0,
    "publish": 7.0,
    "incrby": 1.5,
    "set": 1.5,
}
STATEMENTS_OF_A_REPORT: Final = 0.5
COMMANDS_OF_A_REPORT: Final = 0.1
OF_A_REPORT: Final[Mapping[str, float]] = {}
OF_ANYTHING_ELSE: Final = 0.6

RECEIVED: Final = (
    f"SELECT {NOT_COUNTED} count(*) FROM wire_wiremessage"
    " WHERE direction = 'received' AND topic = 'mitigation'"
)


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer
) -> Iterator[Installation]:
    """On its own PostgreSQL, which counts statements."""
    options = Namespace(directory=tmp_path_factory.mktemp("costs"), setting=[])
    with installation(options, organizations=1, start_program=fork_server.start) as running:
        yield running


@pytest.fixture(scope="module")
def measured(running: Installation) -> dict[str, Counts]:
    return asyncio.run(_measure(running))


async def _measure(running: Installation) -> dict[str, Counts]:
    (slug,) = running.slugs
    async with Callers(running, [slug]) as callers:
        await _submit(callers, slug)
        # Its tasks of each second wait while the cores are busy, and are then more than when idle.
        running.stack["beat"].stop()
        servers = running.servers
        before = servers.now()
        await asyncio.sleep(IDLE_S)
        idle = servers.since(before)

        submissions: list[Counts] = []
        for _ in range(ROUNDS):
            before = servers.now()
            for _ in range(SUBMISSIONS):
                await _submit(callers, slug)
            submissions.append(servers.since(before).each(SUBMISSIONS, idle=idle))

        await callers.submit_all([slug], REPORTED, within_s=WITHIN_S / 10)
        running.behave("northgate", status_delay_s=0.1, notify_interval_s=REPORT_EVERY_S)
        # Each change of status is one transaction; after it, a report has only amounts.
        changing = "SELECT count(*) FROM mitigations_mitigation WHERE status <> 'mitigating'"
        wait_for(lambda: running.row(changing)[0] == 0, within_s=WITHIN_S)
        reports: list[Counts] = []
        for _ in range(ROUNDS):
            (already,) = running.row(RECEIVED)
            before = servers.now()
            wait_for(_have_arrived(running, already + REPORTS), within_s=WITHIN_S)
            during = servers.since(before)
            reports.append(during.each(running.row(RECEIVED)[0] - already, idle=idle))
        running.behave("northgate")
        return {"submission": _cheapest(submissions), "report": _cheapest(reports)}


def _have_arrived(running: Installation, reports: int) -> Callable[[], bool]:
    return lambda: running.row(RECEIVED)[0] >= reports


def _cheapest(rounds: list[Counts]) -> Counts:
    return min(rounds, key=lambda counts: counts.all_statements + counts.all_commands)


async def _submit(callers: Callers, slug: str) -> Submitted:
    request = await callers.submit(slug)
    assert request is not None, callers.refused
    frame = await callers.frame(request.mitigation, CONFIRMED, WITHIN_S)
    assert frame.received_at > request.posted_at
    return request


@pytest.mark.parametrize(
    ("work", "statements", "commands", "named"),
    [
        ("submission", STATEMENTS_OF_A_SUBMISSION, COMMANDS_OF_A_SUBMISSION, OF_A_SUBMISSION),
        ("report", STATEMENTS_OF_A_REPORT, COMMANDS_OF_A_REPORT, OF_A_REPORT),
    ],
)
def test_costs_stay_below_their_bounds(
    measured: dict[str, Counts],
    work: str,
    statements: float,
    commands: float,
    named: Mapping[str, float],
) -> None:
    counts = measured[work]
    each = {**counts.statements, **counts.commands}

    assert {
        name: count for name, count in each.items() if count > named.get(name, OF_ANYTHING_ELSE)
    } == {}
    assert counts.all_statements <= statements, each
    assert counts.all_commands <= commands, each


def test_calls_open_no_new_connections_to_redis(running: Installation) -> None:
    asyncio.run(_call(running, 1))
    before = running.servers.now()

    asyncio.run(_call(running, CALLS))

    assert running.servers.since(before).connections == 0


async def _call(running: Installation, times: int) -> None:
    (slug,) = running.slugs
    async with Callers(running, []) as callers:
        for _ in range(times):
            request = await callers.submit(slug)
            assert request is not None, callers.refused
            await callers.terminate(request)
