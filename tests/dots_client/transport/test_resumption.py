from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from OpenSSL import SSL

from dots_client.errors import HandshakeFailed
from dots_client.identity import Credentials
from dots_client.transport import policy
from dots_client.transport.dtls import CHANGE_CIPHER_SPEC, content_types
from dots_client.transport.dtls_engine import LOWERED_MTU, DtlsEngine
from dots_client.transport.engine import Engine, State
from dots_client.transport.policy import (
    ALPN,
    Verification,
    client_context,
    server_context,
    tls_client_context,
    tls_server_context,
)
from dots_client.transport.resumption import (
    MAX_AGE_S,
    MAX_KEPT,
    Offer,
    Offers,
    Resumption,
    ResumptionKey,
)
from dots_client.transport.server import ServerSettings
from dots_client.transport.tls_engine import TlsEngine
from tests.dots_client.authority import Authority
from tests.dots_client.transport.loopback import ask, get, linked, linked_tls, serving, serving_tls
from tests.dots_client.transport.test_dtls_engine import MTU, talk

WITH_TICKETS = ServerSettings(hands_out_tickets=True)


class Pair:
    """The two engines of each of several sessions between the same two."""

    def __init__(self, authority: Authority) -> None:
        self._client = client_context(authority.client(), resumes=True)
        self._server = server_context(
            authority.server(),
            require_client_certificate=True,
            cookie=lambda address: address,
            hands_out_tickets=True,
        )

    def client(
        self,
        session: SSL.Session | None = None,
        *,
        name: str = "provider.example",
        mtu: int = MTU,
    ) -> DtlsEngine:
        return DtlsEngine.client(self._client, peer_name=name, mtu=mtu, session=session)

    def server(self) -> DtlsEngine:
        connection = SSL.Connection(self._server)
        connection.set_accept_state()
        return DtlsEngine(connection, Verification(peer="client"), mtu=MTU)

    def shake(
        self, session: SSL.Session | None = None, **choices: Any
    ) -> tuple[DtlsEngine, DtlsEngine]:
        server, client = self.server(), self.client(session, **choices)
        client.start()
        talk(client, server)
        return client, server


def carry(sender: DtlsEngine, receiver: DtlsEngine) -> None:
    for datagram in sender.datagrams_to_send():
        receiver.receive(datagram)


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return Pair(authority)


@pytest.mark.rule("SC-120")
def test_a_session_is_resumed_and_both_still_know_the_other(pair: Pair) -> None:
    first, _ = pair.shake()
    first.close()

    client, server = pair.shake(first.session)

    assert (first.was_resumed, client.was_resumed, server.was_resumed) == (False, True, True)
    assert (client.state, server.state) == (State.ESTABLISHED, State.ESTABLISHED)
    assert client.peer_certificate == first.peer_certificate
    assert server.peer_certificate is not None


@pytest.mark.rule("SC-120")
def test_a_session_resumed_under_another_name_is_refused(pair: Pair) -> None:
    first, _ = pair.shake()

    client, server = pair.shake(first.session, name="evil.example")

    assert client.was_resumed
    assert client.state is State.CLOSED
    assert "not for evil.example" in client.reason
    assert server.state is State.CLOSED


