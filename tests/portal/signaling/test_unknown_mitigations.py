"""How one session finds and ends unknown mitigations, with a stand-in for the rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import pytest

from dots_client import (
    Client,
    EncodeError,
    MitigationReport,
    MitigationStatus,
    NoAnswer,
    Refused,
    RemoteProtocolError,
    Scope,
    ServerUnavailable,
    SessionClosed,
)
from portal.core.targets import ReportedTargets
from portal.inventory import queries, services
from portal.inventory.models import UnknownMitigation
from portal.mitigations.models import Mitigation
from portal.mitigations.queries import mitigations_by_mid
from portal.mitigations.release import MAX_RELEASE_TRIES
from portal.mitigations.services import raise_next_mid
from portal.mitigations.states import Status
from portal.signaling import database_clock
from portal.signaling.fenced_store import FencedStore
from portal.signaling.inventory_query import MAX_CONCURRENT
from portal.signaling.unknown_mitigations import (
    AGAIN_AFTER_S,
    EVERY_S,
    UNKNOWN_EVERY_S,
    UnknownMitigationWatch,
)
from tests.portal.signaling.test_inventory_comparison import NOW, OTHER, report, row
from tests.portal.signaling.virtual_time import pass_time, until, virtual_time

CUID = "ours"


class Server:
    """Holds `held`, lists what is not in `unlisted`, and stops what is withdrawn unless it
    `refuses`.
    """

    cuid = CUID

    def __init__(self, *held: MitigationReport, unlisted: Sequence[int] = ()) -> None:
        self.held = {one.mid: one for one in held if one.mid is not None}
        self.unlisted = unlisted
        self.list_refusal: Exception | None = None
        self.refuses: Exception | None = None
        self.asked: list[int | None] = []
        self.put: list[tuple[int, Scope]] = []
        self.withdrawn: list[int] = []

    async def statuses(self) -> list[MitigationReport]:
        self.asked.append(None)
        if self.list_refusal:
            raise self.list_refusal
        listed = [one for mid, one in self.held.items() if mid not in self.unlisted]
        if not listed:
            raise Refused("4.04")
        return listed

    async def status(self, mid: int) -> MitigationReport:
        self.asked.append(mid)
        if mid not in self.held:
            raise Refused("4.04")
        return self.held[mid]

    async def request(self, mid: int, scope: Scope) -> MitigationReport:
        self.put.append((mid, scope))
        if self.refuses:
            raise self.refuses
        return MitigationReport(mid=mid, lifetime=scope.lifetime)

    async def withdraw(self, mid: int) -> None:
        self.withdrawn.append(mid)
        if self.refuses:
            raise self.refuses


class Rows:
    """A stand-in for the store; records every write."""

    def __init__(self, *own: Mitigation) -> None:
        self.subscription_id = uuid4()
        self.own = {one.mid: one for one in own}
        self.unknown: list[UnknownMitigation] = []
        self.written: list[tuple[Callable[..., Any], dict[str, Any]]] = []

    async def run(self, call: Callable[..., Any], *args: Any) -> Any:
        if call is mitigations_by_mid:
            return {mid: self.own[mid] for mid in args[1] if mid in self.own}
        assert call is queries.open_unknown
        return list(self.unknown)

    async def write(self, call: Callable[..., Any], **kwargs: Any) -> Any:
        self.written.append((call, kwargs))
        if call is services.record_release:
            [row] = [one for one in self.unknown if one.pk == kwargs["unknown_id"]]
            row.release_tried_at, row.release_tries = kwargs["now"], row.release_tries + 1
            return True
        return None

    def calls(self, call: Callable[..., Any]) -> list[dict[str, Any]]:
        return [kwargs for one, kwargs in self.written if one is call]


@asynccontextmanager
async def watching(server: Server, rows: Rows) -> AsyncIterator[UnknownMitigationWatch]:
    watch = UnknownMitigationWatch(cast(Client, server), cast(FencedStore, rows))
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.wait([task])


def recorded(mid: int, prefixes: Sequence[str] = OTHER, **fields: Any) -> UnknownMitigation:
    targets = ReportedTargets(prefixes=tuple(prefixes))
    return UnknownMitigation(
        pk=uuid4(), cuid=CUID, mid=mid, dots_status=2, targets=targets, **fields
    )


async def taken(server: Server, rows: Rows) -> dict[str, Any]:
    async with watching(server, rows):
        await until(lambda: bool(rows.calls(services.record_inventory)))
    return rows.calls(services.record_inventory)[0]


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
async def test_a_requested_withdrawal_is_sent_once() -> None:
    server, rows = Server(report(4, OTHER)), Rows()
    asked = recorded(4, withdrawal_asked_at=database_clock.now())
    rows.unknown = [asked, recorded(5)]
    async with watching(server, rows) as watch:
        await until(lambda: bool(rows.calls(services.record_withdrawal_confirmed)))
        for _ in range(3):
            watch.wake()
            await pass_time(1)
    assert server.withdrawn == [4]
    assert rows.calls(services.record_withdrawal_confirmed)[0]["unknown_id"] == asked.pk


@virtual_time
async def test_a_wake_up_sends_a_withdrawal_at_once() -> None:
    server, rows = Server(report(4, OTHER)), Rows()
    rows.unknown = [recorded(4)]
    async with watching(server, rows) as watch:
        await until(lambda: bool(rows.calls(services.record_inventory)))
        rows.unknown[0].withdrawal_asked_at = database_clock.now()
        watch.wake()
        await until(lambda: server.withdrawn == [4])


@pytest.mark.parametrize("refusal", [Refused("4.03"), ServerUnavailable("5.00")], ids=str)
@virtual_time
async def test_a_refused_withdrawal_is_saved_and_retried(refusal: Exception) -> None:
    server, rows = Server(report(4, OTHER)), Rows()
    server.refuses = refusal
    rows.unknown = [recorded(4, withdrawal_asked_at=database_clock.now())]
    async with watching(server, rows):
        await pass_time(2 * AGAIN_AFTER_S + 1)
    assert server.withdrawn == [4, 4, 4]
    assert rows.calls(services.record_withdrawal_refused)[0]["code"] == str(refusal)
    assert rows.calls(services.record_withdrawal_confirmed) == []


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


@pytest.mark.parametrize("failure", [NoAnswer("no answer"), RemoteProtocolError("odd")], ids=str)
@pytest.mark.parametrize("what", ["status", "withdraw"])
@virtual_time
async def test_an_unanswered_question_does_not_delay_other_withdrawals(
    failure: Exception, what: str
) -> None:
    class Half(Server):
        async def status(self, mid: int) -> MitigationReport:
            if what == "status" and mid == 4:
                raise failure
            return await super().status(mid)

        async def withdraw(self, mid: int) -> None:
            await super().withdraw(mid)
            if what == "withdraw" and mid == 4:
                raise failure

    server, rows = Half(report(4, OTHER), report(5, OTHER)), Rows()
    rows.unknown = [recorded(mid, withdrawal_asked_at=database_clock.now()) for mid in (4, 5)]

    await taken(server, rows)

    assert server.withdrawn == [4, 5]
    assert rows.calls(services.record_withdrawal_refused) == []


@virtual_time
async def test_an_unanswered_withdrawal_does_not_delay_the_others() -> None:
    class Half(Server):
        async def status(self, mid: int) -> MitigationReport:
            if mid == 4:
                raise NoAnswer("no answer")
            return await super().status(mid)

    server, rows = Half(report(5, OTHER)), Rows()
    server.list_refusal = NoAnswer("no answer")
    rows.unknown = [recorded(4), recorded(5)]

    written = await taken(server, rows)

    assert (set(written["answered_mids"]), written["refusal"]) == ({5}, "silence")


NOT_TO_BE_TOLD = [
    pytest.param({}, None, id="nobody asked"),
    pytest.param({"told_at": timedelta(0)}, None, id="told just now"),
    pytest.param({"told_at": timedelta(hours=1), "dots_status": 5}, None, id="winds down"),
    pytest.param({"cuid": "of before"}, None, id="of another identity"),
    pytest.param(
        {"asked": True}, {"status": Status.MITIGATING, "confirmed_at": NOW}, id="a request has it"
    ),
]


@pytest.mark.parametrize(("fields", "own"), NOT_TO_BE_TOLD)
@virtual_time
async def test_only_requested_mitigations_are_withdrawn(
    fields: dict[str, Any], own: dict[str, Any] | None
) -> None:
    server = Server(report(4, OTHER))
    rows = Rows(*([] if own is None else [row(4, **own)]))
    unknown = recorded(4)
    if fields:
        unknown.withdrawal_asked_at = database_clock.now()
    if "told_at" in fields:
        unknown.told_at = database_clock.now() - fields["told_at"]
    unknown.dots_status = fields.get("dots_status", 2)
    unknown.cuid = fields.get("cuid", CUID)
    rows.unknown = [unknown]

    await taken(server, rows)

    assert server.withdrawn == []


@virtual_time
async def test_a_confirmed_withdrawal_without_effect_is_repeated() -> None:
    server, rows = Server(report(4, OTHER)), Rows()
    long_ago = database_clock.now() - timedelta(minutes=5)
    rows.unknown = [recorded(4, withdrawal_asked_at=long_ago, told_at=long_ago)]
    async with watching(server, rows):
        await until(lambda: server.withdrawn == [4])


@pytest.mark.parametrize("is_told_again", [False, True])
@virtual_time
async def test_a_withdrawal_from_a_backup_does_not_end_another_mitigation_with_the_mid(
    *, is_told_again: bool
) -> None:
    server, rows = Server(report(4, OTHER)), Rows()
    long_ago = database_clock.now() - timedelta(minutes=5)
    told_at = long_ago if is_told_again else None
    rows.unknown = [recorded(4, ["203.0.113.40/32"], withdrawal_asked_at=long_ago, told_at=told_at)]

    written = await taken(server, rows)

    assert server.withdrawn == []
    assert [one.targets.prefixes for one in written["unknown"]] == [OTHER]


@virtual_time
async def test_a_mitigation_without_a_description_is_withdrawn_too() -> None:
    class Quiet(Server):
        async def status(self, mid: int) -> MitigationReport:
            raise Refused("4.05")

    server, rows = Quiet(report(4, OTHER)), Rows()
    rows.unknown = [recorded(4, withdrawal_asked_at=database_clock.now())]
    async with watching(server, rows):
        await until(lambda: server.withdrawn == [4])


def kept(**fields: Any) -> UnknownMitigation:
    """Withdrawn, confirmed, and reported in standby since."""
    at = database_clock.now() - timedelta(minutes=1)
    one = recorded(
        4,
        withdrawal_asked_at=at,
        withdrawal_confirmed_at=at,
        told_at=at,
        reported_at=database_clock.now(),
    )
    one.dots_status = 8
    for name, value in fields.items():
        setattr(one, name, value)
    return one


@pytest.mark.parametrize("refusal", [None, Refused("4.00"), EncodeError("scope", "odd")], ids=str)
@virtual_time
async def test_a_mitigation_still_in_standby_gets_a_lifetime_of_one_and_no_delete(
    refusal: Exception | None,
) -> None:
    there = report(4, OTHER, status=MitigationStatus.SIGNAL_LOSS, trigger_mitigation=False)
    server, rows = Server(there), Rows()
    server.refuses = refusal
    rows.unknown = [kept()]
    async with watching(server, rows) as watch:
        await until(lambda: bool(rows.calls(services.record_inventory)))
        watch.wake()
        await pass_time(1)

    [(mid, scope)] = server.put
    assert (mid, scope.lifetime, scope.trigger_mitigation) == (4, 1, False)
    assert scope.targets == there.targets
    assert server.withdrawn == []
    # Counted before it is sent.
    assert rows.written[0][0] is services.record_release


@virtual_time
async def test_a_mitigation_started_in_between_gets_a_delete_and_no_put() -> None:
    server, rows = Server(report(4, OTHER)), Rows()
    rows.unknown = [kept()]

    await taken(server, rows)

    assert (server.withdrawn, server.put) == ([4], [])


NO_PUT = [
    pytest.param({"release_tries": MAX_RELEASE_TRIES}, id="given up"),
    pytest.param(
        {"release_tries": 1, "release_tried_at": database_clock.now()}, id="tried just now"
    ),
    pytest.param({"reported_at": database_clock.now() - timedelta(hours=1)}, id="reported before"),
]


@pytest.mark.parametrize("fields", NO_PUT)
@virtual_time
async def test_a_release_is_not_retried_too_soon_or_forever(
    fields: dict[str, Any],
) -> None:
    server = Server(report(4, OTHER, status=MitigationStatus.SIGNAL_LOSS))
    rows = Rows()
    rows.unknown = [kept(**fields)]
    if rows.unknown[0].release_tried_at is not None:
        rows.unknown[0].release_tried_at = database_clock.now()

    await taken(server, rows)

    assert server.put == []


@virtual_time
async def test_the_watch_ends_with_its_session() -> None:
    class Closed(Server):
        async def statuses(self) -> list[MitigationReport]:
            raise SessionClosed("gone")

    watch = UnknownMitigationWatch(cast(Client, Closed()), cast(FencedStore, Rows()))

    async with asyncio.timeout(1):
        await watch.run()
