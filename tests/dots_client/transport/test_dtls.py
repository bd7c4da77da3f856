from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket

import aiocoap
import pytest

from dots_client.errors import HandshakeFailed, PeerUnreachable
from dots_client.transport.dtls import RECEIVE_BUFFER_BYTES
from dots_client.transport.dtls_engine import content_types
from dots_client.transport.dtls_server import serve_dtls
from dots_client.transport.wire import AnsweredRequest, WireRecord
from tests.dots_client.authority import Authority, trusting
from tests.dots_client.transport.loopback import (
    WhoAmI,
    ask,
    get,
    linked,
    open_link,
    serving,
    site_of,
    until,
)


async def test_a_request_is_answered_over_dtls(authority: Authority) -> None:
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        answer = await ask(link.endpoint, get(link))

        assert answer.payload == b"acme"
        assert link.peer == f"127.0.0.1:{server.port}"
        assert link.handshake_rtt_s is not None
        assert link.handshake_rtt_s < 1
        assert link.max_message_bytes == 1280 - 28 - 37


async def test_each_session_has_its_own_port(authority: Authority) -> None:
    credentials = authority.client()
    async with (
        serving(authority.server()) as server,
        linked(server, credentials),
        linked(server, credentials),
    ):
        first, second = server.sessions

        assert first.address != second.address


async def test_a_wrong_name_is_refused_before_anything_is_sent(authority: Authority) -> None:
    async with serving(authority.server()) as server:
        with pytest.raises(HandshakeFailed, match=r"not for evil\.example"):
            await open_link(server.port, authority.client(), name="evil.example")

        assert server.sessions == ()


async def test_an_unknown_client_learns_it_within_the_handshake(
    authority: Authority, rogue: Authority
) -> None:
    credentials = trusting(rogue.client(), authority)
    async with serving(authority.server()) as server:
        with pytest.raises(HandshakeFailed, match="does not trust the authority"):
            await open_link(server.port, credentials)


async def test_a_closed_port_is_reported_at_once(authority: Authority) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = asyncio.get_running_loop().time()

    with pytest.raises(PeerUnreachable, match=f"nothing listens at 127.0.0.1:{port}"):
        await open_link(port, authority.client())

    assert asyncio.get_running_loop().time() - started < 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EAFNOSUPPORT])
