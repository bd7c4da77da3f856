"""Sessions over TCP: what TLS repeats, bounds and closes in place of CoAP."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiocoap import Code

from dots_client import (
    AttackStatus,
    LocalProtocolError,
    MitigationStatus,
    Refused,
    SessionClosed,
    WireRecord,
)
from tests.dots_client.authority import Authority
from tests.dots_client.client.listening import over_tcp
from tests.dots_client.client.provider import SCOPE, SETTINGS, silence
from tests.dots_client.transport.loopback import until


async def test_everything_works_over_tcp(authority: Authority) -> None:
    async with over_tcp(authority) as (there, client):
        assert (await client.request(1, SCOPE)).mid == 1
        async with client.observe(1) as reports:
            await until(lambda: there.provider.observer_count == 1)
            there.provider.notify(MitigationStatus.MITIGATING)
            async with asyncio.timeout(5):
                async for report in reports:
                    if report.status is MitigationStatus.MITIGATING:
                        break
        await until(lambda: there.provider.observer_count == 0)
        assert await client.efficacy(1, SCOPE, AttackStatus.UNDER_ATTACK)
        assert (await client.configuration()).sid == 7
        assert [report.mid for report in await client.statuses()] == [1]
        await client.withdraw(1)
        with pytest.raises(Refused):
            await client.status(1)

        assert client.transport == "tls"
        assert client.peer == f"127.0.0.1:{there.tcp.port}"
        assert await client.heartbeat()
        assert client.rtt_s is not None


async def test_nothing_is_repeated_over_tcp(authority: Authority) -> None:
    async with over_tcp(authority) as (there, client):
        there.provider.script.append(silence)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await client.request(1, SCOPE)

        assert len(there.provider.asked(Code.PUT)) == 1


async def test_a_request_that_the_server_may_ignore_has_a_deadline_over_tcp_too(
    authority: Authority,
) -> None:
    async with over_tcp(authority) as (there, client):
        there.provider.script.append(silence)

        assert await client.efficacy(1, SCOPE, AttackStatus.UNDER_ATTACK, deadline_s=0.1) is None

        assert len(there.provider.asked(Code.PUT)) == 1


@pytest.mark.rule("SC-097")
async def test_one_heartbeat_without_an_answer_ends_a_session_over_tcp(
    authority: Authority,
) -> None:
    settings = replace(SETTINGS, heartbeat_interval_s=0.1, missing_hb_allowed=15)
    async with over_tcp(authority, settings) as (there, client):
        await until(lambda: bool(there.provider.heartbeats))
        there.provider.answers_heartbeats = False

        async with asyncio.timeout(5):
            reason = await client.closed()

        assert str(reason) == "a heartbeat had no answer in time"


@pytest.mark.rule("SC-097")
@pytest.mark.rule("SC-092")
async def test_under_attack_a_silent_session_over_tcp_stays_open(authority: Authority) -> None:
    settings = replace(SETTINGS, heartbeat_interval_s=0.05)
    async with over_tcp(authority, settings) as (there, client):
        client.mitigating = True
        there.provider.answers_heartbeats = False
        sent = len(there.provider.heartbeats)
        await until(lambda: len(there.provider.heartbeats) > sent + 4)

        assert (await client.request(1, SCOPE)).mid == 1


async def test_a_closing_server_is_noticed_immediately(authority: Authority) -> None:
    async with over_tcp(authority) as (there, client):
        asking = asyncio.create_task(client.request(1, SCOPE))
        there.provider.script.append(silence)
        await until(lambda: bool(there.provider.asked(Code.PUT)))
        await there.tcp.close()

        with pytest.raises(SessionClosed, match="the server closed the session"):
            await asking


async def test_a_request_is_bounded_by_the_max_message_size_of_the_server(
    authority: Authority,
) -> None:
    async with over_tcp(authority) as (_there, client):
        many = tuple(f"10.{one}.{two}.0/24" for one in range(20) for two in range(256))
        scope = replace(SCOPE, targets=replace(SCOPE.targets, target_prefix=many))

        with pytest.raises(LocalProtocolError, match="the server takes 8192"):
            await client.request(1, scope)


async def test_the_wire_shows_messages_without_types(authority: Authority) -> None:
    wire: list[WireRecord] = []
    async with over_tcp(authority, on_wire=wire.append) as (_there, client):
        await client.request(1, SCOPE)

    put = next(record for record in wire if record.code == "0.03" and "mid=1" in record.path)
    assert (put.kind, put.message_id) == ("TCP", None)
