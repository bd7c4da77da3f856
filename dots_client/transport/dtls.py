"""The client's side of a DTLS session: one socket, one association, one CoAP endpoint."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, ClassVar, Final, cast

import aiocoap
from aiocoap import interfaces

from dots_client.errors import HandshakeFailed, PeerUnreachable
from dots_client.transport.association import Association, datagram_mtu
from dots_client.transport.attempt import Attempt
from dots_client.transport.coap import CoapEndpoint, Site
from dots_client.transport.dtls_engine import CHANGE_CIPHER_SPEC, DtlsEngine, content_types
from dots_client.transport.link import Link, first_open
from dots_client.transport.network import unreachable
from dots_client.transport.remote import SocketAddress
from dots_client.transport.resumption import Offer
from dots_client.transport.send_guard import GuardedSocket, MaySend, SendGuard
from dots_client.transport.tls_contexts import client_context
from dots_client.transport.wire import WireTap

log = logging.getLogger("dots_client.transport")

RECEIVE_BUFFER_BYTES: Final = 1 << 20
"""The default of Linux loses datagrams in a burst of 400."""

LINGER_S: Final = 5.0
"""Seconds for an abandoned handshake whose server may already have a session."""


class DtlsLink(Link[Association], interfaces.MessageInterface, asyncio.DatagramProtocol):  # type: ignore[misc]  # no types
    """A session over UDP, with its own socket."""

    transport_name: ClassVar[str] = "dtls"
    is_reliable: ClassVar[bool] = False
    endpoint: CoapEndpoint
    engine: DtlsEngine

    def __init__(
        self,
        site: Site | None,
        engine: DtlsEngine,
        address: SocketAddress,
        *,
        on_wire: WireTap | None,
        may_send: MaySend,
    ) -> None:
        super().__init__(CoapEndpoint(site), engine, address)
        self.endpoint.bind(self)
        self._on_wire = on_wire
        self._guard = SendGuard(may_send)
        self._has_heard_anything = False
        self._asked_at = 0.0
        "when the current flight was sent first"
        self._datagrams_sent = 0
        self._may_be_session_there = False
        "our last flight was sent: if it arrives, the server has a session"
        self._lingering: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self._socket_transport: asyncio.DatagramTransport | None = None

    @property
    def has_heard_anything(self) -> bool:
        return self._has_heard_anything

    @property
    def safe_message_bytes(self) -> int:
        return min(self.engine.safe_cleartext_bytes, self.remote.max_message_bytes)

    async def open(self) -> None:
        sock = _connected_socket(self.address, self._guard)
        try:
            transport, _ = await self._loop.create_datagram_endpoint(lambda: self, sock=sock)
        except BaseException:
            sock.close()
            raise
        self._remote = Association(
            self.engine,
            owner=self,
            endpoint=self.endpoint,
            transmit=self._transmit,
            address=self.address,
            local_address=transport.get_extra_info("sockname")[:2],
            on_wire=self._on_wire,
            guard=self._guard,
        )
        self._asked_at = self._loop.time()
        self._remote.start()
        # The handshake may have to continue after this call was cancelled.
        await asyncio.shield(self.established)

    async def abandon(self) -> None:
        """Wait in the background for a session that may still open, and end it."""
        if self._may_be_session_there and not self.established.done():
            self._lingering = self._loop.create_task(self._linger())
            await asyncio.sleep(0)  # a task that is cancelled before it starts closes nothing
        else:
            await self.close()

    # asyncio's datagram protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket_transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._has_heard_anything = True
        if self.established.done():
            self.remote.receive_datagram(data)
            return
        arrived_at, sent, has_timed_out = (
            self._loop.time(),
            self._datagrams_sent,
            self.remote.has_timed_out,
        )
        try:
            self.remote.receive_datagram(data)
        except Exception as error:
            if self.established.done():
                raise
            # asyncio only logs it, and the handshake would wait until its time limit.
            self.established.set_exception(error)
            return
        if self._datagrams_sent > sent or self.remote.is_established:
            self._complete_flight(arrived_at, was_repeated=has_timed_out)

    def error_received(self, exc: Exception) -> None:
        if self.established.done():
            # ICMP is not authenticated, so it must not end an authenticated session.
            self.endpoint.log.info("%s: the network says %s", self.peer, exc)
            return
        self.established.set_exception(PeerUnreachable(unreachable(self.remote.address, exc)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()

    # aiocoap's message interface

    def send(self, message: aiocoap.Message) -> None:
        message.remote.send_message(message)

    def _transmit(self, datagram: bytes) -> None:
        assert self._socket_transport is not None
        self._datagrams_sent += 1
        if not self._may_be_session_there:
            self._may_be_session_there = CHANGE_CIPHER_SPEC in content_types(datagram)
        self._socket_transport.sendto(datagram)

    def _complete_flight(self, arrived_at: float, *, was_repeated: bool) -> None:
        """The peer answered our flight: one round trip, unless it was retransmitted (Karn)."""
        if self.handshake_rtt_s is None and not was_repeated:
            self.handshake_rtt_s = arrived_at - self._asked_at
        self._asked_at = arrived_at
        self.remote.has_timed_out = False

    async def _linger(self) -> None:
        try:
            async with asyncio.timeout(LINGER_S):
                await self.established
        except (TimeoutError, HandshakeFailed, PeerUnreachable) as error:
            log.debug("%s: overtaken without a session (%s)", self.peer, error)
        finally:
            await self.close("overtaken by another session")

    async def shutdown(self) -> None:
        if self._socket_transport is not None:
            self._socket_transport.close()
            await self._lost.wait()

    async def recognize_remote(self, remote: object) -> bool:
        return remote is self._remote

    async def determine_remote(self, message: aiocoap.Message) -> None:
        return None


async def open_dtls(attempt: Attempt) -> DtlsLink:
    """Open a session over UDP. TransportError if there is none."""

    def make(address: SocketAddress, offer: Offer) -> DtlsLink:
        engine = DtlsEngine.client(
            offer.context,
            peer_name=attempt.name,
            mtu=datagram_mtu(attempt.path_mtu, address[0]),
            session=offer.session,
        )
        return DtlsLink(
            attempt.site, engine, address, on_wire=attempt.on_wire, may_send=attempt.may_send
        )

    context = client_context(attempt.credentials, resumes=attempt.resumption is not None)
    return await first_open(make, attempt, attempt.offers(DtlsLink.transport_name, context))


def _connected_socket(address: SocketAddress, guard: SendGuard) -> socket.socket:
    """A socket on a new port: servers ignore a handshake from a port that has an association."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        sock = GuardedSocket(family, socket.SOCK_DGRAM, guard)
    except OSError as error:  # no file descriptors left, or the family is not supported
        raise PeerUnreachable(unreachable(address, error)) from error
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.connect(address)
    except OSError as error:
        sock.close()
        raise PeerUnreachable(unreachable(address, error)) from error
    return sock