@pytest.mark.rule("SC-120")
def test_a_session_is_not_resumed_past_the_end_of_a_certificate(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = pair.shake()
    later = Mock(wraps=datetime)
    later.now.return_value = datetime.now(UTC) + timedelta(days=36500)
    monkeypatch.setattr(policy, "datetime", later)

    client, _ = pair.shake(first.session)

    assert client.state is State.CLOSED
    assert "expired on" in client.reason


@pytest.mark.rule("SC-120", "SC-124")
async def test_the_next_link_takes_up_the_session_of_the_last(authority: Authority) -> None:
    resumption, credentials = Resumption(), authority.client()
    async with serving(authority.server(), settings=WITH_TICKETS) as server:
        async with linked(server, credentials, resumption=resumption) as first:
            assert not first.remote.was_resumed
        for _ in range(3):
            async with linked(server, credentials, resumption=resumption) as later:
                assert later.remote.was_resumed
                assert (await ask(later.endpoint, get(later))).payload == b"acme"


@pytest.mark.rule("SC-120")
async def test_a_session_is_neither_offered_to_another_nor_by_another(authority: Authority) -> None:
    resumption = Resumption()
    async with serving(authority.server(), settings=WITH_TICKETS) as server:
        async with linked(server, authority.client(), resumption=resumption):
            pass
        async with linked(server, authority.client("globex"), resumption=resumption) as other:
            assert not other.remote.was_resumed
            assert (await ask(other.endpoint, get(other))).payload == b"globex"
        with pytest.raises(HandshakeFailed, match="not for evil"):
            async with linked(
                server, authority.client(), resumption=resumption, name="evil.example"
            ):
                pass


@pytest.mark.rule("SC-120")
async def test_nothing_is_resumed_without_being_asked_for(authority: Authority) -> None:
    credentials = authority.client()
    async with serving(authority.server(), settings=WITH_TICKETS) as server:
        for _ in range(2):
            async with linked(server, credentials) as link:
                assert not link.remote.was_resumed


@pytest.mark.rule("SC-120")
@pytest.mark.parametrize("settings", [ServerSettings(), WITH_TICKETS])
async def test_a_server_that_cannot_read_the_ticket_gets_a_full_handshake(
    settings: ServerSettings, authority: Authority
) -> None:
    resumption, credentials = Resumption(), authority.client()
    async with (
        serving(authority.server(), settings=WITH_TICKETS) as server,
        linked(server, credentials, resumption=resumption),
    ):
        port = server.port
    async with serving(authority.server(), settings=settings) as restarted:
        key = ResumptionKey("dtls", "provider.example", restarted.port, credentials)
        before = ResumptionKey("dtls", "provider.example", port, credentials)
        now = asyncio.get_running_loop().time()
        kept = resumption.offer(before, now=now)
        assert kept is not None
        resumption.keep(key, kept)
        async with linked(restarted, credentials, resumption=resumption) as link:
            assert not link.remote.was_resumed
            assert (await ask(link.endpoint, get(link))).payload == b"acme"


@pytest.mark.rule("SC-120")
async def test_a_server_that_answers_with_an_alert_gets_a_full_handshake_at_once(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # What coap-server-openssl 4.3.1 does: OpenSSL resumes nothing without a context.
    monkeypatch.setattr(policy, "SESSION_CONTEXT", b"")
    caplog.set_level("INFO", logger="dots_client.transport")
    resumption, credentials = Resumption(), authority.client()
    async with serving(authority.server(), settings=WITH_TICKETS) as server:
        for _ in range(3):
            async with (
                asyncio.timeout(0.9),  # before a flight would be repeated
                linked(server, credentials, resumption=resumption) as link,
            ):
                assert not link.remote.was_resumed
                assert (await ask(link.endpoint, get(link))).payload == b"acme"

    assert caplog.text.count("does not resume") == 2


def _key(credentials: Credentials, number: int = 0) -> ResumptionKey:
    return ResumptionKey("dtls", "provider.example", 4646 + number, credentials)


def _kept(since: float = 0) -> Offer:
    return Offer(Mock(SSL.Context), Mock(SSL.Session), since)


@pytest.mark.rule("SC-120")
def test_every_second_attempt_is_a_full_handshake(authority: Authority) -> None:
    resumption, key, kept = Resumption(), _key(authority.client()), _kept()
    resumption.keep(key, kept)

    offered = [resumption.offer(key, now=1) for _ in range(4)]

    assert offered == [kept, None, kept, None]


@pytest.mark.rule("SC-120")
def test_a_session_grows_no_older_than_a_day_however_often_it_is_resumed(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumption, key = Resumption(), _key(authority.client())
    offers = Offers(Mock(SSL.Context), resumption, key)
    resumed = Mock(Engine, was_resumed=True, session=Mock(SSL.Session))
    resumption.keep(key, _kept(since=0))

    for now in (MAX_AGE_S - 1, MAX_AGE_S):
        monkeypatch.setattr("dots_client.transport.resumption._now", lambda now=now: now)
        ((_, offer),) = offers.ways([("192.0.2.1", 4646)])
        assert offer.session is not None
        offers.keep(resumed, offer, made_at=now)

    assert resumption.offer(key, now=MAX_AGE_S + 1) is None


@pytest.mark.rule("SC-120")
def test_a_full_handshake_makes_a_session_young_again(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumption, key = Resumption(), _key(authority.client())
    offers = Offers(Mock(SSL.Context), resumption, key)
    resumption.keep(key, _kept(since=0))
    monkeypatch.setattr("dots_client.transport.resumption._now", lambda: MAX_AGE_S)

    ((_, offer),) = offers.ways([("192.0.2.1", 4646)])
    made = Mock(Engine, was_resumed=False, session=Mock(SSL.Session))
    offers.keep(made, offer, made_at=MAX_AGE_S)

    assert resumption.offer(key, now=2 * MAX_AGE_S) is not None


def test_what_is_kept_is_bounded_and_can_be_forgotten(authority: Authority) -> None:
    resumption, credentials, kept = Resumption(), authority.client(), _kept()
    for number in range(MAX_KEPT + 1):
        resumption.keep(_key(credentials, number), kept)
    resumption.forget(_key(credentials, 2))

    offered = [resumption.offer(_key(credentials, number), now=0) for number in range(4)]

    assert offered == [None, kept, None, kept]
    other = replace(_key(credentials, 3), credentials=authority.client("globex"))
    assert resumption.offer(other, now=0) is None


@pytest.mark.rule("SC-120")
def test_a_session_that_goes_back_further_does_not_replace_a_younger_one(
    authority: Authority,
) -> None:
    resumption, key = Resumption(), _key(authority.client())
    younger = _kept(since=10)
    resumption.keep(key, younger)

    resumption.keep(key, _kept(since=9))

    assert resumption.offer(key, now=11) is younger


def test_what_one_transport_made_is_not_offered_to_the_other(authority: Authority) -> None:
    resumption, key = Resumption(), _key(authority.client())
    resumption.keep(key, _kept())

    assert resumption.offer(replace(key, transport="tls"), now=0) is None


def test_a_hello_that_would_not_fit_one_datagram_offers_nothing(pair: Pair) -> None:
    first, _ = pair.shake()

    roomy, _ = pair.shake(first.session, mtu=MTU)
    tight, _ = pair.shake(first.session, mtu=900)

    assert (roomy.was_resumed, tight.was_resumed) == (True, False)
    assert tight.state is State.ESTABLISHED


def test_a_hello_with_a_ticket_is_never_repeated_in_fragments(pair: Pair) -> None:
    first, _ = pair.shake()
    client = pair.client(first.session)
    client.start()
    (hello,) = client.datagrams_to_send()

    client.handle_timeout()
    client.handle_timeout()

    assert len(hello) > LOWERED_MTU
    assert client._sending_mtu == MTU


def test_the_end_of_a_resumed_handshake_comes_with_each_datagram_until_the_server_answers(
    pair: Pair,
) -> None:
    first, _ = pair.shake()
    server, client = pair.server(), pair.client(first.session)
    client.start()
    carry(client, server)
    carry(server, client)
    lost = client.datagrams_to_send()

    client.send(b"one")
    (datagram,) = client.datagrams_to_send()
    read = server.receive(datagram)
    client.send(b"two")
    (again,) = client.datagrams_to_send()
    read += server.receive(again)
    server.send(b"answer")
    carry(server, client)
    client.send(b"three")
    (alone,) = client.datagrams_to_send()

    assert lost[0] in datagram
    assert server.was_resumed
    assert read == [b"one", b"two"]
    assert lost[0] not in alone
    assert server.receive(alone) == [b"three"]


def test_a_request_that_leaves_no_room_for_the_end_of_the_handshake_goes_alone(pair: Pair) -> None:
    first, _ = pair.shake()
    server, client = pair.server(), pair.client(first.session)
    client.start()
    carry(client, server)
    carry(server, client)
    (last_words,) = client.datagrams_to_send()

    client.send(bytes(client.max_cleartext_bytes))
    (datagram,) = client.datagrams_to_send()

    assert last_words not in datagram
    assert len(datagram) <= MTU


@pytest.mark.rule("SC-120", "SC-124")
async def test_the_loss_of_the_last_flight_costs_a_resumed_session_nothing(
    authority: Authority,
) -> None:
    resumption, credentials = Resumption(), authority.client()
    async with serving(authority.server(), settings=WITH_TICKETS) as server:
        async with linked(server, credentials, resumption=resumption):
            pass
        lost: list[bytes] = []

        def loses(datagram: bytes, _address: object) -> bool:
            is_last_flight = not lost and CHANGE_CIPHER_SPEC in content_types(datagram)
            if is_last_flight:
                lost.append(datagram)
            return is_last_flight

        server.drop_incoming = loses
        async with linked(server, credentials, resumption=resumption) as link:
            # Before a server would repeat its own flight.
            answer = await ask(link.endpoint, get(link), within_s=0.9)

        assert len(lost) == 1
        assert link.remote.was_resumed
        assert answer.payload == b"acme"


# Over TCP


class Streams:
    """The two engines of each of several TLS sessions between the same two."""

    def __init__(self, authority: Authority, version: int, *, stateful: bool = False) -> None:
        self._client = tls_client_context(authority.client(), resumes=True)
        self._client.set_max_proto_version(version)
        self._server = tls_server_context(
            authority.server(), require_client_certificate=True, hands_out_tickets=not stateful
        )
        if stateful:
            self._server.set_session_cache_mode(SSL.SESS_CACHE_SERVER)

    def shake(
        self, session: SSL.Session | None = None, *, name: str = "provider.example"
    ) -> tuple[TlsEngine, TlsEngine]:
        server = TlsEngine.server(self._server)
        client = TlsEngine.client(self._client, peer_name=name, session=session)
        client.start()
        while waiting := client.bytes_to_send():
            server.receive(waiting)
            client.receive(server.bytes_to_send())
        return client, server


VERSIONS = pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])


@VERSIONS
@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.rule("SC-120")
def test_a_tls_session_is_resumed_by_ticket_or_by_id(
    authority: Authority, version: int, stateful: bool
) -> None:
    streams = Streams(authority, version, stateful=stateful)
    first, _ = streams.shake()
    first.close()

    client, server = streams.shake(first.session)

    assert (first.was_resumed, client.was_resumed, server.was_resumed) == (False, True, True)
    assert client.peer_certificate == first.peer_certificate
    assert server.peer_certificate is not None
    assert client.protocol_selected == ALPN


@VERSIONS
@pytest.mark.rule("SC-120")
def test_a_tls_session_resumed_under_another_name_is_refused(
    authority: Authority, version: int
) -> None:
    streams = Streams(authority, version)
    first, _ = streams.shake()

    client, _ = streams.shake(first.session, name="evil.example")

    assert client.was_resumed
    assert client.state is State.CLOSED
    assert "not for evil.example" in client.reason


@VERSIONS
@pytest.mark.rule("SC-120")
def test_a_tls_session_is_not_resumed_past_the_end_of_a_certificate(
    authority: Authority, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Streams(authority, version)
    first, _ = streams.shake()
    later = Mock(wraps=datetime)
    later.now.return_value = datetime.now(UTC) + timedelta(days=36500)
    monkeypatch.setattr(policy, "datetime", later)

    client, _ = streams.shake(first.session)

    assert client.state is State.CLOSED
    assert "expired on" in client.reason


@pytest.mark.rule("SC-120", "SC-124")
async def test_the_next_link_over_tcp_takes_up_the_session_of_the_last(
    authority: Authority,
) -> None:
    resumption, credentials = Resumption(), authority.client()
    async with serving_tls(authority.server(), settings=WITH_TICKETS) as server:
        async with linked_tls(server, credentials, resumption=resumption) as first:
            assert not first.remote.was_resumed
        for _ in range(3):
            async with linked_tls(server, credentials, resumption=resumption) as later:
                assert later.remote.was_resumed
                assert (await ask(later.endpoint, get(later))).payload == b"acme"
                (session,) = server.sessions
                assert session.was_resumed
        async with linked_tls(server, authority.client("globex"), resumption=resumption) as other:
            assert not other.remote.was_resumed
            assert (await ask(other.endpoint, get(other))).payload == b"globex"


@pytest.mark.rule("SC-120")
async def test_a_session_over_tcp_can_be_taken_up_after_its_server_vanished(
    authority: Authority,
) -> None:
    resumption, credentials = Resumption(), authority.client()
    async with serving_tls(authority.server(), settings=WITH_TICKETS) as server:
        async with linked_tls(server, credentials, resumption=resumption) as first:
            (session,) = server.sessions
            session.forget("a power cut")
            await first.closed
        async with linked_tls(server, credentials, resumption=resumption) as later:
            assert later.remote.was_resumed


@pytest.mark.rule("SC-120")
@pytest.mark.parametrize("settings", [ServerSettings(), WITH_TICKETS])
async def test_a_server_over_tcp_that_cannot_read_the_ticket_gets_a_full_handshake(
    settings: ServerSettings, authority: Authority
) -> None:
    resumption, credentials = Resumption(), authority.client()
    async with serving_tls(authority.server(), settings=WITH_TICKETS) as server:
        async with linked_tls(server, credentials, resumption=resumption):
            pass
        before = ResumptionKey("tls", "provider.example", server.port, credentials)
    kept = resumption.offer(before, now=asyncio.get_running_loop().time())
    assert kept is not None
    async with serving_tls(authority.server(), settings=settings) as restarted:
        resumption.keep(replace(before, port=restarted.port), kept)
        async with linked_tls(restarted, credentials, resumption=resumption) as link:
            assert not link.remote.was_resumed
            assert (await ask(link.endpoint, get(link))).payload == b"acme"


@pytest.mark.rule("SC-120")
async def test_a_server_over_tcp_that_hands_out_no_tickets_is_met_in_full(
    authority: Authority,
) -> None:
    resumption, credentials = Resumption(), authority.client()
    async with serving_tls(authority.server()) as server:
        for _ in range(3):
            async with linked_tls(server, credentials, resumption=resumption) as link:
                assert not link.remote.was_resumed
