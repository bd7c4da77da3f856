"""Who may not speak any more says nothing: no timer, no answer, no goodbye gets past the gate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from dots_client import DotsError, MitigationStatus, PeerUnreachable, connect
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SCOPE, SETTINGS, silence
from tests.dots_client.client.test_transports import Listening, listening
from tests.dots_client.transport.loopback import until

LONGER_THAN_EVERY_TIMER_S = 1.0
EAGER = replace(SETTINGS, heartbeat_interval_s=0.1, eager_poll_interval_s=0.1)


class Gate:
    def __init__(self) -> None:
        self.is_open = True
        self.refusals = 0

    def __call__(self) -> bool:
        self.refusals += not self.is_open
        return self.is_open


class Relay:
    """Counts what a client sends to a TCP server, byte for byte."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self.bytes_to_server = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)

        async def pump(
            source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, counts: bool
        ) -> None:
            with suppress(ConnectionError):
                while data := await source.read(65536):
                    self.bytes_to_server += len(data) if counts else 0
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(
            pump(reader, server_writer, counts=True), pump(server_reader, writer, counts=False)
        )


@asynccontextmanager
async def counted(there: Listening) -> AsyncIterator[tuple[Relay, int]]:
    """The relay and its port."""
    relay = Relay(there.tcp.port)
    async with await asyncio.start_server(relay.carry, "127.0.0.1", 0) as server:
        yield relay, server.sockets[0].getsockname()[1]


async def test_behind_a_closed_gate_no_datagram_leaves(authority: Authority) -> None:
    gate, datagrams = Gate(), 0

    def count(_datagram: bytes, _address: object) -> bool:
        nonlocal datagrams
        datagrams += 1
        return False

    async with listening(authority) as there:
        there.udp.drop_incoming = count
        async with connect(
            replace(there.server, transports=("dtls",)),
            authority.client(),
            cuid=CUID,
            settings=EAGER,
            may_send=gate,
        ) as client:
            await client.request(1, SCOPE)
            there.provider.script.append(silence)
            asking = asyncio.create_task(client.request(2, SCOPE))
            async with client.observe(1):
                await until(lambda: there.provider.observer_count == 1)

                gate.is_open, sent = False, datagrams
                # The server pushes and wants an acknowledgement; timers for heartbeats, repeats and polls fall due.
                there.provider.notify(MitigationStatus.MITIGATING)
                await asyncio.sleep(LONGER_THAN_EVERY_TIMER_S)
            asking.cancel()
        await asyncio.sleep(0.1)

    assert gate.refusals > 3
    assert datagrams == sent


async def test_behind_a_closed_gate_no_byte_leaves_over_tcp(authority: Authority) -> None:
    gate = Gate()
    async with listening(authority) as there, counted(there) as (relay, port):
        server = replace(there.server, port=port, transports=("tls",))
        async with connect(
            server, authority.client(), cuid=CUID, settings=EAGER, may_send=gate
        ) as client:
            await client.request(1, SCOPE)

            gate.is_open, sent = False, relay.bytes_to_server
            with pytest.raises(DotsError):
                await client.request(2, SCOPE)
            assert "may not speak" in str(await client.closed())
        await asyncio.sleep(0.1)

    assert gate.refusals > 0
    assert relay.bytes_to_server == sent


@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_behind_a_closed_gate_no_session_begins(authority: Authority, transport: str) -> None:
    gate = Gate()
    gate.is_open = False
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
                may_send=gate,
            ):
                pytest.fail("a session began")

    assert heard == []
