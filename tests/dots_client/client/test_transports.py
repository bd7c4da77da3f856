"""Sessions over UDP and TCP: the race, its winner, and the differences."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dots_client import (
    ClientCache,
    Credentials,
    HandshakeFailed,
    LocalProtocolError,
    PeerUnreachable,
    Server,
    connect,
)
from dots_client.client.connector import Connector
from dots_client.client.session_migration import SessionMigration
from dots_client.session import Candidate
from dots_client.transport.certificate_verification import is_ip_address
from dots_client.transport.dtls_server import serve_dtls
from tests.dots_client.authority import Authority, trusting
from tests.dots_client.client.listening import BOTH, listening, over_tcp
from tests.dots_client.client.provider import CUID, SETTINGS, Provider
from tests.dots_client.transport.loopback import until

QUICK = replace(SETTINGS, attempt_delay_s=0.05, attack_attempt_delay_s=0.05, handshake_repeat_s=0.1)


@pytest.mark.rule("SC-108")
async def test_udp_wins_if_both_work(authority: Authority) -> None:
    async with (
        listening(authority) as there,
        connect(there.server, authority.client(), cuid=CUID, settings=SETTINGS) as client,
    ):
        assert client.transport == "dtls"
        await asyncio.sleep(0.3)  # longer than the delay after which TCP would be tried
        assert there.tcp.sessions == ()


@pytest.mark.rule("SC-108")
@pytest.mark.rule("SC-110")
async def test_tcp_wins_if_udp_is_dropped_and_is_tried_first_next_time(
    authority: Authority,
) -> None:
    cache = ClientCache()
    async with listening(authority) as there:
        there.mute_udp()
        async with connect(
            there.server, authority.client(), cuid=CUID, settings=QUICK, cache=cache
        ) as client:
            assert client.transport == "tls"
        seen: list[object] = []

        def swallow(_datagram: bytes, address: object) -> bool:
            seen.append(address)
            return True

        there.udp.drop_incoming = swallow
        slow = replace(QUICK, attempt_delay_s=5.0)
        async with connect(
            there.server, authority.client(), cuid=CUID, settings=slow, cache=cache
        ) as client:
            assert client.transport == "tls"
            assert seen == []


async def test_a_second_handshake_from_a_new_port_starts_when_datagrams_are_lost(
    authority: Authority,
) -> None:
    ports: list[object] = []

    def loses_the_first_port(_datagram: bytes, address: object) -> bool:
        if address not in ports:
            ports.append(address)
        return address == ports[0]

    async with listening(authority) as there:
        there.udp.drop_incoming = loses_the_first_port
        server = replace(there.server, transports=("dtls",))
        async with connect(server, authority.client(), cuid=CUID, settings=QUICK) as client:
            assert client.transport == "dtls"
            assert len(ports) == 2
            await until(lambda: there.udp.pending_count == 0)
            assert len(there.udp.sessions) == 1


Issue = Callable[[Authority], Credentials]


@pytest.mark.parametrize("transport", BOTH)
@pytest.mark.parametrize(
    ("serves", "asks", "words"),
    [
        (
            lambda _ca: Authority("Unknown authority").server(),
            lambda ca: ca.client(),
            "the server's certificate is signed by an authority that is not trusted here",
        ),
        (
            lambda ca: ca.server(age_days=40),
            lambda ca: ca.client(),
            "the server's certificate expired on ",
        ),
        (
            lambda ca: ca.server(names=("other.example",)),
            lambda ca: ca.client(),
            "the server's certificate is for other.example, not for provider.example",
        ),
        (
            lambda ca: ca.server(),
            lambda _ca: Authority("Unknown authority").client(),
            "the server does not trust the authority that signed our certificate",
        ),
        (
            lambda ca: ca.server(),
            lambda ca: ca.client(age_days=40),
            "the server says that our certificate has expired",
        ),
    ],
)
@pytest.mark.rule("SC-117")
@pytest.mark.rule("SC-123")
async def test_failures_have_the_same_text_over_both_transports(
    authority: Authority, transport: str, serves: Issue, asks: Issue, words: str
) -> None:
    serving, asking = trusting(serves(authority), authority), trusting(asks(authority), authority)
    async with listening(authority, serving) as there:
        server = replace(there.server, transports=(transport,))
        with pytest.raises(HandshakeFailed, match=words):
            async with connect(server, asking, cuid=CUID, settings=SETTINGS):
                pytest.fail("there must be no session")


async def test_a_failure_that_both_transports_share_is_reported_once(authority: Authority) -> None:
    async with listening(authority, authority.server(names=("other.example",))) as there:
        with pytest.raises(HandshakeFailed) as failed:
            async with connect(there.server, authority.client(), cuid=CUID, settings=QUICK):
                pytest.fail("there must be no session")

    assert str(failed.value) == (
        "the server's certificate is for other.example, not for provider.example"
    )


async def test_different_failures_are_both_reported_with_the_more_informative_first(
    authority: Authority,
) -> None:
    udp = await serve_dtls(
        Provider(), host="127.0.0.1", port=0, credentials=authority.server(names=("x.example",))
    )
    server = Server("provider.example", "127.0.0.1", udp.port, ("tls", "dtls"))
    try:
        with pytest.raises(HandshakeFailed) as failed:
            async with connect(server, authority.client(), cuid=CUID, settings=QUICK):
                pytest.fail("there must be no session")
    finally:
        await udp.close()

    assert str(failed.value) == (
        "the server's certificate is for x.example, not for provider.example; "
        f"nothing listens at 127.0.0.1:{udp.port}"
    )


async def test_a_server_needs_at_least_one_transport(authority: Authority) -> None:
    with pytest.raises(LocalProtocolError, match="at least one transport"):
        async with connect(Server("a.example", transports=()), authority.client(), cuid=CUID):
            pytest.fail("there must be no session")


async def test_given_addresses_are_used_without_dns(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(authority) as there:
        _resolve(monkeypatch, {})
        server = replace(there.server, host="nowhere.example", addresses=("127.0.0.1",))
        async with connect(server, authority.client(), cuid=CUID, settings=SETTINGS) as client:
            assert client.peer == f"127.0.0.1:{there.udp.port}"


async def test_the_last_answer_of_dns_is_used_when_dns_fails(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ClientCache()
    async with listening(authority) as there:
        server = replace(there.server, host="provider.example")
        _resolve(monkeypatch, {"provider.example": "127.0.0.1"})
        async with connect(
            server, authority.client(), cuid=CUID, settings=QUICK, cache=cache
        ) as client:
            pass
        _resolve(monkeypatch, {})
        async with connect(
            server, authority.client(), cuid=CUID, settings=QUICK, cache=cache
        ) as client:
            assert client.peer.endswith(f":{server.port}")
        with pytest.raises(PeerUnreachable, match=r"provider\.example has no address"):
            async with connect(server, authority.client(), cuid=CUID, settings=QUICK):
                pytest.fail("there must be no session")


def _resolve(monkeypatch: pytest.MonkeyPatch, names: dict[str, str]) -> None:
    """Answer DNS queries for these names, and for no other."""
    loop = asyncio.get_running_loop()
    resolve = type(loop).getaddrinfo

    async def answer(host: str, *args: Any, **options: Any) -> Any:
        address = names.get(host, host)
        if not is_ip_address(address):
            raise socket.gaierror("no resolver")
        return await resolve(loop, address, *args, **options)

    monkeypatch.setattr(loop, "getaddrinfo", answer)


@pytest.mark.rule("SC-111")
async def test_a_session_over_tcp_detects_that_udp_works_again(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dots_client.session.udp_probe.MIN_UDP_PROBE_S", 0.05)
    cache = ClientCache()
    async with listening(authority) as there:
        there.mute_udp()
        connector = Connector(
            there.server,
            authority.client(),
            settings=replace(QUICK, handshake_timeout_s=0.2),
            cache=cache,
        )
        migration = SessionMigration(connector, cache, transport="tls", udp_probe_s=0.05)
        async with asyncio.TaskGroup() as group:
            (part,) = migration.parts()
            looking = group.create_task(part)
            await asyncio.sleep(0.3)
            assert not migration.should_move.is_set()
            there.udp.drop_incoming = None
            async with asyncio.timeout(5):
                await migration.should_move.wait()
            looking.cancel()
        await until(lambda: there.udp.sessions == ())

        winner = cache.history(there.server).preferred(now=asyncio.get_running_loop().time())
        assert winner == Candidate("dtls", "127.0.0.1")


async def test_udp_is_not_probed_if_it_is_not_allowed(authority: Authority) -> None:
    async with over_tcp(authority) as (_there, client):
        assert client._migration.parts() == []
        assert not client.should_move.is_set()
