"""A DTLS server: one socket, a cookie exchange, an association per client."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import socket
from collections.abc import Callable
from typing import Any, Final, Unpack, cast

import aiocoap
from aiocoap import interfaces
from OpenSSL import SSL

from dots_client.identity import Credentials
from dots_client.transport.association import DEFAULT_PATH_MTU, Association, datagram_mtu
from dots_client.transport.certificate_verification import Verification
from dots_client.transport.coap import CoapEndpoint, Site
from dots_client.transport.coap_server import (
    CoapServer,
    ServerOptions,
    bound_socket,
)
from dots_client.transport.dtls_engine import DtlsEngine
from dots_client.transport.remote import Remote, SocketAddress, hostinfo
from dots_client.transport.tls_contexts import server_context

log = logging.getLogger("dots_client.transport")

SERVER_RECEIVE_BUFFER_BYTES: Final = 4 << 20
COOKIE_BYTES: Final = 16

_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_HANDSHAKE_TYPE_AT: Final = 13
_RANDOM_AT: Final = slice(27, 59)

Drop = Callable[[bytes, SocketAddress], bool]


class ServerSession(Association):
    """An association with one client."""

    client_random: bytes = b""


class DtlsServer(CoapServer[ServerSession], interfaces.MessageInterface, asyncio.DatagramProtocol):  # type: ignore[misc]  # no types
    """Over UDP. Sessions are found by the client's address."""

    endpoint: CoapEndpoint

    def __init__(self, site: Site, **options: Unpack[ServerOptions[ServerSession]]) -> None:
        self._cookie_secret = secrets.token_bytes(32)
        super().__init__(CoapEndpoint(site), **options)
        self.endpoint.bind(self)
        self.drop_incoming: Drop | None = None
        "called with each datagram from a client; True loses it"
        self.drop_outgoing: Drop | None = None
        "called with each datagram to a client; True loses it"
        self._live_at: dict[SocketAddress, ServerSession] = {}
        self._pending_at: dict[SocketAddress, ServerSession] = {}
        self._listener, self._listening = self._new_listener()
        self._socket_transport: asyncio.DatagramTransport | None = None
        self._lost = asyncio.Event()

    async def listen(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SERVER_RECEIVE_BUFFER_BYTES)
        await self._loop.create_datagram_endpoint(lambda: self, sock=sock)

    async def abort(self) -> None:
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
            # An association drops what does not authenticate.
            self._feed(self._live_at.get(address), data)
            self._feed(self._pending_at.get(address), data)
        elif data[0] == _HANDSHAKE and data[_HANDSHAKE_TYPE_AT] == _CLIENT_HELLO:
            self._receive_client_hello(data, address)
        else:
            self._feed(self._pending_at.get(address) or self._live_at.get(address), data)

    def error_received(self, exc: Exception) -> None:
        self.endpoint.log.info("network error: %s", exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()

    # Handshakes

    def _receive_client_hello(self, data: bytes, address: SocketAddress) -> None:
        random = data[_RANDOM_AT]
        pending = self._pending_at.get(address)
        if pending is not None and pending.client_random == random:
            self._feed(pending, data)
            return
        live = self._live_at.get(address)
        if live is not None and live.client_random == random:
            return  # a late duplicate of the hello that made the session
        self._listening.address = repr(address).encode()
        self._listener.bio_write(data)
        try:
            self._listener.DTLSv1_listen()
        except SSL.WantReadError:
            self._transmit_from_listener(address)
        except SSL.Error as error:
            self.endpoint.log.info("%s: no handshake (%s)", hostinfo(address), error)
            self._listener, self._listening = self._new_listener()
        else:
            self._promote(data, address)

    def _transmit_from_listener(self, address: SocketAddress) -> None:
        try:
            self._transmit(self._listener.bio_read(65536), address)
        except SSL.WantReadError:
            return  # not a complete hello

    def _promote(self, hello: bytes, address: SocketAddress) -> None:
        """The client returned the cookie, so its address is real: begin an association."""
        connection, verification = self._listener, self._listening
        self._listener, self._listening = self._new_listener()
        self._make_room()
        if (replaced := self._pending_at.get(address)) is not None:
            replaced.close("a new handshake began")
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
        self._pending_at[address] = session
        self._begin(session)
        # The listener consumed the hello that it accepted: a memory BIO has no peek.
        session.receive_datagram(hello)

    def session_established(self, remote: Remote) -> None:
        session = cast(ServerSession, remote)
        del self._pending_at[session.address]
        old = self._live_at.get(session.address)
        self._live_at[session.address] = session
        if old is not None:
            old.forget("replaced by a new handshake")
        super().session_established(session)

    def session_closed(self, remote: Remote) -> None:
        session = cast(ServerSession, remote)
        for at in (self._pending_at, self._live_at):
            if at.get(session.address) is session:
                del at[session.address]
        super().session_closed(session)

    def _make_context(
        self, credentials: Credentials, *, require_client_certificate: bool
    ) -> SSL.Context:
        return server_context(
            credentials,
            require_client_certificate=require_client_certificate,
            cookie=self._cookie,
            hands_out_tickets=self._settings.hands_out_tickets,
        )

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
    site: Site, *, host: str, port: int, **options: Unpack[ServerOptions[ServerSession]]
) -> DtlsServer:
    """Listen; port 0 takes any free one, to be read from `.port`."""
    server = DtlsServer(site, **options)
    with bound_socket(host, port, socket.SOCK_DGRAM) as sock:
        await server.listen(sock)
    return server
