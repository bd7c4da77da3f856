"""The server's side of DTLS: one socket, a cookie for strangers, an association per client."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import aiocoap
from aiocoap import interfaces
from OpenSSL import SSL

from dots_client.errors import SessionClosed
from dots_client.identity import Credentials
from dots_client.transport.association import Association, datagram_mtu
from dots_client.transport.coap import CoapEndpoint, Site
from dots_client.transport.dtls_engine import DtlsEngine
from dots_client.transport.policy import Verification, server_context
from dots_client.transport.remote import Remote, SocketAddress, hostinfo
from dots_client.transport.wire import WireTap

log = logging.getLogger("dots_client.transport")

MAX_LIVE_ASSOCIATIONS: Final = 1024
MAX_PENDING_ASSOCIATIONS: Final = 128
HANDSHAKE_TIMEOUT_S: Final = 60.0
RECEIVE_BUFFER_BYTES: Final = 4 << 20
DEFAULT_PATH_MTU: Final = 1280
COOKIE_BYTES: Final = 16

_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_HANDSHAKE_TYPE_AT: Final = 13
_RANDOM_AT: Final = slice(27, 59)

Drop = Callable[[bytes, SocketAddress], bool]
SessionCallback = Callable[["ServerSession"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The bounds of a server."""

    path_mtu: int = DEFAULT_PATH_MTU
    "bytes of an IP packet"
    handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S
    "lost flights are repeated after 1, 2, 4… seconds"
    max_pending: int = MAX_PENDING_ASSOCIATIONS
    "handshakes under way; the oldest gives way"
    max_live: int = MAX_LIVE_ASSOCIATIONS
    "sessions; the longest silent gives way"
    hands_out_tickets: bool = False
    "True: a client may resume its session; its state is with the client, encrypted (RFC 5077)"


class ServerSession(Association):
    """An association with one client."""

    client_random: bytes = b""


