"""A forged datagram or an ICMP error while a session is being opened costs a retry, never the
session.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from dots_client import HandshakeFailed, PeerUnreachable, Server, connect
from dots_client.session.happy_eyeballs import MAX_FAILURES
from dots_client.transport.dtls_server import serve_dtls
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SETTINGS, Provider, serving
from tests.dots_client.loss.relay import Passage, Relay, relaying

HANDSHAKE = 22
PATIENT = replace(SETTINGS, handshake_timeout_s=10)

FORGED = {
    "application data before the handshake": "17fefd000000000000005f000140",
    "a fatal alert": "15fefd000000000000005a00020228",
    "a fatal alert about our certificate": "15fefd000000000000005a0002022a",
    "a goodbye": "15fefd000000000000005b00020100",
    "a warning": "15fefd000000000000006100020164",
    "a certificate in fragments that overlap": (
        "16fefd000000000000003400150bffffff0002000000000009" + "78" * 9
    ),
}


def forging(relay: Relay, datagram: bytes, *, times: int) -> set[tuple[str, int]]:
    """Send `datagram` to the first `times` handshakes right after their hello; returns their source
    ports.
    """
    hit: set[tuple[str, int]] = set()

    def see(passage: Passage) -> None:
        is_hello = passage.is_to_server and passage.content_type == HANDSHAKE
        if is_hello and passage.client not in hit and len(hit) < times:
            hit.add(passage.client)
            relay.forge(datagram, passage.client)

    relay.on_passage = see
    return hit


@pytest.mark.parametrize("is_under_attack", [False, True])
@pytest.mark.parametrize("datagram", FORGED.values(), ids=FORGED)
async def test_a_forged_datagram_costs_a_retry_and_not_the_session(
    authority: Authority, datagram: str, *, is_under_attack: bool
) -> None:
    async with serving(authority, Provider()) as server, relaying(server.port) as relay:
        hit = forging(relay, bytes.fromhex(datagram), times=MAX_FAILURES - 1)

        async with connect(
            Server("provider.example", "127.0.0.1", relay.port, transports=("dtls",)),
            authority.client(),
            cuid=CUID,
            settings=PATIENT,
            is_under_attack=is_under_attack,
        ) as client:
            assert await client.heartbeat()

        assert len(hit) == MAX_FAILURES - 1, "each try comes from another port"


async def test_a_handshake_that_always_fails_reports_the_first_reason(authority: Authority) -> None:
    async with serving(authority, Provider()) as server, relaying(server.port) as relay:
        hit = forging(relay, bytes.fromhex(FORGED["a fatal alert"]), times=100)

        with pytest.raises(HandshakeFailed, match="the server refused the handshake"):
            async with connect(
                Server("provider.example", "127.0.0.1", relay.port, transports=("dtls",)),
                authority.client(),
                cuid=CUID,
                settings=PATIENT,
            ):
                pass

        assert len(hit) == MAX_FAILURES


async def test_a_server_that_is_restarting_is_reached_although_its_port_was_closed(
    authority: Authority,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async def connected() -> bool:
        async with connect(
            Server("provider.example", "127.0.0.1", port, transports=("dtls",)),
            authority.client(),
            cuid=CUID,
            settings=PATIENT,
        ) as client:
            return await client.heartbeat()

    connecting = asyncio.create_task(connected())
    await asyncio.sleep(0.5)  # long enough for two ICMP errors
    assert not connecting.done()
    server = await serve_dtls(
        Provider(), host="127.0.0.1", port=port, credentials=authority.server()
    )
    try:
        assert await connecting
    finally:
        await server.close()


async def test_a_port_that_stays_closed_is_reported(authority: Authority) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    with pytest.raises(PeerUnreachable, match=f"nothing listens at 127.0.0.1:{port}"):
        async with connect(
            Server("provider.example", "127.0.0.1", port, transports=("dtls",)),
            authority.client(),
            cuid=CUID,
            settings=PATIENT,
        ):
            pass
