from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import aiocoap
import pytest
from aiocoap import resource
from OpenSSL import SSL

from dots_client.transport.coap_server import ServerSettings
from dots_client.transport.dtls_engine import DtlsEngine
from dots_client.transport.dtls_server import DtlsServer, ServerSession
from dots_client.transport.engine import State
from dots_client.transport.tls_contexts import ClientContext, client_context
from tests.dots_client.authority import Authority
from tests.dots_client.transport.loopback import (
    WhoAmI,
    ask,
    get,
    linked,
    open_link,
    serving,
    until,
)


class RawClient:
    """A client that keeps its port, so that it can behave as ours never does."""

    def __init__(self, server: DtlsServer, authority: Authority) -> None:
        self.authority = authority
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(0)
        self.socket.connect(("127.0.0.1", server.port))
        self.sent: list[bytes] = []
        self.context = client_context(authority.client())
        self.engine = self.new_engine()

    def new_engine(self) -> DtlsEngine:
        return DtlsEngine.client(self.context, peer_name="provider.example", mtu=1232)

    def flush(self) -> None:
        for datagram in self.engine.datagrams_to_send():
            self.sent.append(datagram)
            self.socket.send(datagram)

    async def receive(self) -> list[bytes]:
        datagram = await asyncio.wait_for(
            asyncio.get_running_loop().sock_recv(self.socket, 65536), timeout=5
        )
        cleartexts = self.engine.receive(datagram)
        self.flush()
        return cleartexts

    async def shake_hands(self) -> None:
        self.engine = self.new_engine()
        self.engine.start()
        self.flush()
        while self.engine.state is State.HANDSHAKING:
            await self.receive()

    async def ask(self) -> bytes:
        message = aiocoap.Message(
            code=aiocoap.GET, _mtype=aiocoap.NON, _mid=1, _token=b"t", uri_path=["who"]
        )
        self.engine.send(message.encode())
        self.flush()
        while not (cleartexts := await self.receive()):
            pass
        payload: bytes = aiocoap.Message.decode(cleartexts[0]).payload
        return payload


@pytest.fixture
def raw_clients() -> Iterator[list[RawClient]]:
    clients: list[RawClient] = []
    yield clients
    for client in clients:
        client.socket.close()


@pytest.mark.rule("SC-008")
@pytest.mark.rule("SC-123")
@pytest.mark.rule("SS-007")
async def test_a_session_knows_its_client(authority: Authority) -> None:
    credentials = authority.client("globex")
    async with serving(authority.server()) as server, linked(server, credentials):
        (session,) = server.sessions

        assert session.peer_common_name == "globex"
        assert session.transport == "dtls"
        assert session.address[0] == "127.0.0.1"
        assert session.authenticated_claims == ("CN=globex",)


async def test_two_clients_are_distinguished(authority: Authority) -> None:
    async with (
        serving(authority.server()) as server,
        linked(server, authority.client("acme")) as acme,
        linked(server, authority.client("globex")) as globex,
    ):
        assert (await ask(acme.endpoint, get(acme))).payload == b"acme"
        assert (await ask(globex.endpoint, get(globex))).payload == b"globex"


async def test_start_and_end_of_sessions_are_reported(authority: Authority) -> None:
    came: list[ServerSession] = []
    went: list[ServerSession] = []
    async with serving(
        authority.server(), on_session=came.append, on_session_end=went.append
    ) as server:
        async with linked(server, authority.client()):
            assert came == list(server.sessions)
            assert went == []

        await until(lambda: went == came)
        assert went[0].reason == "the client closed the session"
        assert server.sessions == ()


async def test_without_the_cookie_the_server_keeps_no_state(
    authority: Authority, raw_clients: list[RawClient]
) -> None:
    async with serving(authority.server()) as server:
        raw_clients.append(client := RawClient(server, authority))
        client.engine.start()
        (hello,) = client.engine.datagrams_to_send()

        client.socket.send(hello)
        answer = await asyncio.get_running_loop().sock_recv(client.socket, 65536)

        assert answer[13] == 3, "a HelloVerifyRequest"
        assert len(answer) < len(hello), "no amplification"
        assert server.pending_count == 0


async def test_noise_is_dropped(authority: Authority, raw_clients: list[RawClient]) -> None:
    async with serving(authority.server()) as server:
        raw_clients.append(client := RawClient(server, authority))
        hello_of_nonsense = b"\x16\xfe\xfd" + bytes(8) + b"\x00\x20\x01" + bytes(31)
        for noise in (
            b"",
            b"\0" * 5,
            b"noise" * 50,
            hello_of_nonsense,
            b"\x16\xfe\xfd\0\1" + bytes(40),
        ):
            client.socket.send(noise)

        async with linked(server, authority.client()) as link:
            assert (await ask(link.endpoint, get(link))).payload == b"acme"


async def test_a_new_handshake_from_the_same_port_replaces_the_session_once_it_is_finished(
    authority: Authority, raw_clients: list[RawClient]
) -> None:
    went: list[str] = []
    async with serving(
        authority.server(), on_session_end=lambda session: went.append(session.reason)
    ) as server:
        raw_clients.append(client := RawClient(server, authority))
        await client.shake_hands()
        (first,) = server.sessions

        await client.shake_hands()
        await until(lambda: server.sessions != (first,))

        assert await client.ask() == b"acme"
        assert went == ["replaced by a new handshake"]
        assert len(server.sessions) == 1


