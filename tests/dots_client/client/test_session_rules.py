"""Rules that hold for a session as a whole."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiocoap import Code

from dots_client import (
    AttackStatus,
    LocalProtocolError,
    Server,
    connect,
)
from dots_client.client.connector import TRANSPORTS
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SCOPE, SETTINGS, in_session


@pytest.mark.rule("SC-003")
@pytest.mark.rule("SC-005")
@pytest.mark.rule("SC-009")
@pytest.mark.rule("SC-060")
async def test_all_methods_go_over_one_session_with_bodies_in_dots_cbor(
    authority: Authority,
) -> None:
    async with in_session(authority) as scene:
        await scene.client.request(1, SCOPE)
        await scene.client.efficacy(1, SCOPE, AttackStatus.UNDER_ATTACK)
        await scene.client.status(1)
        await scene.client.configuration()
        await scene.client.withdraw(1)

        requests = scene.provider.requests
        assert {request.code for request in requests} == {Code.PUT, Code.GET, Code.DELETE}
        assert {request.remote for request in requests} == {scene.session}
        formats = {request.opt.content_format for request in requests if request.payload}
        assert formats == {271}


@pytest.mark.rule("SC-004")
@pytest.mark.parametrize("transport", ["udp", "tcp", "coap", "ws"])
async def test_no_transport_is_unencrypted(authority: Authority, transport: str) -> None:
    assert {"dtls", "tls"} == TRANSPORTS

    with pytest.raises(LocalProtocolError, match="no such transport"):
        async with connect(
            Server("127.0.0.1", transports=(transport,)), authority.client(), cuid=CUID
        ):
            pytest.fail("there must be no session")


async def first_datagram(authority: Authority, name: str) -> bytes:
    """The first datagram of a client to a silent server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        server = Server(name, "127.0.0.1", listener.getsockname()[1])

        async def connecting() -> None:
            async with connect(server, authority.client(), cuid=CUID, settings=SETTINGS):
                pytest.fail("there must be no session")

        trying = asyncio.ensure_future(connecting())
        async with asyncio.timeout(5):
            datagram = await asyncio.get_running_loop().sock_recv(listener, 2000)
        trying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trying
    return datagram


@pytest.mark.rule("SC-004")
async def test_the_first_datagram_is_a_dtls_handshake(authority: Authority) -> None:
    assert (await first_datagram(authority, "provider.example")).startswith(b"\x16\xfe")


@pytest.mark.rule("SC-118")
async def test_the_hello_names_the_server(authority: Authority) -> None:
    hello = await first_datagram(authority, "provider.example")

    # One host_name (0) in the extension server_name.
    assert b"\x00\x00\x10provider.example" in hello
