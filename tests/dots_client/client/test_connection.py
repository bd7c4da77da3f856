from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import NoReturn

import pytest

from dots_client import (
    ConnectCrashed,
    HandshakeFailed,
    LocalProtocolError,
    PeerUnreachable,
    Server,
    SessionClosed,
    connect,
)
from dots_client.transport.dtls_engine import DtlsEngine
from tests.dots_client.authority import Authority, trusting
from tests.dots_client.client.provider import (
    CUID,
    SCOPE,
    SETTINGS,
    Provider,
    in_session,
    serving,
    silence,
)
from tests.dots_client.transport.loopback import until


async def test_a_session_can_be_described(authority: Authority) -> None:
    async with in_session(authority) as scene:
        now = asyncio.get_running_loop().time()

        assert scene.client.transport == "dtls"
        assert scene.client.peer == f"127.0.0.1:{scene.server.port}"
        assert scene.client.cuid == CUID
        assert now - 5 < scene.client.connected_at <= scene.client.last_heard_at <= now
        assert scene.client.rtt_s is not None


@pytest.mark.rule("SC-117")
@pytest.mark.rule("SC-123")
async def test_a_server_that_cannot_be_authenticated_gets_nothing(
    authority: Authority, rogue: Authority
) -> None:
    provider = Provider()
    async with serving(authority, provider) as server:
        with pytest.raises(HandshakeFailed, match="not trusted here"):
            async with connect(
                Server("provider.example", "127.0.0.1", server.port),
                trusting(authority.client(), rogue),
                cuid=CUID,
                settings=SETTINGS,
            ):
                pytest.fail("there must be no session")

    assert provider.requests == []


async def test_a_missing_server_is_unreachable(authority: Authority) -> None:
    async with serving(authority, Provider()) as server:
        port = server.port

    with pytest.raises(PeerUnreachable):
        async with connect(
            Server("provider.example", "127.0.0.1", port),
            authority.client(),
            cuid=CUID,
            settings=SETTINGS,
        ):
            pytest.fail("there must be no session")


async def test_a_crash_while_a_handshake_is_received_ends_the_attempt(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> NoReturn:
        raise RuntimeError("our code")

    monkeypatch.setattr(DtlsEngine, "receive", crash)
    async with serving(authority, Provider()) as server:
        with pytest.raises(ConnectCrashed, match=r"^this client failed \(RuntimeError\)$"):
            async with connect(
                Server("provider.example", "127.0.0.1", server.port, transports=("dtls",)),
                authority.client(),
                cuid=CUID,
                settings=replace(SETTINGS, handshake_timeout_s=0.5),
            ):
                pytest.fail("there must be no session")


async def test_an_unsupported_transport_is_a_local_error(authority: Authority) -> None:
    with pytest.raises(LocalProtocolError, match="no such transport: pigeon"):
        async with connect(
            Server("provider.example", transports=("pigeon",)), authority.client(), cuid=CUID
        ):
            pytest.fail("there must be no session")


async def test_a_close_notify_from_the_server_ends_the_session_and_pending_requests(
    authority: Authority,
) -> None:
    async with in_session(authority) as scene:
        scene.provider.script.extend([silence] * 20)
        asking = asyncio.create_task(scene.client.request(1, SCOPE))
        await until(lambda: bool(scene.provider.requests))

        await scene.server.close()

        with pytest.raises(SessionClosed, match="the server closed the session"):
            await asking
        assert str(await scene.client.closed()) == "the server closed the session"
        with pytest.raises(SessionClosed):
            await scene.client.request(2, SCOPE)


async def test_closing_twice_is_harmless(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.close()
        await scene.client.close()

        assert str(await scene.client.closed()) == "closed by us"
        await until(lambda: scene.server.sessions == ())


async def test_an_error_inside_the_block_is_raised_unchanged(authority: Authority) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with in_session(authority):
            raise KeyError("mine")


async def test_cancelling_inside_the_context_closes_the_session(authority: Authority) -> None:
    provider = Provider()
    async with serving(authority, provider) as server:

        async def stay() -> None:
            async with connect(
                Server("provider.example", "127.0.0.1", server.port),
                authority.client(),
                cuid=CUID,
                settings=SETTINGS,
            ):
                await asyncio.Event().wait()

        staying = asyncio.create_task(stay())
        await until(lambda: bool(server.sessions))
        staying.cancel()

        with pytest.raises(asyncio.CancelledError):
            await staying
        await until(lambda: server.sessions == ())


async def test_two_clients_do_not_disturb_each_other(authority: Authority) -> None:
    async with in_session(authority) as acme, in_session(authority) as globex:
        reports = await asyncio.gather(
            acme.client.request(1, SCOPE), globex.client.request(2, SCOPE)
        )

        assert [report.mid for report in reports] == [1, 2]


async def test_the_wire_is_recorded(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.request(1, SCOPE)

        put, created = (record for record in scene.wire if record.path.endswith("mid=1"))
        assert (put.direction, put.kind, put.code) == ("sent", "NON", "0.03")
        assert (created.direction, created.kind, created.code) == ("received", "NON", "2.01")
        assert put.options == "Content-Format=271"
