"""A client that may no longer send ends its session with a close_notify; no timer and no answer
passes the guard.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from aiocoap import Code

from dots_client import ClientCache, DotsError, MitigationStatus, PeerUnreachable, Server, connect
from dots_client.client.request_layer import Request
from dots_client.codec import mitigate_path
from dots_client.transport.coap_server import ServerSettings
from dots_client.transport.dtls_engine import content_types
from dots_client.transport.dtls_server import serve_dtls
from tests.dots_client.authority import Authority
from tests.dots_client.client.listening import Listening, listening
from tests.dots_client.client.provider import CUID, SCOPE, SETTINGS, Provider, silence
from tests.dots_client.transport.loopback import until

LONGER_THAN_EVERY_TIMER_S = 1.0
ALERT = 21
CLOSE_NOTIFY_BYTES = 24
"""Of TLS 1.3: header, alert, content type and tag."""
LARGE = Request(code=Code.PUT, path=mitigate_path(CUID, 9), payload=bytes(1000))
EAGER = replace(SETTINGS, heartbeat_interval_s=0.1, eager_poll_interval_s=0.1)


class SendGuard:
    def __init__(self) -> None:
        self.is_open = True
        self.refusals = 0

    def __call__(self) -> bool:
        self.refusals += not self.is_open
        return self.is_open


class Relay:
    """Records what a client sends to a TCP server, byte for byte."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self.to_server = b""
        self.reads = asyncio.Event()
        self.reads.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)

        async def pump(
            source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_kept: bool
        ) -> None:
            with suppress(ConnectionError):
                while data := await source.read(65536):
                    await self.reads.wait()
                    self.to_server += data if is_kept else b""
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(
            pump(reader, server_writer, is_kept=True), pump(server_reader, writer, is_kept=False)
        )


@asynccontextmanager
async def relayed(there: Listening) -> AsyncIterator[tuple[Relay, int]]:
    """The relay and its port."""
    relay = Relay(there.tcp.port)
    async with await asyncio.start_server(relay.carry, "127.0.0.1", 0) as server:
        yield relay, server.sockets[0].getsockname()[1]


async def test_behind_a_closed_guard_only_a_close_notify_leaves(authority: Authority) -> None:
    guard = SendGuard()
    datagrams: list[bytes] = []

    def keep(datagram: bytes, _address: object) -> bool:
        datagrams.append(datagram)
        return False

    async with listening(authority) as there:
        there.udp.drop_incoming = keep
        async with connect(
            replace(there.server, transports=("dtls",)),
            authority.client(),
            cuid=CUID,
            settings=EAGER,
            may_send=guard,
        ) as client:
            await client.request(1, SCOPE)
            there.provider.script.append(silence)
            asking = asyncio.create_task(client.request(2, SCOPE))
            async with client.observe(1):
                await until(lambda: there.provider.observer_count == 1)

                guard.is_open, sent = False, len(datagrams)
                # The server sends messages that need an acknowledgement; heartbeats, repeats and
                # polls become due.
                there.provider.notify(MitigationStatus.MITIGATING)
                await asyncio.sleep(LONGER_THAN_EVERY_TIMER_S)
            asking.cancel()
            (session,) = there.udp.sessions
            assert len(datagrams) == sent
        await until(lambda: there.udp.sessions == ())

    assert guard.refusals > 3
    (last,) = datagrams[sent:]
    assert content_types(last) == [ALERT]
    assert session.reason == "the client closed the session"


async def test_behind_a_closed_guard_the_end_of_a_resumed_handshake_is_not_repeated(
    authority: Authority,
) -> None:
    """It is sent with every message until the server has sent in the session."""
    guard, cache, credentials = SendGuard(), ClientCache(), authority.client()
    datagrams: list[bytes] = []

    def keep(datagram: bytes, _address: object) -> bool:
        datagrams.append(datagram)
        return False

    provider = Provider()
    listening = await serve_dtls(
        provider,
        host="127.0.0.1",
        port=0,
        credentials=authority.server(),
        settings=ServerSettings(hands_out_tickets=True),
    )
    server = Server("provider.example", "127.0.0.1", listening.port)
    async with connect(server, credentials, cuid=CUID, settings=SETTINGS, cache=cache):
        await until(lambda: len(provider.heartbeats) == 1)
    listening.drop_incoming = keep
    provider.answers_heartbeats = False
    async with connect(
        server, credentials, cuid=CUID, settings=SETTINGS, cache=cache, may_send=guard
    ) as client:
        assert client.was_resumed
        await until(lambda: len(provider.heartbeats) == 2)
        guard.is_open, sent = False, len(datagrams)
    await until(lambda: len(datagrams) > sent)
    await listening.close()

    assert content_types(b"".join(datagrams[sent:])) == [ALERT]


async def test_behind_a_closed_guard_only_a_close_notify_leaves_over_tcp(
    authority: Authority,
) -> None:
    guard = SendGuard()
    async with listening(authority) as there, relayed(there) as (relay, port):
        server = replace(there.server, port=port, transports=("tls",))
        async with connect(
            server, authority.client(), cuid=CUID, settings=EAGER, may_send=guard
        ) as client:
            await client.request(1, SCOPE)
            (session,) = there.tcp.sessions

            guard.is_open, sent = False, len(relay.to_server)
            with pytest.raises(DotsError):
                await client.request(2, SCOPE)
            assert "may not speak" in str(await client.closed())
        await until(lambda: there.tcp.sessions == ())

    assert guard.refusals > 0
    assert len(relay.to_server) - sent == CLOSE_NOTIFY_BYTES
    assert session.reason == "the client closed the session"


async def test_behind_a_closed_guard_a_blocked_stream_is_aborted(
    authority: Authority,
) -> None:
    """The server could not read a close_notify after half a record, and the other half must not be
    sent.
    """
    guard = SendGuard()
    async with listening(authority) as there, relayed(there) as (relay, port):
        server = replace(there.server, port=port, transports=("tls",))
        async with connect(
            server, authority.client(), cuid=CUID, settings=SETTINGS, may_send=guard
        ) as client:
            await client.request(1, SCOPE)
            (session,) = there.tcp.sessions
            relay.reads.clear()
            stream = client.requests.link.remote._transport
            while stream.get_write_buffer_size() == 0:
                client.requests.transmit(LARGE, lambda _outcome: None)

            guard.is_open = False
        relay.reads.set()
        await until(lambda: there.tcp.sessions == ())

    assert session.reason in {
        "the client closed the connection unexpectedly",
        "the client reset the connection",
    }


@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_no_session_opens_while_the_guard_is_closed(
    authority: Authority, transport: str
) -> None:
    guard = SendGuard()
    guard.is_open = False
    async with listening(authority) as there:
        heard: list[bytes] = []

        def hear(datagram: bytes, _address: object) -> bool:
            heard.append(datagram)
            return False

        there.udp.drop_incoming = hear
        with pytest.raises(PeerUnreachable, match="may not speak any more"):
            async with connect(
                replace(there.server, transports=(transport,)),
                authority.client(),
                cuid=CUID,
                settings=SETTINGS,
                may_send=guard,
            ):
                pytest.fail("a session began")

    assert heard == []
