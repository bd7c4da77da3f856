from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest

from dots_client.errors import HandshakeFailed
from dots_client.transport import certificate_verification, tls_contexts
from dots_client.transport.coap_server import ServerSettings
from dots_client.transport.dtls_engine import CHANGE_CIPHER_SPEC, LOWERED_MTU, content_types
from dots_client.transport.engine import State
from dots_client.transport.resumption import (
    ResumptionCache,
    ResumptionKey,
)
from tests.dots_client.authority import Authority
from tests.dots_client.transport.loopback import ask, get, linked, serving
from tests.dots_client.transport.resuming import WITH_TICKETS, Pair, carry
from tests.dots_client.transport.test_dtls_engine import MTU


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
    monkeypatch.setattr(certificate_verification, "datetime", later)

    client, _ = pair.shake(first.session)

    assert client.state is State.CLOSED
    assert "expired on" in client.reason


@pytest.mark.rule("SC-120", "SC-124")
async def test_the_next_link_resumes_the_last_session(authority: Authority) -> None:
    resumption, credentials = ResumptionCache(), authority.client()
    async with serving(authority.server(), settings=WITH_TICKETS) as server:
        async with linked(server, credentials, resumption=resumption) as first:
            assert not first.remote.was_resumed
        for _ in range(3):
            async with linked(server, credentials, resumption=resumption) as later:
                assert later.remote.was_resumed
                assert (await ask(later.endpoint, get(later))).payload == b"acme"


@pytest.mark.rule("SC-120")
async def test_a_session_is_neither_offered_to_another_nor_by_another(authority: Authority) -> None:
    resumption = ResumptionCache()
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
async def test_nothing_is_resumed_without_a_cache(authority: Authority) -> None:
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
    resumption, credentials = ResumptionCache(), authority.client()
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
    # As coap-server-openssl 4.3.1 does: OpenSSL resumes nothing without a context.
    monkeypatch.setattr(tls_contexts, "SESSION_CONTEXT", b"")
    caplog.set_level("INFO", logger="dots_client.transport")
    resumption, credentials = ResumptionCache(), authority.client()
    async with serving(authority.server(), settings=WITH_TICKETS) as server:
        for _ in range(3):
            async with (
                asyncio.timeout(0.9),  # before a flight is retransmitted
                linked(server, credentials, resumption=resumption) as link,
            ):
                assert not link.remote.was_resumed
                assert (await ask(link.endpoint, get(link))).payload == b"acme"

    assert caplog.text.count("does not resume") == 2


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
    resumption, credentials = ResumptionCache(), authority.client()
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
            # Before the server retransmits its flight.
            answer = await ask(link.endpoint, get(link), within_s=0.9)

        assert len(lost) == 1
        assert link.remote.was_resumed
        assert answer.payload == b"acme"
