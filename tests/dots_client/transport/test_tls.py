from __future__ import annotations

import asyncio
import errno
import gc
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import aiocoap
import pytest
from OpenSSL import SSL

from dots_client.errors import HandshakeFailed, PeerUnreachable
from dots_client.identity import Credentials
from dots_client.transport.frames import MAX_MESSAGE_BYTES, framed
from dots_client.transport.policy import Verification, tls_client_context, tls_server_context
from dots_client.transport.server import ServerSettings
from dots_client.transport.tls_connection import NO_ALPN
from dots_client.transport.tls_engine import TlsEngine
from dots_client.transport.tls_server import serve_tls
from dots_client.transport.wire import AnsweredRequest, WireRecord
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

Issue = Callable[[Authority], Credentials]


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
        assert len(session.peer_spki_sha256) == 64
        assert session.uri_base_local == f"coaps+tcp://127.0.0.1:{server.port}"


async def test_the_server_asks_the_client_on_the_same_connection(authority: Authority) -> None:
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


async def test_a_large_answer_arrives_whole(authority: Authority) -> None:
    class Large(WhoAmI):
        async def needs_blockwise_assembly(self, request: aiocoap.Message) -> bool:
            return False

        async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
            return aiocoap.Message(payload=bytes(60_000))

    async with (
        serving_tls(authority.server(), Large()) as server,
        linked_tls(server, authority.client()) as link,
    ):
        assert len((await ask(link.endpoint, get(link))).payload) == 60_000


