"""Servers with TLS but invalid CoAP."""

from __future__ import annotations

import asyncio
import socket

import aiocoap
import pytest
from OpenSSL import SSL

from dots_client.errors import HandshakeFailed, PeerUnreachable
from dots_client.transport.frames import framed
from dots_client.transport.tls_connection import NO_ALPN
from dots_client.transport.tls_contexts import tls_server_context
from dots_client.transport.tls_engine import TlsEngine
from tests.dots_client.authority import Authority
from tests.dots_client.transport.loopback import (
    ask,
    get,
    open_tls_link,
    serving_tls,
)
from tests.dots_client.transport.streams import CSM, raw_server, stream_server


@pytest.mark.rule("SC-113")
async def test_a_csm_without_options_means_the_base_values(authority: Authority) -> None:
    async with raw_server(authority, CSM) as port:
        link = await open_tls_link(port, authority.client())

        assert link.max_message_bytes == 1152
        await link.close()


@pytest.mark.rule("SC-113")
@pytest.mark.parametrize(
    ("sends", "words"),
    [
        (framed(aiocoap.Message(code=aiocoap.CONTENT)), "the server did not begin with a CSM"),
        (framed(aiocoap.Message(code=aiocoap.PING)), "the server did not begin with a CSM"),
        (bytes.fromhex("20e1") + b"\x50\x00", "option 5 is not supported"),
        (b"\xf0" + b"\xff" * 4 + b"\xe1", "a message of .* bytes was announced, 8192 are allowed"),
        (bytes.fromhex("1045f0"), "an option has a part of a payload marker"),
        (bytes.fromhex("20e12100"), "messages of 0 bytes are too small"),
        (bytes.fromhex("20e1213f"), "messages of 63 bytes are too small"),
        (framed(aiocoap.Message(code=aiocoap.ABORT, payload=b"busy")), "CSM"),
    ],
)
async def test_a_session_with_a_server_without_a_valid_csm_is_closed(
    authority: Authority, sends: bytes, words: str
) -> None:
    async with raw_server(authority, sends) as port:
        with pytest.raises(HandshakeFailed, match=words):
            await open_tls_link(port, authority.client())


@pytest.mark.rule("SC-113")
async def test_our_csm_is_sent_first_without_waiting(authority: Authority) -> None:
    wire: list[bytes] = []
    context = tls_server_context(authority.server(), require_client_certificate=True)
    heard = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine = TlsEngine.server(context)
        while data := await reader.read(4096):
            if cleartext := engine.receive(data):
                wire.append(cleartext)
                heard.set()
            writer.write(engine.bytes_to_send())

    async with stream_server(serve) as port:
        opening = asyncio.create_task(open_tls_link(port, authority.client()))
        async with asyncio.timeout(5):
            await heard.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    assert wire[0][1] == int(aiocoap.CSM)


@pytest.mark.rule("SC-114")
async def test_a_server_that_does_not_select_coap_is_refused_by_default(
    authority: Authority,
) -> None:
    async with serving_tls(authority.server()) as server:
        server._context.set_alpn_select_callback(_select_none)
        with pytest.raises(HandshakeFailed, match=NO_ALPN[:30]):
            await open_tls_link(server.port, authority.client())
        link = await open_tls_link(server.port, authority.client(), requires_alpn=False)
        assert (await ask(link.endpoint, get(link))).payload == b"acme"
        await link.close()


def _select_none(_connection: SSL.Connection, _offered: list[bytes]) -> SSL._NoOverlappingProtocols:
    return SSL.NO_OVERLAPPING_PROTOCOLS


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("close", "the server closed the session"),
        ("break", "the server closed the connection unexpectedly"),
        ("reset", "the server reset the connection"),
    ],
)
async def test_the_end_of_a_session_has_a_reason_as_text(
    authority: Authority, then: str, words: str
) -> None:
    async with raw_server(authority, CSM, then=then) as port:
        link = await open_tls_link(port, authority.client())
        async with asyncio.timeout(5):
            assert await link.closed == words
        await link.close()


@pytest.mark.parametrize("then", ["break", "reset"])
async def test_an_end_before_the_csm_hints_at_the_certificate(
    authority: Authority, then: str
) -> None:
    async with raw_server(authority, b"", then=then) as port:
        with pytest.raises(HandshakeFailed, match=r"before the session began: .* our certificate"):
            await open_tls_link(port, authority.client())


async def test_the_reason_of_a_leaving_peer_is_quoted(authority: Authority) -> None:
    goodbye = CSM + framed(aiocoap.Message(code=aiocoap.ABORT, payload=b"too busy"))
    async with raw_server(authority, goodbye) as port:
        link = await open_tls_link(port, authority.client())
        async with asyncio.timeout(5):
            assert await link.closed == "the server ended the session: too busy"
        await link.close()


async def test_a_web_server_is_not_a_dots_server(authority: Authority) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with stream_server(serve) as port:
        with pytest.raises(HandshakeFailed, match=r"the server does not speak TLS 1\.2"):
            await open_tls_link(port, authority.client())


async def test_a_closed_port_is_reported_at_once(authority: Authority) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    with pytest.raises(PeerUnreachable, match=f"nothing listens at 127.0.0.1:{port}"):
        await open_tls_link(port, authority.client())


async def test_silence_ends_at_the_deadline(authority: Authority) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()

        with pytest.raises(PeerUnreachable, match=r"nothing answered at .* within 0.1 s"):
            await open_tls_link(deaf.getsockname()[1], authority.client(), timeout_s=0.1)
