from __future__ import annotations

import aiocoap
import pytest

from dots_client.errors import HandshakeFailed
from dots_client.transport.frames import MAX_MESSAGE_BYTES
from tests.dots_client.authority import Authority, trusting
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
from tests.dots_client.transport.streams import Issue


@pytest.mark.rule("SS-087")
async def test_a_request_is_answered_over_tls(authority: Authority) -> None:
    async with (
        serving_tls(authority.server()) as server,
        linked_tls(server, authority.client()) as link,
    ):
        answer = await ask(link.endpoint, get(link))

        (session,) = server.sessions
        assert answer.payload == b"acme"
        assert link.peer == f"127.0.0.1:{server.port}"
        assert link.handshake_rtt_s is not None
        assert link.connected_at <= link.last_heard_at
        assert link.max_message_bytes == MAX_MESSAGE_BYTES
        assert session.peer_common_name == "acme"
        assert session.uri_base_local == f"coaps+tcp://127.0.0.1:{server.port}"


async def test_the_server_sends_requests_on_the_same_connection(authority: Authority) -> None:
    async with (
        serving_tls(authority.server()) as server,
        linked_tls(server, authority.client(), site=site_of(WhoAmI())),
    ):
        (session,) = server.sessions

        answer = await session.request(aiocoap.Message(code=aiocoap.GET, uri_path=["who"]))

        assert answer.payload == b"provider.example"


async def test_notifications_come_over_tls(authority: Authority) -> None:
    who = WhoAmI()
    seen: list[object] = []
    async with (
        serving_tls(authority.server(), who) as server,
        linked_tls(server, authority.client()) as link,
    ):
        stop = link.endpoint.request(
            get(link, observe=0), lambda message, _error: seen.append(message and message.payload)
        )
        await until(lambda: bool(seen))
        who.updated_state()
        await until(lambda: len(seen) == 2)
        stop()
        left = await ask(link.endpoint, get(link, observe=1))

        assert left.payload == b"acme"


async def test_a_large_answer_arrives_completely(authority: Authority) -> None:
    class Large(WhoAmI):
        async def needs_blockwise_assembly(self, request: aiocoap.Message) -> bool:
            return False

        async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
            return aiocoap.Message(payload=bytes(8_000))

    async with (
        serving_tls(authority.server(), Large()) as server,
        linked_tls(server, authority.client()) as link,
    ):
        assert len((await ask(link.endpoint, get(link))).payload) == 8_000


async def test_a_message_too_large_for_the_peer_is_not_sent(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving_tls(authority.server()) as server,
        linked_tls(server, authority.client()) as link,
    ):
        message = aiocoap.Message(code=aiocoap.PUT, payload=bytes(MAX_MESSAGE_BYTES))
        link.remote.send_message(message)

        assert "the peer accepts 8192" in caplog.text
        assert (await ask(link.endpoint, get(link))).payload == b"acme"


@pytest.mark.parametrize(
    ("issue", "name", "words"),
    [
        (
            lambda ca: ca.server(names=("other.example",)),
            "provider.example",
            "the server's certificate is for other.example, not for provider.example",
        ),
        (
            lambda ca: ca.server(names=("192.0.2.1",)),
            "127.0.0.1",
            "the server's certificate is for 192.0.2.1, not for 127.0.0.1",
        ),
        (lambda ca: ca.server(age_days=40), "provider.example", "the server's certificate expired"),
        (
            lambda _ca: Authority("Unknown authority").server(),
            "provider.example",
            "the server's certificate is signed by an authority that is not trusted here",
        ),
        (
            lambda ca: ca.client(),
            "provider.example",
            "the server's certificate was issued for another purpose",
        ),
    ],
)
@pytest.mark.rule("SC-117")
async def test_a_refused_server_is_reported_with_the_reason(
    authority: Authority, issue: Issue, name: str, words: str
) -> None:
    async with serving_tls(trusting(issue(authority), authority)) as server:
        with pytest.raises(HandshakeFailed, match=words):
            await open_tls_link(server.port, authority.client(), name=name)

        await until(lambda: server.pending_count == 0)
        assert server.sessions == ()


@pytest.mark.parametrize(
    ("issue", "words"),
    [
        (
            lambda _ca: Authority("Unknown authority").client(),
            "the server does not trust the authority that signed our certificate",
        ),
        (
            lambda ca: ca.client(age_days=40),
            "the server says that our certificate has expired",
        ),
        (
            lambda ca: ca.server(),
            "the server refused our certificate: issued for another purpose",
        ),
    ],
)
@pytest.mark.rule("SC-123")
async def test_a_refused_client_learns_why_although_tls_reports_it_late(
    authority: Authority, issue: Issue, words: str
) -> None:
    credentials = trusting(issue(authority), authority)
    async with serving_tls(authority.server()) as server:
        with pytest.raises(HandshakeFailed, match=words):
            await open_tls_link(server.port, credentials)
