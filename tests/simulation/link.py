"""The client's side of a simulated session: real CoAP messages, without DTLS around them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from itertools import count
from typing import Any, ClassVar, Final, Protocol, cast

import aiocoap
from aiocoap import interfaces

from dots_client.errors import HandshakeFailed, PeerUnreachable
from dots_client.transport.attempt import Attempt
from dots_client.transport.coap import CoapEndpoint, Site
from dots_client.transport.engine import Engine
from dots_client.transport.link import Link
from dots_client.transport.message_parser import MalformedMessage, read_datagram
from dots_client.transport.network import out_of_time
from dots_client.transport.remote import Remote, hostinfo
from dots_client.transport.send_guard import MaySend, SendGuard
from dots_client.transport.wire import WireTap
from tests.simulation.network import Datagram, Deliver, Kind, Network
from tests.simulation.virtual_loop import OUTSIDE

REPEAT_HELLO_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
MAX_MESSAGE_BYTES: Final = 1152
MAX_INCOMING_BYTES: Final = 8192
"""The simulated server does not split its answers into blocks."""


class Server(Protocol):
    """What a link reaches at an address."""

    def receive(self, datagram: Datagram, *, client: str, answer: Deliver) -> None: ...


class SimulatedRemote(Remote):
    """The server of one session."""

    scheme: ClassVar[str] = "coaps"
    transport: ClassVar[str] = "dtls"
    endpoint: CoapEndpoint

    def __init__(self, link: SimulatedLink, *, guard: SendGuard, on_wire: WireTap | None) -> None:
        super().__init__(
            owner=link,
            endpoint=link.endpoint,
            address=link.address,
            local_address=("192.0.2.1", 40000),
            on_wire=on_wire,
            guard=guard,
        )
        self._link = link
        self._is_closed = False
        self.max_message_bytes = MAX_MESSAGE_BYTES

    @property
    def is_established(self) -> bool:
        return self.established_at is not None and not self._is_closed

    def send_message(self, message: aiocoap.Message) -> None:
        if not self.is_established:
            return
        encoded = message.encode()
        if len(encoded) > self.max_message_bytes:
            return
        self._tap(message, "sent", encoded)
        self._link.transmit(Kind.DATA, encoded)

    def receive(self, datagram: Datagram) -> None:
        if self._is_closed:
            return
        self.last_heard_at = self._loop.time()
        match datagram.kind:
            case Kind.WELCOME if self.established_at is None:
                self.established_at = self._loop.time()
                self._owner.session_established(self)
            case Kind.BYE:
                self._end("the server closed the session")
            case Kind.DATA if self.established_at is not None:
                self._receive_message(datagram.message)

    def close(self, reason: str = "closed by us") -> None:
        if self._is_closed:
            return
        with self._guard.leaving():
            self._link.transmit(Kind.BYE)
        self._end(reason)

    def forget(self, reason: str) -> None:
        self._end(reason)

    def _end(self, reason: str) -> None:
        self._is_closed = True
        self.reason = reason
        self._owner.session_closed(self)

    def _receive_message(self, encoded: bytes) -> None:
        try:
            incoming = read_datagram(encoded, max_bytes=MAX_INCOMING_BYTES)
        except MalformedMessage:
            return
        incoming.message.remote = self
        self._tap(incoming.message, "received", encoded, incoming.not_read)
        self._link.tell_received(incoming.message)
        if incoming.not_understood:
            self.endpoint.messages.refuse(incoming)
        else:
            self.endpoint.messages.dispatch_message(incoming.message)


class SimulatedLink(Link[SimulatedRemote], interfaces.MessageInterface):  # type: ignore[misc]
    """A session over the simulated network."""

    transport_name: ClassVar[str] = "dtls"
    is_reliable: ClassVar[bool] = False
    endpoint: CoapEndpoint

    def __init__(
        self,
        site: Site | None,
        address: tuple[str, int],
        *,
        number: int,
        client: str,
        server: Server | None,
        network: Network,
        may_send: MaySend,
        on_wire: WireTap | None,
        on_sent: Callable[[str, Kind], None],
        on_received: Callable[[str, aiocoap.Message], None],
    ) -> None:
        super().__init__(CoapEndpoint(site), cast(Engine, None), address)
        self.endpoint.bind(self)
        self._number = number
        self._client = client
        self._server = server
        self._network = network
        self._guard = SendGuard(may_send)
        self._on_sent = on_sent
        self._on_received = on_received
        self._context = copy_context()
        self._remote = SimulatedRemote(self, guard=self._guard, on_wire=on_wire)

    @property
    def has_heard_anything(self) -> bool:
        return self.remote.established_at is not None

    async def open(self) -> None:
        for delay_s in REPEAT_HELLO_S:
            sent_at = self._loop.time()
            self.transmit(Kind.HELLO)
            try:
                async with asyncio.timeout(delay_s):
                    await asyncio.shield(self.established)
            except TimeoutError:
                continue
            self.handshake_rtt_s = self.connected_at - sent_at
            return
        await asyncio.shield(self.established)

    def transmit(self, kind: Kind, message: bytes = b"") -> None:
        """Send one datagram, or drop it while the guard is closed, as a guarded socket does."""
        if not self._guard.is_open or self._server is None:
            return
        self._on_sent(self._client, kind)
        self._network.send(
            Datagram(kind, self._number, message),
            self._reach_server,
            context=OUTSIDE,
            what=f"to {self.address[0]}",
        )

    def tell_received(self, message: aiocoap.Message) -> None:
        self._on_received(self._client, message)

    def _reach_server(self, datagram: Datagram) -> None:
        assert self._server is not None
        self._server.receive(datagram, client=self._client, answer=self._answer)

    def _answer(self, datagram: Datagram) -> None:
        self._network.send(
            datagram,
            self.remote.receive,
            context=self._context,
            what=f"from {self.address[0]}",
        )

    # aiocoap's message interface

    def send(self, message: aiocoap.Message) -> None:
        message.remote.send_message(message)

    async def shutdown(self) -> None:
        """There is no socket to close."""

    async def recognize_remote(self, remote: object) -> bool:
        return remote is self._remote

    async def determine_remote(self, message: aiocoap.Message) -> None:
        return None


class SimulatedTransport:
    """Opens sessions over `network` with the servers at their addresses."""

    def __init__(
        self,
        network: Network,
        servers: dict[str, Server],
        *,
        on_sent: Callable[[str, Kind], None],
        on_received: Callable[[str, aiocoap.Message], None],
    ) -> None:
        """`on_sent` and `on_received` get the client, as its certificate names it."""
        self._network = network
        self._servers = servers
        self._on_sent = on_sent
        self._on_received = on_received
        self._numbers = count(1)

    async def __call__(self, attempt: Attempt) -> Link[Any]:
        address = (attempt.host, attempt.port)
        link = SimulatedLink(
            attempt.site,
            address,
            number=next(self._numbers),
            client=attempt.credentials.certificate_chain.decode(),
            server=self._servers.get(attempt.host),
            network=self._network,
            may_send=attempt.may_send,
            on_wire=attempt.on_wire,
            on_sent=self._on_sent,
            on_received=self._on_received,
        )
        try:
            async with asyncio.timeout(attempt.timeout_s):
                await link.open()
        except TimeoutError:
            await link.close()
            raise out_of_time(
                hostinfo(address), attempt.timeout_s, has_heard_anything=link.has_heard_anything
            ) from None
        except (HandshakeFailed, PeerUnreachable, asyncio.CancelledError):
            await link.close()
            raise
        return link