async def test_a_missing_socket_is_reported_as_text(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def no_socket(*_: object) -> socket.socket:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("dots_client.transport.dtls.GuardedSocket", no_socket)

    with pytest.raises(PeerUnreachable, match=rf"cannot be reached: {os.strerror(number)}$"):
        await open_link(4646, authority.client())


async def test_each_flight_can_tell_the_round_trip(authority: Authority) -> None:
    lost = 1

    def loses_the_first(_datagram: bytes, _address: object) -> bool:
        nonlocal lost
        lost -= 1
        return lost >= 0

    async with serving(authority.server()) as server:
        server.drop_incoming = loses_the_first
        async with linked(server, authority.client()) as link:
            assert link.handshake_rtt_s is not None
            assert link.handshake_rtt_s < 1


def _is_last_flight(datagram: bytes, _address: object) -> bool:
    return 20 in content_types(datagram)  # ChangeCipherSpec


async def test_an_abandoned_handshake_that_completes_is_ended_with_a_close_notify(
    authority: Authority,
) -> None:
    ended: list[str] = []
    async with serving(
        authority.server(), on_session_end=lambda session: ended.append(session.reason)
    ) as server:
        # The server has its session; the client does not, because it never receives the last
        # flight.
        server.drop_outgoing = _is_last_flight
        opening = asyncio.create_task(open_link(server.port, authority.client()))
        await until(lambda: bool(server.sessions))
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

        server.drop_outgoing = None
        await until(lambda: server.sessions == ())

    assert ended == ["the client closed the session"]


async def test_a_cancelled_handshake_still_pending_at_the_server_ends_at_once(
    authority: Authority,
) -> None:
    async with serving(authority.server()) as server:
        server.drop_outgoing = lambda _datagram, _address: server.pending_count > 0
        opening = asyncio.create_task(open_link(server.port, authority.client()))
        await until(lambda: server.pending_count == 1)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

        assert len(asyncio.all_tasks()) == 1


async def test_the_wait_for_a_cancelled_handshake_is_limited(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dots_client.transport.dtls.LINGER_S", 0.1)
    async with serving(authority.server()) as server:
        server.drop_outgoing = _is_last_flight
        opening = asyncio.create_task(open_link(server.port, authority.client()))
        await until(lambda: bool(server.sessions))
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

        await until(lambda: len(asyncio.all_tasks()) == 1)


async def test_silence_ends_at_the_deadline(authority: Authority) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as black_hole:
        black_hole.bind(("127.0.0.1", 0))
        port = black_hole.getsockname()[1]

        with pytest.raises(PeerUnreachable, match=r"nothing answered at .* within 0.1 s"):
            await open_link(port, authority.client(), timeout_s=0.1)


async def test_a_handshake_that_stalls_is_not_called_silence(authority: Authority) -> None:
    async with serving(authority.server()) as server:
        # The hello and its cookie pass; the certificate never arrives.
        server.drop_outgoing = lambda datagram, _address: len(datagram) > 200

        with pytest.raises(HandshakeFailed, match=r"did not finish within 0.1 s"):
            await open_link(server.port, authority.client(), timeout_s=0.1)


async def test_a_name_without_an_address_is_reported(authority: Authority) -> None:
    with pytest.raises(PeerUnreachable, match="has no address"):
        await open_link(4646, authority.client(), host="a..b")


async def test_the_next_address_is_tried_when_one_refuses(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(authority.server()) as server:

        async def two_addresses(
            host: str, port: int, **_: object
        ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
            return [(0, 0, 0, "", ("127.0.0.2", port)), (0, 0, 0, "", ("127.0.0.1", port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two_addresses)
        link = await open_link(server.port, authority.client(), host="two.example")

        assert link.peer == f"127.0.0.1:{server.port}"
        await link.close()


async def test_an_address_without_a_route_is_unreachable(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_route(_self: socket.socket, _address: object) -> None:
        raise OSError(errno.ENETUNREACH, "no route")

    monkeypatch.setattr(socket.socket, "connect", no_route)

    with pytest.raises(PeerUnreachable, match=r"127\.0\.0\.1:4646 cannot be reached: Network is"):
        await open_link(4646, authority.client())


async def test_cancelling_leaves_no_socket_behind(authority: Authority) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as black_hole:
        black_hole.bind(("127.0.0.1", 0))
        opening = asyncio.create_task(open_link(black_hole.getsockname()[1], authority.client()))
        await asyncio.sleep(0.01)

        opening.cancel()

        with pytest.raises(asyncio.CancelledError):
            await opening


async def test_a_stopping_server_sends_a_close_notify(authority: Authority) -> None:
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        await server.close()

        async with asyncio.timeout(5):
            assert await link.closed == "the server closed the session"


async def test_pending_requests_fail_on_a_close_notify(authority: Authority) -> None:
    who = WhoAmI()
    who.is_silent = True
    async with (
        serving(authority.server(), who) as server,
        linked(server, authority.client()) as link,
    ):
        waiting = asyncio.create_task(ask(link.endpoint, get(link)))
        await until(lambda: who.asked == 1)

        await server.close()

        with pytest.raises(aiocoap.error.NetworkError) as ended:
            await waiting

    assert str(ended.value.__cause__) == "the server closed the session"


async def test_a_killed_server_sends_nothing_and_icmp_is_only_a_hint(authority: Authority) -> None:
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        await server.abort()

        with pytest.raises(TimeoutError):
            await ask(link.endpoint, get(link), within_s=0.1)

        assert not link.closed.done()
        assert link.remote.is_established


async def test_a_burst_of_answers_is_not_lost(authority: Authority) -> None:
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        # A busy machine may be slow; a lost datagram never arrives.
        asking = (ask(link.endpoint, get(link), within_s=30) for _ in range(400))
        answers = await asyncio.gather(*asking)

        assert {answer.payload for answer in answers} == {b"acme"}
        assert RECEIVE_BUFFER_BYTES == 1 << 20


@pytest.mark.parametrize("lost", [0, 1, 2])
async def test_lost_datagrams_only_delay_a_handshake(authority: Authority, lost: int) -> None:
    async with serving(authority.server()) as server:
        countdown = iter(range(1000))
        server.drop_incoming = lambda _datagram, _address: next(countdown) == lost

        async with linked(server, authority.client()) as link:
            answer = await ask(link.endpoint, get(link))

        assert answer.payload == b"acme"


async def test_a_path_that_drops_large_datagrams_only_delays_a_handshake(
    authority: Authority,
) -> None:
    async with serving(authority.server()) as server:
        server.drop_outgoing = lambda datagram, _address: len(datagram) > 560
        server.drop_incoming = lambda datagram, _address: len(datagram) > 560

        async with linked(server, authority.client(), timeout_s=20) as link:
            assert (await ask(link.endpoint, get(link))).payload == b"acme"


async def test_every_message_is_shown_to_the_tap(authority: Authority) -> None:
    seen: list[WireRecord] = []
    async with (
        serving(authority.server()) as server,
        linked(server, authority.client(), on_wire=seen.append) as link,
    ):
        await ask(link.endpoint, get(link))

    sent, received = seen
    assert (sent.direction, sent.kind, sent.code, sent.path) == ("sent", "NON", "0.01", "/who")
    assert (received.direction, received.code, received.path) == ("received", "2.05", "/who")
    assert received.payload == b"acme"
    assert received.token == sent.token
    assert received.answers == AnsweredRequest(code="0.01", path="/who", message_id=sent.message_id)
    assert sent.session == received.session == link.remote.serial
    assert (sent.transport, received.transport) == ("dtls", "dtls")
    assert sent.message == b"\x54\x01%b%b\xb3who" % (
        (sent.message_id or 0).to_bytes(2, "big"),
        bytes.fromhex(sent.token),
    )
    assert received.message.endswith(b"\xffacme")
    assert len(sent.token) == 8


@pytest.mark.rule("SC-126")
async def test_a_server_reached_over_ipv6_has_less_room(authority: Authority) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    server = await serve_dtls(site_of(WhoAmI()), host="::1", port=0, credentials=authority.server())
    link = await open_link(server.port, authority.client(), name="::1", host="::1", path_mtu=1280)

    assert link.peer == f"[::1]:{server.port}"
    assert link.max_message_bytes == 1195

    await link.close()
    await server.close()


async def test_errors_of_the_network_do_not_fill_the_log(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        with caplog.at_level(logging.INFO, logger="dots_client.transport"):
            for _ in range(1000):
                link.error_received(ConnectionRefusedError(errno.ECONNREFUSED, "refused"))

    logged = [line for line in caplog.messages if "the network says" in line]
    assert len(logged) == 2, "the first, and at the end how many more there were"
    assert "999 more" in logged[1]
