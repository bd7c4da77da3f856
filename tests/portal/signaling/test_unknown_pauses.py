"""One session leaves a server alone for as long as that asked for."""

from __future__ import annotations

import pytest

from dots_client import (
    MitigationReport,
    MitigationStatus,
    Refused,
    ServerUnavailable,
)
from portal.inventory import services
from portal.signaling.actions.unknown_mitigations import (
    UnknownMitigationWatch,
)
from portal.signaling.inventory.inventory_query import MAX_CONCURRENT
from portal.signaling.leasing import database_clock
from tests.portal.signaling.holding_server import Rows, Server, kept, recorded, watching
from tests.portal.signaling.test_inventory_comparison import OTHER, report
from tests.portal.signaling.virtual_time import pass_time, virtual_time

PAUSE_S = 60
THROTTLED = Refused("4.29", retry_after_s=PAUSE_S)
BUSY = ServerUnavailable("5.03", retry_after_s=PAUSE_S)


async def pause(watch: UnknownMitigationWatch) -> None:
    """Almost the whole pause, during which a person asks repeatedly."""
    for _ in range(PAUSE_S - 1):
        watch.ask_again()
        await pass_time(1)


@pytest.mark.parametrize(("refusal", "asked"), [(THROTTLED, [None]), (BUSY, [None, 4, 5])], ids=str)
@virtual_time
async def test_no_list_is_requested_during_the_pause_asked_for_by_the_server(
    refusal: Exception, asked: list[int | None]
) -> None:
    server, rows = Server(report(4, OTHER), report(5, OTHER)), Rows()
    server.list_refusal = refusal
    rows.unknown = [recorded(4), recorded(5)]
    async with watching(server, rows) as watch:
        await pause(watch)
        # Too many requests must not cause more of them.
        assert server.asked == asked

        await pass_time(2)
        assert server.asked == 2 * asked


@virtual_time
async def test_a_429_stops_further_questions() -> None:
    class Throttling(Server):
        async def status(self, mid: int) -> MitigationReport:
            self.asked.append(mid)
            await pass_time(0.1)
            raise THROTTLED

    server, rows = Throttling(), Rows()
    mids = list(range(4, 4 + 2 * MAX_CONCURRENT))
    rows.unknown = [recorded(mid) for mid in mids]
    async with watching(server, rows) as watch:
        await pause(watch)
    assert server.asked == [None, *mids[:MAX_CONCURRENT]]


@pytest.mark.parametrize(("refusal", "saved"), [(THROTTLED, []), (BUSY, ["5.03"])], ids=str)
@virtual_time
async def test_a_withdrawal_waits_for_the_pause_asked_for_by_the_server(
    refusal: Exception, saved: list[str]
) -> None:
    server, rows = Server(report(4, OTHER)), Rows()
    server.refuses = refusal
    rows.unknown = [recorded(4, withdrawal_asked_at=database_clock.now())]
    async with watching(server, rows) as watch:
        await pause(watch)
        assert server.withdrawn == [4]
        # 4.29 refuses nothing.
        assert [one["code"] for one in rows.calls(services.record_withdrawal_refused)] == saved

        await pass_time(2)
        assert server.withdrawn == [4, 4]


@pytest.mark.parametrize("refusal", [THROTTLED, BUSY], ids=str)
@virtual_time
async def test_a_pause_asked_for_before_a_withdrawal_postpones_it_once(refusal: Exception) -> None:
    class Throttling(Server):
        async def status(self, mid: int) -> MitigationReport:
            raise refusal

    server, rows = Throttling(report(4, OTHER)), Rows()
    rows.unknown = [recorded(4, withdrawal_asked_at=database_clock.now())]
    async with watching(server, rows) as watch:
        await pause(watch)
        assert server.withdrawn == []

        await pass_time(2)
        assert server.withdrawn == [4]


@virtual_time
async def test_a_lifetime_of_one_waits_for_the_pause_asked_for_by_the_server() -> None:
    server, rows = Server(report(4, OTHER, status=MitigationStatus.SIGNAL_LOSS)), Rows()
    server.refuses = THROTTLED
    rows.unknown = [kept()]
    async with watching(server, rows) as watch:
        await pause(watch)
        assert len(server.put) == 1
