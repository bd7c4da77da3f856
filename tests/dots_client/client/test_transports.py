"""Sessions over UDP and TCP: the race, its winner, and the differences."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiocoap import Code

from dots_client import (
    AttackStatus,
    Client,
    ClientCache,
    ClientSettings,
    Credentials,
    HandshakeFailed,
    LocalProtocolError,
    MitigationStatus,
    PeerUnreachable,
    Refused,
    Server,
    SessionClosed,
    WireRecord,
    connect,
)
from dots_client.client.connector import Connector
from dots_client.client.session_migration import SessionMigration
from dots_client.session import Candidate
from dots_client.transport.certificate_verification import is_ip_address
from dots_client.transport.dtls_server import DtlsServer, serve_dtls
from dots_client.transport.tls_server import TlsServer, serve_tls
from tests.dots_client.authority import Authority, trusting
from tests.dots_client.client.provider import CUID, SCOPE, SETTINGS, Provider, silence
from tests.dots_client.transport.loopback import until

BOTH = ("dtls", "tls")
PORTS_TO_TRY = 20
QUICK = replace(SETTINGS, attempt_delay_s=0.05, attack_attempt_delay_s=0.05, handshake_repeat_s=0.1)


class Listening:
    """One provider on UDP and TCP, on the same port."""

    def __init__(self, provider: Provider, udp: DtlsServer, tcp: TlsServer) -> None:
        self.provider = provider
        self.udp = udp
        self.tcp = tcp

    @property
    def server(self) -> Server:
        return Server("provider.example", "127.0.0.1", self.udp.port, BOTH)

    def mute_udp(self) -> None:
        self.udp.drop_incoming = lambda _datagram, _address: True


@asynccontextmanager
async def listening(
    authority: Authority, credentials: Credentials | None = None
) -> AsyncIterator[Listening]:
    provider = Provider()
    udp, tcp = await _on_one_port(provider, credentials or authority.server())
    try:
        yield Listening(provider, udp, tcp)
    finally:
        await udp.close()
        await tcp.close()


async def _on_one_port(provider: Provider, own: Credentials) -> tuple[DtlsServer, TlsServer]:
    """A port that is free for UDP may be taken for TCP, by any connection of this machine."""
    for _ in range(PORTS_TO_TRY):
        udp = await serve_dtls(provider, host="127.0.0.1", port=0, credentials=own)
        try:
            tcp = await serve_tls(provider, host="127.0.0.1", port=udp.port, credentials=own)
        except OSError as error:
            await udp.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return udp, tcp
    pytest.fail(f"of {PORTS_TO_TRY} ports none was free for both")


@asynccontextmanager
async def over_tcp(
    authority: Authority,
    settings: ClientSettings = SETTINGS,
    *,
    on_wire: Callable[[WireRecord], None] | None = None,
) -> AsyncIterator[tuple[Listening, Client]]:
    async with (
        listening(authority) as there,
        connect(
            replace(there.server, transports=("tls",)),
            authority.client(),
            cuid=CUID,
            settings=settings,
            on_wire=on_wire,
        ) as client,
    ):
        yield there, client


# TCP


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


# Both


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


# Addresses


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


# UDP again


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