async def test_what_the_peer_does_not_take_is_not_sent(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving_tls(authority.server()) as server,
        linked_tls(server, authority.client()) as link,
    ):
        message = aiocoap.Message(code=aiocoap.PUT, payload=bytes(MAX_MESSAGE_BYTES))
        link.remote.send_message(message)

        assert "the peer takes 65536" in caplog.text
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
async def test_a_server_is_refused_in_words(
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
async def test_a_refused_client_learns_why_although_tls_tells_it_late(
    authority: Authority, issue: Issue, words: str
) -> None:
    credentials = trusting(issue(authority), authority)
    async with serving_tls(authority.server()) as server:
        with pytest.raises(HandshakeFailed, match=words):
            await open_tls_link(server.port, credentials)


def talk(client: TlsEngine, server: TlsEngine) -> None:
    client.start()
    for _ in range(6):
        server.receive(client.bytes_to_send())
        client.receive(server.bytes_to_send())


def tls_server_of(credentials: Credentials) -> TlsEngine:
    return TlsEngine.server(tls_server_context(credentials, require_client_certificate=True))


@pytest.mark.rule("SC-123")
def test_a_client_without_a_certificate_is_told(authority: Authority) -> None:
    context = SSL.Context(SSL.TLS_METHOD)
    client = TlsEngine(
        connection := SSL.Connection(context), Verification(peer="server", protocol="TLS 1.2")
    )
    connection.set_connect_state()
    server = tls_server_of(authority.server())

    talk(client, server)

    assert client.reason == "the server requires a certificate and got none"
    assert server.reason == "the client sent no certificate"


@pytest.mark.rule("SC-115")
@pytest.mark.parametrize(
    ("alert", "words"),
    [
        ("15030100020246", "the server does not speak TLS 1.2"),
        ("15030300020278", "the server does not serve CoAP there (ALPN)"),
        ("15030300020228", "the server refused the handshake: it may require another certificate"),
    ],
)
def test_a_server_that_cannot_agree_is_told_in_words(
    authority: Authority, alert: str, words: str
) -> None:
    client = TlsEngine.client(tls_client_context(authority.client()), peer_name="provider.example")
    client.start()
    client.receive(bytes.fromhex(alert))

    assert client.reason.startswith(words)


@pytest.mark.rule("SC-115")
def test_a_client_that_speaks_only_old_tls_is_refused(authority: Authority) -> None:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    context.set_max_proto_version(SSL.TLS1_1_VERSION)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    connection = SSL.Connection(context)
    connection.set_connect_state()
    client = TlsEngine(connection, Verification(peer="server", protocol="TLS 1.2"))
    server = tls_server_of(authority.server())

    talk(client, server)

    assert server.reason == "the client does not speak TLS 1.2"
    assert client.reason == "the server does not speak TLS 1.2"


@pytest.mark.rule("SC-116")
@pytest.mark.rule("SS-087")
@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_encryption_is_authenticated_in_every_version(authority: Authority, version: int) -> None:
    context = tls_client_context(authority.client())
    context.set_max_proto_version(version)
    client = TlsEngine.client(context, peer_name="provider.example")
    server = tls_server_of(authority.server())

    talk(client, server)

    assert "GCM" in (client._connection.get_cipher_name() or "")
    assert client.protocol_selected == b"coap"
    assert client.peer_certificate is not None


# Peers that speak TLS and not quite CoAP


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


@asynccontextmanager
async def stream_server(handle: Handler) -> AsyncIterator[int]:
    """A plain TCP server that leaves no socket behind."""
    ended: list[asyncio.Future[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = asyncio.get_running_loop().create_future()
        ended.append(end)
        try:
            with suppress(ConnectionError):
                await handle(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            end.set_result(None)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        if ended:
            await asyncio.wait(ended, timeout=5)


@asynccontextmanager
async def raw_server(
    authority: Authority, sends: bytes, *, then: str = "stay"
) -> AsyncIterator[int]:
    """Speaks TLS with a certificate of ours, then says `sends`."""
    context = tls_server_context(authority.server(), require_client_certificate=True)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine = TlsEngine.server(context)
        has_said = False
        while data := await reader.read(4096):
            engine.receive(data)
            if engine.peer_certificate is not None and not has_said:
                has_said = True
                engine.send(sends)
                if then == "close":
                    engine.close("done")
            writer.write(engine.bytes_to_send())
            if has_said and then == "break":
                break
            if has_said and then == "reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
                break

    async with stream_server(serve) as port:
        yield port


CSM = framed(aiocoap.Message(code=aiocoap.CSM))


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
        (bytes.fromhex("20e1") + b"\x50\x00", "Option not supported"),
        (b"\xf0" + b"\xff" * 4 + b"\xe1", "a message of .* bytes was announced, 65536 are allowed"),
        (bytes.fromhex("1045f0"), "are no CoAP message"),
        (framed(aiocoap.Message(code=aiocoap.ABORT, payload=b"busy")), "CSM"),
    ],
)
async def test_a_server_without_a_proper_csm_is_left(
    authority: Authority, sends: bytes, words: str
) -> None:
    async with raw_server(authority, sends) as port:
        with pytest.raises(HandshakeFailed, match=words):
            await open_tls_link(port, authority.client())


@pytest.mark.rule("SC-113")
async def test_our_csm_is_first_and_waits_for_nothing(authority: Authority) -> None:
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
async def test_a_server_that_does_not_choose_coap_is_left_unless_told_otherwise(
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
        ("break", "the server broke off the connection"),
        ("reset", "the server reset the connection"),
    ],
)
async def test_the_end_of_a_session_is_told_in_words(
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


async def test_a_peer_that_says_why_it_leaves_is_quoted(authority: Authority) -> None:
    goodbye = CSM + framed(aiocoap.Message(code=aiocoap.ABORT, payload=b"too busy"))
    async with raw_server(authority, goodbye) as port:
        link = await open_tls_link(port, authority.client())
        async with asyncio.timeout(5):
            assert await link.closed == "the server ended the session: too busy"
        await link.close()


async def test_a_web_server_is_no_dots_server(authority: Authority) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with stream_server(serve) as port:
        with pytest.raises(HandshakeFailed, match=r"the server does not speak TLS 1\.2"):
            await open_tls_link(port, authority.client())


async def test_a_port_where_nobody_listens_is_reported_at_once(authority: Authority) -> None:
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


# The server


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_failed_handshakes_leave_nothing_behind(authority: Authority) -> None:
    async with serving_tls(authority.server()) as server:
        for junk in (b"", b"\x16\x03\x01\x00", b"GET / HTTP/1.1\r\n\r\n", bytes(2000)):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(junk)
            await writer.drain()
            await _closed(writer)
        await until(lambda: server.pending_count == 0 and not server._closing)

        link = await open_tls_link(server.port, authority.client())
        await link.close()
        await until(lambda: server.sessions == () and not server._closing)


async def test_handshakes_that_dawdle_end(authority: Authority) -> None:
    settings = ServerSettings(handshake_timeout_s=0.05)
    async with serving_tls(authority.server(), settings=settings) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        await _closed(writer)


async def test_handshakes_and_sessions_have_a_bound(authority: Authority) -> None:
    settings = ServerSettings(max_pending=1, max_live=1)
    async with serving_tls(authority.server(), settings=settings) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await until(lambda: server.pending_count == 1)
        async with linked_tls(server, authority.client()) as first:
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            await _closed(writer)
            async with linked_tls(server, authority.client()):
                async with asyncio.timeout(5):
                    assert await first.closed == "the server closed the session"
                assert len(server.sessions) == 1


async def test_a_server_that_stops_says_goodbye_and_one_that_crashes_does_not(
    authority: Authority,
) -> None:
    for ends, words in (
        ("close", {"the server closed the session"}),
        ("abort", {"the server broke off the connection", "the server reset the connection"}),
    ):
        async with (
            serving_tls(authority.server()) as server,
            linked_tls(server, authority.client()) as link,
        ):
            await getattr(server, ends)()
            async with asyncio.timeout(5):
                assert await link.closed in words


async def test_a_peer_that_does_not_read_is_given_up(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Large(WhoAmI):
        async def needs_blockwise_assembly(self, request: aiocoap.Message) -> bool:
            return False

        async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
            return aiocoap.Message(payload=bytes(60_000))

    monkeypatch.setattr("dots_client.transport.tls_connection.MAX_UNSENT_BYTES", 100_000)
    async with (
        serving_tls(authority.server(), Large()) as server,
        linked_tls(server, authority.client()) as link,
    ):
        transport = link.remote._transport
        assert transport is not None
        transport.pause_reading()
        for _ in range(400):
            link.endpoint.request(get(link), lambda _message, _error: None)

        await until(lambda: server.sessions == (), within_s=20)


async def test_the_wire_is_told_of_every_message(authority: Authority) -> None:
    wire: list[WireRecord] = []
    async with (
        serving_tls(authority.server()) as server,
        linked_tls(server, authority.client(), on_wire=wire.append) as link,
    ):
        await ask(link.endpoint, get(link))

    sent, received = wire
    assert (sent.direction, sent.kind, sent.code, sent.path) == ("sent", "TCP", "0.01", "/who")
    assert (received.direction, received.code, received.path) == ("received", "2.05", "/who")
    assert (sent.message_id, received.message_id) == (None, None)
    assert received.answers == AnsweredRequest(code="0.01", path="/who", message_id=None)
    assert sent.session == received.session == link.remote.serial
    assert (sent.transport, received.transport) == ("tls", "tls")
    assert sent.message == b"\x44\x01" + bytes.fromhex(sent.token) + b"\xb3who"
    assert received.message.endswith(b"\xffacme")


async def test_a_revoked_server_is_refused(authority: Authority) -> None:
    good, revoked = authority.server(), authority.server()
    client = replace(authority.client(), revocation_lists=authority.revocation_list(revoked))
    async with serving_tls(revoked) as server:
        with pytest.raises(HandshakeFailed, match="the server's certificate was revoked"):
            await open_tls_link(server.port, client)
    async with serving_tls(good) as server:
        link = await open_tls_link(server.port, client)
        await link.close()


@pytest.mark.parametrize("turns", range(6))
async def test_who_arrives_while_a_server_closes_is_turned_away(
    authority: Authority, turns: int
) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: complaints.append(what))
    server = await serve_tls(
        site_of(WhoAmI()), host="127.0.0.1", port=0, credentials=authority.server()
    )
    arriving = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
    for _ in range(turns):
        await asyncio.sleep(0)

    await server.close()

    gc.collect()  # a socket that nobody closed complains here
    assert server.pending_count == 0
    assert complaints == []
    for sock in arriving:
        with suppress(ConnectionResetError):
            assert sock.recv(1) == b""
        sock.close()


async def test_a_server_without_descriptors_accepts_again_once_there_are_some(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = iter([True, True])

    def accept(listener: socket.socket) -> tuple[socket.socket, object]:
        if next(refusals, False):
            raise OSError(errno.EMFILE, "Too many open files")
        return usual(listener)

    usual = socket.socket.accept
    monkeypatch.setattr(socket.socket, "accept", accept)
    async with (
        serving_tls(authority.server()) as server,
        linked_tls(server, authority.client()) as link,
    ):
        assert (await ask(link.endpoint, get(link))).payload == b"acme"

    assert caplog.text.count("nobody is accepted for a moment") == 2


async def test_a_connection_that_was_reset_before_it_was_accepted_is_let_go(
    authority: Authority,
) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: complaints.append(what))
    async with serving_tls(authority.server()) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        async with linked_tls(server, authority.client()) as link:
            assert (await ask(link.endpoint, get(link))).payload == b"acme"
        await until(lambda: server.pending_count == 0)

    assert complaints == []