async def test_a_handshake_that_is_never_finished_does_not_mute_the_session(
    authority: Authority, raw_clients: list[RawClient]
) -> None:
    async with serving(authority.server()) as server:
        raw_clients.append(client := RawClient(server, authority))
        await client.shake_hands()
        established = client.engine

        client.engine = client.new_engine()
        client.engine.start()
        client.flush()
        await client.receive()
        await until(lambda: server.pending_count == 1)
        client.engine = established

        assert await client.ask() == b"acme"
        assert server.pending_count == 1


async def test_a_second_handshake_from_the_same_port_replaces_the_unfinished_first(
    authority: Authority, raw_clients: list[RawClient]
) -> None:
    async with serving(authority.server()) as server:
        raw_clients.append(client := RawClient(server, authority))
        client.engine.start()
        client.flush()
        await client.receive()
        await until(lambda: server.pending_count == 1)
        await asyncio.get_running_loop().sock_recv(client.socket, 65536)

        await client.shake_hands()

        assert await client.ask() == b"acme"
        assert server.pending_count == 0


async def test_a_late_duplicate_of_the_hello_changes_nothing(
    authority: Authority, raw_clients: list[RawClient]
) -> None:
    async with serving(authority.server()) as server:
        raw_clients.append(client := RawClient(server, authority))
        await client.shake_hands()

        for datagram in client.sent[:2]:
            client.socket.send(datagram)

        assert await client.ask() == b"acme"
        assert server.pending_count == 0


async def test_a_lost_last_flight_is_repeated_to_a_client_that_repeats_its_own(
    authority: Authority,
) -> None:
    async with serving(authority.server()) as server:
        countdown = iter(range(1000))
        server.drop_outgoing = lambda _datagram, _address: next(countdown) == 2

        async with linked(server, authority.client()) as link:
            assert (await ask(link.endpoint, get(link))).payload == b"acme"


async def test_the_number_of_pending_handshakes_is_limited(
    authority: Authority, raw_clients: list[RawClient]
) -> None:
    async with serving(authority.server(), settings=ServerSettings(max_pending=2)) as server:
        for _ in range(4):
            raw_clients.append(client := RawClient(server, authority))
            client.engine.start()
            client.flush()
            await client.receive()

        await until(lambda: server.pending_count == 2)


async def test_a_handshake_that_takes_too_long_is_aborted(
    authority: Authority, raw_clients: list[RawClient]
) -> None:
    async with serving(
        authority.server(), settings=ServerSettings(handshake_timeout_s=0.05)
    ) as server:
        raw_clients.append(client := RawClient(server, authority))
        client.engine.start()
        client.flush()
        await client.receive()
        await until(lambda: server.pending_count == 1)

        await until(lambda: server.pending_count == 0)


async def test_the_number_of_sessions_is_limited_and_the_longest_silent_is_closed(
    authority: Authority,
) -> None:
    went: list[str] = []
    async with serving(
        authority.server(),
        settings=ServerSettings(max_live=2),
        on_session_end=lambda session: went.append(session.reason),
    ) as server:
        links = [await open_link(server.port, authority.client(f"client-{n}")) for n in range(2)]
        assert (await ask(links[0].endpoint, get(links[0]))).payload == b"client-0"

        links.append(await open_link(server.port, authority.client("client-2")))

        names = {session.peer_common_name for session in server.sessions}
        assert names == {"client-0", "client-2"}
        assert went == ["too many sessions"]
        for link in links:
            await link.close()


async def test_an_optional_client_certificate_is_still_read(authority: Authority) -> None:
    async with (
        serving(authority.server(), require_client_certificate=False) as server,
        linked(server, authority.client()),
    ):
        (session,) = server.sessions

        assert session.peer_common_name == "acme"


async def test_a_server_may_do_without_client_certificates(
    authority: Authority, raw_clients: list[RawClient]
) -> None:
    async with serving(authority.server(), require_client_certificate=False) as server:
        raw_clients.append(client := RawClient(server, authority))
        own = client.context
        client.context = WithoutCertificate(own.shared, own.certificate, own.private_key)
        await client.shake_hands()

        assert await client.ask() == b""
        (session,) = server.sessions
        assert session.peer_certificate is None


class WithoutCertificate(ClientContext):
    def connection(self) -> SSL.Connection:
        return SSL.Connection(self.shared)


async def test_the_server_sends_requests_over_the_same_session(authority: Authority) -> None:
    class Echo(resource.Resource):  # type: ignore[misc]  # aiocoap has no types
        async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
            return aiocoap.Message(payload=request.payload)

    site = resource.Site()
    site.add_resource(["echo"], Echo())
    async with (
        serving(authority.server()) as server,
        linked(server, authority.client(), site=site),
    ):
        (session,) = server.sessions
        question = aiocoap.Message(
            code=aiocoap.PUT,
            transport_tuning=aiocoap.Unreliable(),
            uri_path=["echo"],
            payload=b"ping",
        )

        async with asyncio.timeout(5):
            answer = await session.request(question)

        assert answer.payload == b"ping"
        assert answer.mtype is aiocoap.NON


@pytest.mark.rule("SS-017")
async def test_notifications_reach_their_session_as_non(authority: Authority) -> None:
    who = WhoAmI()
    arrived: asyncio.Queue[aiocoap.Message] = asyncio.Queue()
    async with serving(authority.server(), who) as server:
        async with linked(server, authority.client()) as link:
            stop = link.endpoint.request(
                get(link, observe=0), lambda message, _error: arrived.put_nowait(message)
            )
            async with asyncio.timeout(5):
                first = await arrived.get()
                who.updated_state()
                second = await arrived.get()
            stop()

        assert (first.opt.observe, second.opt.observe) == (0, 1)
        assert second.mtype is aiocoap.NON
        await until(lambda: who.observer_count == 0)
