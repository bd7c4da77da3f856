from __future__ import annotations

import asyncio
import errno
import gc
import socket
import struct
from contextlib import suppress
from dataclasses import replace

import aiocoap
import pytest

from dots_client.errors import HandshakeFailed
from dots_client.transport.coap_server import ServerSettings
from dots_client.transport.tls_server import serve_tls
from dots_client.transport.wire import AnsweredRequest, WireRecord
from tests.dots_client.authority import Authority
from tests.dots_client.transport.loopback import (
    WhoAmI,
    ask,
    get,
    linked_tls,
    open_tls_link,
    serving_tls,
    site_of,
    until,
)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_failed_handshakes_leave_nothing_behind(authority: Authority) -> None:
    async with serving_tls(authority.server()) as server:
        for junk in (b"", b"\x16\x03\x01\x00", b"GET / HTTP/1.1\r\n\r\n", bytes(2000)):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(junk)
            await writer.drain()
            await _closed(writer)
        await until(lambda: server.pending_count == 0 and not server._closing)

        link = await open_tls_link(server.port, authority.client())
        await link.close()
        await until(lambda: server.sessions == () and not server._closing)


async def test_slow_handshakes_are_aborted(authority: Authority) -> None:
    settings = ServerSettings(handshake_timeout_s=0.05)
    async with serving_tls(authority.server(), settings=settings) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        await _closed(writer)


async def test_the_numbers_of_handshakes_and_sessions_are_limited(authority: Authority) -> None:
    settings = ServerSettings(max_pending=1, max_live=1)
    async with serving_tls(authority.server(), settings=settings) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await until(lambda: server.pending_count == 1)
        async with linked_tls(server, authority.client()) as first:
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            await _closed(writer)
            async with linked_tls(server, authority.client()):
                async with asyncio.timeout(5):
                    assert await first.closed == "the server closed the session"
                assert len(server.sessions) == 1


async def test_a_stopping_server_sends_a_close_notify_and_a_crashing_one_does_not(
    authority: Authority,
) -> None:
    for ends, words in (
        ("close", {"the server closed the session"}),
        (
            "abort",
            {"the server closed the connection unexpectedly", "the server reset the connection"},
        ),
    ):
        async with (
            serving_tls(authority.server()) as server,
            linked_tls(server, authority.client()) as link,
        ):
            await getattr(server, ends)()
            async with asyncio.timeout(5):
                assert await link.closed in words


async def test_a_connection_to_a_peer_that_does_not_read_is_aborted(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Large(WhoAmI):
        async def needs_blockwise_assembly(self, request: aiocoap.Message) -> bool:
            return False

        async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
            return aiocoap.Message(payload=bytes(8_000))

    monkeypatch.setattr("dots_client.transport.tls_connection.MAX_UNSENT_BYTES", 100_000)
    async with (
        serving_tls(authority.server(), Large()) as server,
        linked_tls(server, authority.client()) as link,
    ):
        transport = link.remote._transport
        assert transport is not None
        transport.pause_reading()
        for _ in range(3000):
            link.endpoint.request(get(link), lambda _message, _error: None)

        await until(lambda: server.sessions == (), within_s=20)


async def test_the_tap_gets_every_message_of_the_wire(authority: Authority) -> None:
    wire: list[WireRecord] = []
    async with (
        serving_tls(authority.server()) as server,
        linked_tls(server, authority.client(), on_wire=wire.append) as link,
    ):
        await ask(link.endpoint, get(link))

    sent, received = wire
    assert (sent.direction, sent.kind, sent.code, sent.path) == ("sent", "TCP", "0.01", "/who")
    assert (received.direction, received.code, received.path) == ("received", "2.05", "/who")
    assert (sent.message_id, received.message_id) == (None, None)
    assert received.answers == AnsweredRequest(code="0.01", path="/who", message_id=None)
    assert sent.session == received.session == link.remote.serial
    assert (sent.transport, received.transport) == ("tls", "tls")
    assert sent.message == b"\x44\x01" + bytes.fromhex(sent.token) + b"\xb3who"
    assert received.message.endswith(b"\xffacme")


async def test_a_revoked_server_is_refused(authority: Authority) -> None:
    good, revoked = authority.server(), authority.server()
    client = replace(authority.client(), revocation_lists=authority.revocation_list(revoked))
    async with serving_tls(revoked) as server:
        with pytest.raises(HandshakeFailed, match="the server's certificate was revoked"):
            await open_tls_link(server.port, client)
    async with serving_tls(good) as server:
        link = await open_tls_link(server.port, client)
        await link.close()


@pytest.mark.parametrize("turns", range(6))
async def test_a_client_that_arrives_while_the_server_closes_is_refused(
    authority: Authority, turns: int
) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: complaints.append(what))
    server = await serve_tls(
        site_of(WhoAmI()), host="127.0.0.1", port=0, credentials=authority.server()
    )
    arriving = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
    for _ in range(turns):
        await asyncio.sleep(0)

    await server.close()

    gc.collect()  # an unclosed socket raises a warning here
    assert server.pending_count == 0
    assert complaints == []
    for sock in arriving:
        with suppress(ConnectionResetError):
            assert sock.recv(1) == b""
        sock.close()


async def test_a_server_without_descriptors_accepts_again_once_there_are_some(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = iter([True, True])

    def accept(listener: socket.socket) -> tuple[socket.socket, object]:
        if next(refusals, False):
            raise OSError(errno.EMFILE, "Too many open files")
        return usual(listener)

    usual = socket.socket.accept
    monkeypatch.setattr(socket.socket, "accept", accept)
    async with (
        serving_tls(authority.server()) as server,
        linked_tls(server, authority.client()) as link,
    ):
        assert (await ask(link.endpoint, get(link))).payload == b"acme"

    assert caplog.text.count("cannot accept connections for a moment") == 2


async def test_a_connection_reset_before_accept_is_dropped(
    authority: Authority,
) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: complaints.append(what))
    async with serving_tls(authority.server()) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        async with linked_tls(server, authority.client()) as link:
            assert (await ask(link.endpoint, get(link))).payload == b"acme"
        await until(lambda: server.pending_count == 0)

    assert complaints == []
