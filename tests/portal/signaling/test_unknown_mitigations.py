"""How one session finds and ends unknown mitigations, with a stand-in for the rows."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from dots_client import (
    Client,
    MitigationReport,
    MitigationStatus,
    Refused,
    ServerUnavailable,
    SessionClosed,
)
from portal.inventory import services
from portal.mitigations.services import raise_next_mid
from portal.mitigations.states import Status
from portal.signaling.actions.unknown_mitigations import (
    EVERY_S,
    UNKNOWN_EVERY_S,
    UnknownMitigationWatch,
)
from portal.signaling.store.fenced_store import FencedStore
from tests.portal.signaling.holding_server import CUID, Rows, Server, recorded, taken, watching
from tests.portal.signaling.test_inventory_comparison import NOW, OTHER, report, row
from tests.portal.signaling.virtual_time import pass_time, until, virtual_time


@virtual_time
async def test_a_session_starts_by_asking_which_mitigations_the_server_holds() -> None:
    server = Server(report(4, OTHER), report(9, OTHER), report(2))
    rows = Rows(row(2, status=Status.MITIGATING, confirmed_at=NOW))

    written = await taken(server, rows)

    assert server.asked == [None]
    assert [one.mid for one in written["unknown"]] == [4, 9]
    assert written["unknown"][0].targets.prefixes == OTHER
    assert (set(written["answered_mids"]), written["refusal"], written["cuid"]) == (
        {2, 4, 9},
        "",
        CUID,
    )
    [raised] = rows.calls(raise_next_mid)
    assert raised["to"] == 10
    # The counter first, so that a request submitted in the meantime is not refused.
    assert [call for call, _ in rows.written] == [raise_next_mid, services.record_inventory]


@virtual_time
async def test_a_server_that_holds_nothing_raises_no_mid() -> None:
    rows = Rows()

    written = await taken(Server(), rows)

    assert (written["unknown"], written["refusal"]) == ([], "")
    assert rows.calls(raise_next_mid) == []


@virtual_time
async def test_an_ended_mitigation_is_not_unknown() -> None:
    rows = Rows()

    written = await taken(Server(report(4, OTHER, status=MitigationStatus.TERMINATED)), rows)

    assert (written["unknown"], set(written["answered_mids"])) == ([], {4})


@pytest.mark.parametrize("refusal", [Refused("4.05"), ServerUnavailable("5.00")], ids=str)
@virtual_time
async def test_a_server_without_a_list_is_asked_about_known_mids(
    refusal: Exception,
) -> None:
    server, rows = Server(report(4, OTHER)), Rows()
    server.list_refusal = refusal
    rows.unknown = [recorded(4), recorded(5)]

    written = await taken(server, rows)

    assert server.asked == [None, 4, 5]
    assert [one.mid for one in written["unknown"]] == [4]
    assert (set(written["answered_mids"]), written["refusal"]) == ({4, 5}, str(refusal))


@virtual_time
async def test_a_known_mid_missing_from_a_list_is_asked_about() -> None:
    server, rows = Server(report(4, OTHER), report(5, OTHER), unlisted=[4]), Rows()
    rows.unknown = [recorded(4)]

    written = await taken(server, rows)

    assert server.asked == [None, 4]
    assert [one.mid for one in written["unknown"]] == [5, 4]


@virtual_time
async def test_a_mitigation_without_an_answer_stays_as_it_is() -> None:
    class Quiet(Server):
        async def status(self, mid: int) -> MitigationReport:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

    server, rows = Quiet(report(5, OTHER)), Rows()
    rows.unknown = [recorded(4)]

    written = await taken(server, rows)

    assert set(written["answered_mids"]) == {5}


@virtual_time
async def test_the_server_is_asked_often_only_while_it_holds_something_unknown() -> None:
    server, rows = Server(report(4, OTHER)), Rows()
    async with watching(server, rows):
        await pass_time(3 * UNKNOWN_EVERY_S + 1)
        assert server.asked == [None] * 4

        server.held.clear()
        await pass_time(UNKNOWN_EVERY_S)
        assert server.asked == [None] * 5

        await pass_time(EVERY_S - 2)
        assert server.asked == [None] * 5
        await pass_time(2)
        assert server.asked == [None] * 6


@virtual_time
async def test_the_server_is_asked_at_once_when_a_mid_is_in_use() -> None:
    server, rows = Server(), Rows()
    async with watching(server, rows) as watch:
        await until(lambda: server.asked == [None])
        server.held[4] = report(4, OTHER)
        watch.ask_again()
        await until(lambda: len(rows.calls(services.record_inventory)) == 2)
    assert [one.mid for one in rows.calls(services.record_inventory)[1]["unknown"]] == [4]


@virtual_time
async def test_the_watch_ends_with_its_session() -> None:
    class Closed(Server):
        async def statuses(self) -> list[MitigationReport]:
            raise SessionClosed("gone")

    watch = UnknownMitigationWatch(cast(Client, Closed()), cast(FencedStore, Rows()))

    async with asyncio.timeout(1):
        await watch.run()
