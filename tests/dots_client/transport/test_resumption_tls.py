from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from OpenSSL import SSL

from dots_client.transport import certificate_verification
from dots_client.transport.coap_server import ServerSettings
from dots_client.transport.engine import State
from dots_client.transport.resumption import (
    ResumptionCache,
    ResumptionKey,
)
from dots_client.transport.tls_contexts import ALPN, tls_client_context, tls_server_context
from dots_client.transport.tls_engine import TlsEngine
from tests.dots_client.authority import Authority
from tests.dots_client.transport.loopback import ask, get, linked_tls, serving_tls
from tests.dots_client.transport.resuming import WITH_TICKETS


class Streams:
    """The two engines of each of several TLS sessions between the same peers."""

    def __init__(self, authority: Authority, version: int, *, stateful: bool = False) -> None:
        self._client = tls_client_context(authority.client(), resumes=True)
        self._server = tls_server_context(
            authority.server(), require_client_certificate=True, hands_out_tickets=not stateful
        )
        self._server.set_max_proto_version(version)
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
    monkeypatch.setattr(certificate_verification, "datetime", later)

    client, _ = streams.shake(first.session)

    assert client.state is State.CLOSED
    assert "expired on" in client.reason


@pytest.mark.rule("SC-120", "SC-124")
async def test_the_next_link_over_tcp_resumes_the_last_session(
    authority: Authority,
) -> None:
    resumption, credentials = ResumptionCache(), authority.client()
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
async def test_a_session_over_tcp_can_be_resumed_after_its_server_vanished(
    authority: Authority,
) -> None:
    resumption, credentials = ResumptionCache(), authority.client()
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
    resumption, credentials = ResumptionCache(), authority.client()
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
async def test_a_server_over_tcp_without_tickets_gets_a_full_handshake(
    authority: Authority,
) -> None:
    resumption, credentials = ResumptionCache(), authority.client()
    async with serving_tls(authority.server()) as server:
        for _ in range(3):
            async with linked_tls(server, credentials, resumption=resumption) as link:
                assert not link.remote.was_resumed
