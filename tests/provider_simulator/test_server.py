from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace

import aiocoap
import pytest

from dots_client import (
    Client,
    ClientSettings,
    HandshakeFailed,
    HopLimitReached,
    MitigationReport,
    MitigationStatus,
    Redirected,
    Refused,
    Server,
    SessionClosed,
    WireRecord,
    connect,
)
from dots_client.server import encode_request, mitigate_path
from provider_simulator.pki import client_credentials, make_pki
from tests.provider_simulator.conftest import Running
from tests.provider_simulator.offline import scope

Status = MitigationStatus

PATIENCE_S = 20.0


async def until(reports: AsyncIterator[MitigationReport], wanted: Status) -> MitigationReport:
    async with asyncio.timeout(PATIENCE_S):
        async for report in reports:
            if report.status is wanted:
                return report
    raise AssertionError(f"the reports ended before {wanted.name}")


async def eventually(holds: Callable[[], bool]) -> None:
    for _ in range(int(PATIENCE_S / 0.01)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the condition was never met")


async def raw(client: Client, **fields: object) -> aiocoap.Message:
    """Send one message on the client's session, past the client."""
    link = client._link
    message = aiocoap.Message(transport_tuning=aiocoap.Unreliable(), **fields)
    message.remote = link.remote
    async with asyncio.timeout(PATIENCE_S):
        return await link.endpoint.context.request(message, handle_blockwise=False).response


@pytest.mark.rule("SC-068")
async def test_a_mitigation_runs_from_request_to_termination_over_the_wire(
    running: Running,
) -> None:
    async with running.client() as acme:
        granted = await acme.request(1, scope(lifetime=600))
        async with acme.observe(1) as reports:
            await until(reports, Status.MITIGATING)
            await acme.withdraw(1)
            await until(reports, Status.TERMINATED)

    assert (granted.mid, granted.lifetime) == (1, 600)


async def test_a_status_set_by_the_operator_reaches_the_observer(running: Running) -> None:
    async with running.client() as acme:
        await acme.request(1, scope())
        async with acme.observe(1) as reports:
            await until(reports, Status.MITIGATING)

            answer = await running.control.post(
                f"/mitigations/{acme.cuid}/1/status", json={"status": 4}
            )
            await until(reports, Status.EXCEEDED_CAPABILITY)

    said = answer.json()
    assert (said["cuid"], said["mid"], said["status"]) == (acme.cuid, 1, 4)
    assert abs(said["at"] - running.signal.now()) < PATIENCE_S


@pytest.mark.rule("SS-040")
async def test_the_end_of_an_observed_mitigation_ends_the_observation(running: Running) -> None:
    async with running.client() as acme:
        await acme.request(1, scope())
        async with acme.observe(1) as reports:
            await until(reports, Status.IN_PROGRESS)
            await running.control.post("/forget")

            with pytest.raises(Refused, match=r"4\.04"):
                await until(reports, Status.TERMINATED)

        await eventually(lambda: len(running.signal.provider.observers) == 0)


@pytest.mark.rule("SS-043")
async def test_leaving_an_observation_removes_the_observer(running: Running) -> None:
    async with running.client() as acme:
        await acme.request(1, scope())
        async with acme.observe(1) as reports:
            await until(reports, Status.MITIGATING)
            assert len(running.signal.provider.observers) == 1

        await eventually(lambda: len(running.signal.provider.observers) == 0)


@pytest.mark.rule("SS-043")
async def test_a_notification_answered_with_rst_ends_the_observation(running: Running) -> None:
    seen: list[WireRecord] = []
    async with running.client(on_wire=seen.append) as acme:
        await acme.request(1, scope())
        await raw(acme, code=aiocoap.GET, uri_path=mitigate_path(acme.cuid, 1), observe=0)
        await eventually(lambda: sum("Observe" in one.options for one in seen) > 2)

        notification = next(one for one in reversed(seen) if "Observe" in one.options)
        rst = aiocoap.Message(code=aiocoap.EMPTY, _mtype=aiocoap.RST, _mid=notification.message_id)
        acme._link.remote.send_message(rst)

        await eventually(lambda: len(running.signal.provider.observers) == 0)


async def test_a_request_of_a_session_that_just_ended_is_dropped(running: Running) -> None:
    request = aiocoap.Message(code=aiocoap.GET)
    request.remote = SimpleNamespace(serial=99)

    await running.signal.render_to_pipe(SimpleNamespace(request=request))

    assert running.signal.requests.after(0) == []


@pytest.mark.rule("SS-074")
async def test_heartbeats_are_sent_both_ways(running: Running) -> None:
    async with running.client() as acme:
        assert await acme.heartbeat()
        await eventually(
            lambda: any(
                session.rtt_s is not None for session in running.signal.provider.sessions.values()
            )
        )


@pytest.mark.rule("SS-046")
async def test_an_unanswered_request_is_not_kept_in_memory(running: Running) -> None:
    await running.behave(accept="silent")
    async with running.client() as acme:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.2):
                await acme.request(1, scope())

        (server,) = running.signal._servers
        tokens = server.endpoint.tokens
        await eventually(lambda: not tokens.incoming_requests)


