"""The client's side of a DTLS session: one socket, one association, one CoAP endpoint."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

import aiocoap
from aiocoap import interfaces
from OpenSSL import SSL

from dots_client.errors import HandshakeFailed, PeerUnreachable, SessionClosed, TransportError
from dots_client.identity import Credentials
from dots_client.transport.association import Association, datagram_mtu
from dots_client.transport.coap import CoapEndpoint, Site
from dots_client.transport.dtls_engine import RECORD_HEADER_BYTES, DtlsEngine
from dots_client.transport.network import addresses_of, out_of_time, unreachable
from dots_client.transport.policy import client_context
from dots_client.transport.remote import Remote, SocketAddress, hostinfo
from dots_client.transport.resumption import Resumable, Resumption, ResumptionKey
from dots_client.transport.wire import WireTap

log = logging.getLogger("dots_client.transport")

RECEIVE_BUFFER_BYTES: Final = 1 << 20
"""The default of Linux loses datagrams of a burst of 400."""

LINGER_S: Final = 5.0
"""For a handshake that nobody waits for any more, but whose server may hold a session already."""

_CHANGE_CIPHER_SPEC: Final = 20


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
        self._asked_at = 0.0
        "when the flight under way was sent first"
        self._datagrams_sent = 0
        self._may_be_session_there = False
        "our last flight is out: should it arrive, the server has a session"
        self._lingering: asyncio.Task[None] | None = None
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
            transmit=self._transmit,
            address=address,
            local_address=transport.get_extra_info("sockname")[:2],
            on_wire=on_wire,
        )
        self._asked_at = self._loop.time()
        self._association.start()
        # It may have to go on after whoever waits for it here.
        await asyncio.shield(self.established)

    async def abandon(self) -> None:
        """Nobody waits for it any more; a session that comes of it all the same gets a close_notify."""
        if self._may_be_session_there and not self.established.done():
            self._lingering = self._loop.create_task(self._linger())
            await asyncio.sleep(0)  # what is cancelled before it began closes nothing
        else:
            await self.close()

    async def close(self, reason: str = "closed by us") -> None:
        if self._is_closing:
            await self._has_closed.wait()
            return
        self._is_closing = True
        self.established.cancel()
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
        self.has_heard_anything = True
        if self.established.done():
            self.remote.receive_datagram(data)
            return
        arrived_at, sent, has_timed_out = (
            self._loop.time(),
            self._datagrams_sent,
            self.remote.has_timed_out,
        )
        self.remote.receive_datagram(data)
        if self._datagrams_sent > sent or self.remote.is_established:
            self._complete_flight(arrived_at, was_repeated=has_timed_out)

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

    def _transmit(self, datagram: bytes) -> None:
        assert self._socket_transport is not None
        self._datagrams_sent += 1
        self._may_be_session_there |= _CHANGE_CIPHER_SPEC in content_types(datagram)
        self._socket_transport.sendto(datagram)

    def _complete_flight(self, arrived_at: float, *, was_repeated: bool) -> None:
        """What came answered our flight. A round trip, unless the flight was repeated (Karn)."""
        if self.handshake_rtt_s is None and not was_repeated:
            self.handshake_rtt_s = arrived_at - self._asked_at
        self._asked_at = arrived_at
        self.remote.has_timed_out = False

    async def _linger(self) -> None:
        try:
            async with asyncio.timeout(LINGER_S):
                await self.established
        except (TimeoutError, HandshakeFailed, PeerUnreachable) as error:
            log.debug("%s: overtaken, and no session came of it (%s)", self.peer, error)
        finally:
            await self.close("overtaken by another session")

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
    resumption: Resumption | None = None,
) -> DtlsLink:
    """A session with the server called `name`, reached at `host`.

    With `resumption` one of an earlier call is taken up again, where the server is willing.
    """
    own_context = client_context(credentials, resumes=resumption is not None)
    sessions = _Sessions(resumption, ResumptionKey(name, port, credentials))
    link: DtlsLink | None = None
    try:
        async with asyncio.timeout(timeout_s):
            failure = PeerUnreachable(f"{host} has no address")
            for address, offered in sessions.ways(await addresses_of(host, port)):
                link = DtlsLink(site)
                context = own_context if offered is None else offered.context
                engine = DtlsEngine.client(
                    context,
                    peer_name=name,
                    mtu=datagram_mtu(path_mtu, address[0]),
                    session=None if offered is None else offered.session,
                )
                try:
                    await link.open(address, engine=engine, on_wire=on_wire)
                except PeerUnreachable as error:
                    failure = error
                    await link.close()
                except HandshakeFailed as error:
                    if offered is None:
                        raise
                    # libcoap over OpenSSL answers with an alert where it could go on in full.
                    log.info("%s does not resume: %s", hostinfo(address), error)
                    sessions.refused()
                    await link.close()
                else:
                    sessions.keep(engine, context)
                    return link
            raise failure
    except (TimeoutError, asyncio.CancelledError) as error:
        if link is not None:
            await link.abandon()
        if isinstance(error, TimeoutError):
            raise _out_of_time(hostinfo((host, port)), link, timeout_s) from None
        raise
    except BaseException:
        if link is not None:
            await link.close()
        raise


class _Sessions:
    """What the handshakes of one call begin with."""

    def __init__(self, resumption: Resumption | None, key: ResumptionKey) -> None:
        self._resumption = resumption
        self._key = key
        self._was_refused = False

    def ways(
        self, addresses: Iterable[SocketAddress]
    ) -> Iterator[tuple[SocketAddress, Resumable | None]]:
        """Each address; twice when the session offered at first was refused there."""
        for address in addresses:
            offered = self._offer()
            if offered is not None:
                self._was_refused = False
                yield address, offered
                if not self._was_refused:
                    continue
            yield address, None

    def refused(self) -> None:
        self._was_refused = True
        if self._resumption is not None:
            self._resumption.forget(self._key)

    def keep(self, engine: DtlsEngine, context: SSL.Context) -> None:
        if self._resumption is None or engine.session is None:
            return
        resumable = Resumable(context, engine.session)
        self._resumption.keep(self._key, resumable, was_resumed=engine.was_resumed, now=_now())

    def _offer(self) -> Resumable | None:
        return None if self._resumption is None else self._resumption.offer(self._key, now=_now())


def _now() -> float:
    return asyncio.get_running_loop().time()


def _out_of_time(peer: str, link: DtlsLink | None, timeout_s: float) -> TransportError:
    return out_of_time(
        peer, timeout_s, has_heard_anything=link is not None and link.has_heard_anything
    )


def _connected_socket(address: SocketAddress) -> socket.socket:
    """With a fresh port: servers ignore a handshake from one they hold an association for."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:  # no file descriptor is left, or no such family here
        raise PeerUnreachable(unreachable(address, error)) from error
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.connect(address)
    except OSError as error:
        sock.close()
        raise PeerUnreachable(unreachable(address, error)) from error
    return sock


def content_types(datagram: bytes) -> set[int]:
    """Of the records in it."""
    types: set[int] = set()
    at = 0
    while at + RECORD_HEADER_BYTES <= len(datagram):
        types.add(datagram[at])
        at += RECORD_HEADER_BYTES + int.from_bytes(datagram[at + 11 : at + 13], "big")
    return types
