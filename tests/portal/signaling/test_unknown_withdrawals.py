"""How one session ends unknown mitigations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dots_client import (
    EncodeError,
    MitigationReport,
    MitigationStatus,
    NoAnswer,
    Refused,
    RemoteProtocolError,
    ServerUnavailable,
)
from portal.inventory import services
from portal.mitigations.release import MAX_RELEASE_TRIES
from portal.mitigations.states import Status
from portal.signaling.actions.unknown_mitigations import (
    AGAIN_AFTER_S,
)
from portal.signaling.leasing import database_clock
from tests.portal.signaling.holding_server import (
    CUID,
    Rows,
    Server,
    kept,
    recorded,
    taken,
    watching,
)
from tests.portal.signaling.test_inventory_comparison import NOW, OTHER, report, row
from tests.portal.signaling.virtual_time import pass_time, until, virtual_time


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