class DtlsServer(interfaces.MessageInterface, asyncio.DatagramProtocol):  # type: ignore[misc]  # no types
    """Serves one aiocoap site to whoever presents a certificate we trust."""

    def __init__(
        self,
        site: Site,
        *,
        credentials: Credentials,
        require_client_certificate: bool = True,
        settings: ServerSettings | None = None,
        on_session: SessionCallback | None = None,
        on_session_end: SessionCallback | None = None,
        on_wire: WireTap | None = None,
    ) -> None:
        self.endpoint = CoapEndpoint(site)
        self.endpoint.bind(self)
        self.on_session = on_session
        self.on_session_end = on_session_end
        self.drop_incoming: Drop | None = None
        "loses a datagram from a client when it says True"
        self.drop_outgoing: Drop | None = None
        "loses a datagram to a client when it says True"
        self._settings = settings or ServerSettings()
        self._cookie_secret = secrets.token_bytes(32)
        self._context = server_context(
            credentials,
            require_client_certificate=require_client_certificate,
            cookie=self._cookie,
            hands_out_tickets=self._settings.hands_out_tickets,
        )
        self._on_wire = on_wire
        self._loop = asyncio.get_running_loop()
        self._live: dict[SocketAddress, ServerSession] = {}
        self._pending: dict[SocketAddress, ServerSession] = {}
        self._deadlines: dict[ServerSession, asyncio.TimerHandle] = {}
        self._listener, self._listening = self._new_listener()
        self._socket_transport: asyncio.DatagramTransport | None = None
        self._local_address: SocketAddress = ("", 0)
        self._is_closing = False
        self._lost = asyncio.Event()

    @property
    def port(self) -> int:
        return self._local_address[1]

    @property
    def host(self) -> str:
        return self._local_address[0]

    @property
    def sessions(self) -> tuple[ServerSession, ...]:
        """Those whose handshake is finished."""
        return tuple(self._live.values())

    @property
    def pending_count(self) -> int:
        return len(self._pending)

    @property
    def context(self) -> aiocoap.Context:
        return self.endpoint.context

    async def close(self) -> None:
        """Say goodbye to every client, then let go of the socket."""
        if self._is_closing:
            return
        self._is_closing = True
        for session in (*self._live.values(), *self._pending.values()):
            session.close("the server stopped")
        await self.endpoint.shutdown()

    async def abort(self) -> None:
        """Vanish as after a power cut: no client is told."""
        self.drop_outgoing = lambda _datagram, _address: True
        await self.close()

    # asyncio's datagram protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket_transport = cast(asyncio.DatagramTransport, transport)
        self._local_address = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        address: SocketAddress = (addr[0], addr[1])
        if self.drop_incoming is not None and self.drop_incoming(data, address):
            return
        if len(data) < _HANDSHAKE_TYPE_AT + 1:
            return
        if data[3:5] != b"\0\0":
            # Whatever does not authenticate in one of them is dropped there.
            self._feed(self._live.get(address), data)
            self._feed(self._pending.get(address), data)
        elif data[0] == _HANDSHAKE and data[_HANDSHAKE_TYPE_AT] == _CLIENT_HELLO:
            self._receive_client_hello(data, address)
        else:
            self._feed(self._pending.get(address) or self._live.get(address), data)

    def error_received(self, exc: Exception) -> None:
        log.info("the network says %s", exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()

    # Handshakes

    def _receive_client_hello(self, data: bytes, address: SocketAddress) -> None:
        random = data[_RANDOM_AT]
        pending = self._pending.get(address)
        if pending is not None and pending.client_random == random:
            self._feed(pending, data)
            return
        live = self._live.get(address)
        if live is not None and live.client_random == random:
            return  # a late duplicate of the hello that made the session
        self._listening.address = repr(address).encode()
        self._listener.bio_write(data)
        try:
            self._listener.DTLSv1_listen()
        except SSL.WantReadError:
            self._transmit_from_listener(address)
        except SSL.Error as error:
            log.info("%s: no handshake (%s)", hostinfo(address), error)
            self._listener, self._listening = self._new_listener()
        else:
            self._promote(data, address)

    def _transmit_from_listener(self, address: SocketAddress) -> None:
        try:
            self._transmit(self._listener.bio_read(65536), address)
        except SSL.WantReadError:
            return  # not even a hello to answer

    def _promote(self, hello: bytes, address: SocketAddress) -> None:
        """The cookie came back, so the address is real: the listener becomes an association."""
        connection, verification = self._listener, self._listening
        self._listener, self._listening = self._new_listener()
        while len(self._pending) >= self._settings.max_pending:
            next(iter(self._pending.values())).close("too many handshakes at once")
        if (replaced := self._pending.get(address)) is not None:
            replaced.close("started anew")
        engine = DtlsEngine(
            connection, verification, mtu=datagram_mtu(self._settings.path_mtu, address[0])
        )
        session = ServerSession(
            engine,
            owner=self,
            endpoint=self.endpoint,
            transmit=lambda datagram: self._transmit(datagram, address),
            address=address,
            local_address=self._local_address,
            on_wire=self._on_wire,
        )
        session.client_random = hello[_RANDOM_AT]
        self._pending[address] = session
        self._deadlines[session] = self._loop.call_later(
            self._settings.handshake_timeout_s, session.close, "the handshake took too long"
        )
        # A memory BIO cannot be peeked into: the listener consumed the hello it accepted.
        session.receive_datagram(hello)

    def session_established(self, remote: Remote) -> None:
        session = cast(ServerSession, remote)
        del self._pending[session.address]
        self._deadlines.pop(session).cancel()
        old = self._live.pop(session.address, None)
        self._live[session.address] = session
        if old is not None:
            old.forget("replaced by a new handshake")
        while len(self._live) > self._settings.max_live:
            self._longest_silent().close("too many sessions")
        if self.on_session is not None:
            self.on_session(session)

    def session_closed(self, remote: Remote) -> None:
        session = cast(ServerSession, remote)
        deadline = self._deadlines.pop(session, None)
        if deadline is not None:
            deadline.cancel()
        if self._pending.get(session.address) is session:
            del self._pending[session.address]
            log.info("%s: no session: %s", session.hostinfo, session.reason)
        if self._live.get(session.address) is session:
            del self._live[session.address]
        if session.established_at is None:
            return
        self.endpoint.messages.dispatch_error(SessionClosed(session.reason), session)
        if self.on_session_end is not None:
            self.on_session_end(session)

    def _longest_silent(self) -> ServerSession:
        return min(self._live.values(), key=lambda session: session.last_heard_at or 0.0)

    def _new_listener(self) -> tuple[SSL.Connection, Verification]:
        connection = SSL.Connection(self._context)
        connection.set_accept_state()
        connection.set_ciphertext_mtu(DEFAULT_PATH_MTU)
        verification = Verification(peer="client")
        connection.set_app_data(verification)
        return connection, verification

    def _cookie(self, address: bytes) -> bytes:
        return hmac.digest(self._cookie_secret, address, "sha256")[:COOKIE_BYTES]

    # Datagrams

    def _feed(self, session: ServerSession | None, data: bytes) -> None:
        if session is not None:
            session.receive_datagram(data)

    def _transmit(self, datagram: bytes, address: SocketAddress) -> None:
        if self.drop_outgoing is not None and self.drop_outgoing(datagram, address):
            return
        assert self._socket_transport is not None
        self._socket_transport.sendto(datagram, address)

    # aiocoap's message interface

    def send(self, message: aiocoap.Message) -> None:
        message.remote.send_message(message)

    async def shutdown(self) -> None:
        if self._socket_transport is not None:
            self._socket_transport.close()
            await self._lost.wait()

    async def recognize_remote(self, remote: object) -> bool:
        return isinstance(remote, ServerSession) and remote.is_established

    async def determine_remote(self, message: aiocoap.Message) -> None:
        return None


async def serve_dtls(
    site: Site,
    *,
    host: str,
    port: int,
    credentials: Credentials,
    require_client_certificate: bool = True,
    settings: ServerSettings | None = None,
    on_session: SessionCallback | None = None,
    on_session_end: SessionCallback | None = None,
    on_wire: WireTap | None = None,
) -> DtlsServer:
    """Listen; port 0 takes any free one, to be read from `.port`."""
    server = DtlsServer(
        site,
        credentials=credentials,
        require_client_certificate=require_client_certificate,
        settings=settings,
        on_session=on_session,
        on_session_end=on_session_end,
        on_wire=on_wire,
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.bind((host, port))
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: server, sock=sock)
    except BaseException:
        sock.close()
        raise
    return server
