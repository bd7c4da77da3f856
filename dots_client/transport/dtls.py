"""The client's side of a DTLS session: one socket, one association, one CoAP endpoint."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, Final, cast

import aiocoap
from aiocoap import interfaces

from dots_client.errors import HandshakeFailed, PeerUnreachable, SessionClosed, TransportError
from dots_client.identity import Credentials
from dots_client.transport.association import Association, datagram_mtu
from dots_client.transport.coap import CoapEndpoint, Site
from dots_client.transport.engine import DtlsEngine
from dots_client.transport.network import addresses_of, out_of_time, unreachable
from dots_client.transport.policy import client_context
from dots_client.transport.remote import Remote, SocketAddress, hostinfo
from dots_client.transport.wire import WireTap

log = logging.getLogger("dots_client.transport")

RECEIVE_BUFFER_BYTES: Final = 1 << 20
"""The default of Linux loses datagrams of a burst of 400."""


class DtlsLink(interfaces.MessageInterface, asyncio.DatagramProtocol):  # type: ignore[misc]  # no types
    """A session of one client with one server."""

    transport_name: Final = "dtls"
    is_reliable: Final = False

    def __init__(self, site: Site | None) -> None:
        loop = asyncio.get_running_loop()
        self.endpoint = CoapEndpoint(site)
        self.endpoint.bind(self)
        self.established: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()
        "why the session is over, in words"
        self.handshake_rtt_s: float | None = None
        self.has_heard_anything = False
        self._loop = loop
        self._started_at = 0.0
        self._is_closing = False
        self._has_closed = asyncio.Event()
        self._lost = asyncio.Event()
        self._association: Association | None = None
        self._socket_transport: asyncio.DatagramTransport | None = None

    @property
    def remote(self) -> Association:
        assert self._association is not None
        return self._association

    @property
    def peer(self) -> str:
        return self.remote.hostinfo

    @property
    def connected_at(self) -> float:
        """Loop time."""
        assert self.remote.established_at is not None
        return self.remote.established_at

    @property
    def last_heard_at(self) -> float:
        """Loop time of the last datagram that authenticated."""
        assert self.remote.last_heard_at is not None
        return self.remote.last_heard_at

    @property
    def max_message_bytes(self) -> int:
        return self.remote.max_message_bytes

    async def open(
        self,
        address: SocketAddress,
        *,
        engine: DtlsEngine,
        on_wire: WireTap | None,
    ) -> None:
        """Connect the socket and finish the handshake, or raise why not."""
        sock = _connected_socket(address)
        try:
            transport, _ = await self._loop.create_datagram_endpoint(lambda: self, sock=sock)
        except BaseException:
            sock.close()
            raise
        self._association = Association(
            engine,
            owner=self,
            endpoint=self.endpoint,
            transmit=transport.sendto,
            address=address,
            local_address=transport.get_extra_info("sockname")[:2],
            on_wire=on_wire,
        )
        self._started_at = self._loop.time()
        self._association.start()
        await self.established

    async def close(self, reason: str = "closed by us") -> None:
        if self._is_closing:
            await self._has_closed.wait()
            return
        self._is_closing = True
        try:
            if self._association is not None:
                self._association.close(reason)
            if not self.closed.done():
                self.closed.set_result(reason)
            await self.endpoint.shutdown()
        finally:
            self._has_closed.set()

    # asyncio's datagram protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket_transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if not self.has_heard_anything:
            self.has_heard_anything = True
            if not self.remote.has_timed_out:
                self.handshake_rtt_s = self._loop.time() - self._started_at
        self.remote.receive_datagram(data)

    def error_received(self, exc: Exception) -> None:
        if self.established.done():
            # ICMP is not authenticated: it may not end what authenticated itself.
            log.info("%s: the network says %s", self.peer, exc)
            return
        self.established.set_exception(PeerUnreachable(unreachable(self.remote.address, exc)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()

    # The owner of the association

    def session_established(self, remote: Remote) -> None:
        if not self.established.done():
            self.established.set_result(None)

    def session_closed(self, remote: Remote) -> None:
        if not self.established.done():
            self.established.set_exception(HandshakeFailed(remote.reason))
            return
        if not self.closed.done():
            self.closed.set_result(remote.reason)
        self.endpoint.messages.dispatch_error(SessionClosed(remote.reason), remote)

    # aiocoap's message interface

    def send(self, message: aiocoap.Message) -> None:
        message.remote.send_message(message)

    async def shutdown(self) -> None:
        if self._socket_transport is not None:
            self._socket_transport.close()
            await self._lost.wait()

    async def recognize_remote(self, remote: object) -> bool:
        return remote is self._association

    async def determine_remote(self, message: aiocoap.Message) -> None:
        return None


async def open_dtls(
    *,
    name: str,
    host: str,
    port: int,
    credentials: Credentials,
    site: Site | None,
    path_mtu: int,
    timeout_s: float,
    on_wire: WireTap | None = None,
) -> DtlsLink:
    """A session with the server called `name`, reached at `host`."""
    context = client_context(credentials)
    link: DtlsLink | None = None
    try:
        async with asyncio.timeout(timeout_s):
            failure = PeerUnreachable(f"{host} has no address")
            for address in await addresses_of(host, port):
                link = DtlsLink(site)
                mtu = datagram_mtu(path_mtu, address[0])
                engine = DtlsEngine.client(context, peer_name=name, mtu=mtu)
                try:
                    await link.open(address, engine=engine, on_wire=on_wire)
                except PeerUnreachable as error:
                    failure = error
                    await link.close()
                else:
                    return link
            raise failure
    except BaseException as error:
        if link is not None:
            await link.close()
        if isinstance(error, TimeoutError):
            raise _out_of_time(hostinfo((host, port)), link, timeout_s) from None
        raise


def _out_of_time(peer: str, link: DtlsLink | None, timeout_s: float) -> TransportError:
    return out_of_time(
        peer, timeout_s, has_heard_anything=link is not None and link.has_heard_anything
    )


def _connected_socket(address: SocketAddress) -> socket.socket:
    """With a fresh port: servers ignore a handshake from one they hold an association for."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.connect(address)
    except OSError as error:
        sock.close()
        raise PeerUnreachable(unreachable(address, error)) from error
    return sock