async def test_refusals_and_redirections_reach_the_client(running: Running) -> None:
    async with running.client() as acme:
        await running.behave(accept="refuse", refuse_code="4.03", refuse_reason="not today")
        with pytest.raises(Refused, match="not today"):
            await acme.request(1, scope())

        await running.behave(accept="always", redirect_to="alt.example 192.0.2.7")
        with pytest.raises(Redirected) as redirected:
            await acme.request(2, scope())

        await running.behave(redirect_to=None, hop_loop="gw1.example gw2.example")
        with pytest.raises(HopLimitReached) as looped:
            await acme.request(3, scope())

    assert redirected.value.redirect.alt_server_record == ("192.0.2.7",)
    assert looped.value.gateways == ("gw1.example", "gw2.example")


@pytest.mark.rule("SS-091")
async def test_a_client_with_a_certificate_but_without_a_contract_is_unauthorized(
    running: Running,
) -> None:
    async with running.client("stranger") as stranger:
        with pytest.raises(Refused, match=r"4\.01"):
            await stranger.request(1, scope())


@pytest.mark.rule("SS-091")
async def test_a_client_of_another_authority_gets_no_session(running: Running) -> None:
    directory = running.pki.parent / "elsewhere"
    make_pki(running.pki.parent, providers=["elsewhere"], clients=["acme"])
    credentials = client_credentials(directory, "acme")

    with pytest.raises(HandshakeFailed):
        async with connect(
            Server(name="127.0.0.1", port=running.signal.port),
            credentials,
            cuid="x",
            settings=ClientSettings(handshake_timeout_s=5),
        ):
            pass


async def test_a_mitigation_survives_the_loss_of_half_of_the_datagrams(running: Running) -> None:
    async with running.client() as acme:
        await running.behave(loss=0.5)
        async with asyncio.timeout(PATIENCE_S):
            granted = await acme.request(1, scope())
        await running.behave(loss=0)

    assert granted.mid == 1


async def test_a_crash_loses_all_state_and_notifies_no_client(running: Running) -> None:
    async with running.client(heartbeat_interval_s=0.1, missing_hb_allowed=2) as acme:
        await acme.request(1, scope())

        await running.control.post("/crash")
        async with asyncio.timeout(PATIENCE_S):
            reason = await acme.closed()

    assert isinstance(reason, SessionClosed)
    async with running.client() as again:
        with pytest.raises(Refused, match=r"4\.04"):
            await again.status(1)


@pytest.mark.rule("SS-041")
async def test_the_blocks_of_a_large_answer_are_one_snapshot(
    running: Running,
) -> None:
    async with running.client() as acme:
        for mid in range(1, 31):
            await acme.request(mid, scope(f"203.0.113.{mid}/32"))

        async with asyncio.timeout(PATIENCE_S):
            reports = await acme.statuses()
        first = await raw(acme, code=aiocoap.GET, uri_path=mitigate_path(acme.cuid))

    assert [report.mid for report in reports] == list(range(1, 31))
    assert first.opt.block2.more
    assert len(first.opt.etag) == 8


async def test_a_later_block_of_an_unknown_answer_is_refused(running: Running) -> None:
    async with running.client() as acme:
        answer = await raw(
            acme,
            code=aiocoap.GET,
            uri_path=mitigate_path(acme.cuid),
            block2=(3, False, 6),
        )

    assert answer.code is aiocoap.REQUEST_ENTITY_INCOMPLETE


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"if_none_match": True}, aiocoap.BAD_OPTION),
        ({"accept": 60}, aiocoap.NOT_ACCEPTABLE),
        ({"content_format": 60}, aiocoap.UNSUPPORTED_CONTENT_FORMAT),
    ],
)
async def test_unknown_critical_options_are_refused(
    running: Running, options: dict[str, object], code: aiocoap.Code
) -> None:
    async with running.client() as acme:
        answer = await raw(
            acme,
            code=aiocoap.PUT,
            uri_path=mitigate_path(acme.cuid, 1),
            payload=encode_request(scope()),
            **{"content_format": 271, **options},
        )

    assert answer.code is code
