"""What the client's side of a session has in common over DTLS and TLS."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import ClassVar, Generic, TypeVar

from dots_client.errors import HandshakeFailed, PeerUnreachable, SessionClosed
from dots_client.transport.attempt import Attempt
from dots_client.transport.coap import Endpoint
from dots_client.transport.engine import Engine
from dots_client.transport.network import addresses_of, out_of_time
from dots_client.transport.remote import Remote, SocketAddress, hostinfo
from dots_client.transport.resumption import Offer, Offers

log = logging.getLogger("dots_client.transport")

RemoteT_co = TypeVar("RemoteT_co", bound=Remote, covariant=True)


class Link(ABC, Generic[RemoteT_co]):
    """The client's side of a session with one server."""

    transport_name: ClassVar[str]
    is_reliable: ClassVar[bool]
    "whether the transport retransmits, so that we do not"

    def __init__(self, endpoint: Endpoint, engine: Engine, address: SocketAddress) -> None:
        loop = asyncio.get_running_loop()
        self.endpoint = endpoint
        endpoint.name(hostinfo(address))
        self.engine = engine
        self.address = address
        self.established: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()
        "why the session ended, as text"
        self.handshake_rtt_s: float | None = None
        self._remote: RemoteT_co | None = None
        self._loop = loop
        self._is_closing = False
        self._has_closed = asyncio.Event()

    @property
    def remote(self) -> RemoteT_co:
        assert self._remote is not None
        return self._remote

    @property
    @abstractmethod
    def has_heard_anything(self) -> bool: ...

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
        """Loop time of the last authenticated bytes."""
        assert self.remote.last_heard_at is not None
        return self.remote.last_heard_at

    @property
    def max_message_bytes(self) -> int:
        return self.remote.max_message_bytes

    @property
    def safe_message_bytes(self) -> int:
        """Bytes; messages up to this size pass on any path that carries the session."""
        return self.remote.max_message_bytes

    def lower_message_bytes(self) -> None:
        """Limit messages to `safe_message_bytes`, because the path drops larger ones."""
        self.remote.max_message_bytes = self.safe_message_bytes

    @abstractmethod
    async def open(self) -> None:
        """Connect the socket and finish the handshake; TransportError if that fails."""

    async def abandon(self) -> None:
        """Give up on a session that may not be open yet."""
        await self.close()

    async def close(self, reason: str = "closed by us") -> None:
        if self._is_closing:
            await self._has_closed.wait()
            return
        self._is_closing = True
        self.established.cancel()
        try:
            try:
                if self._remote is not None:
                    self._remote.close(reason)
            finally:
                if not self.closed.done():
                    self.closed.set_result(reason)
            await self.endpoint.shutdown()
        finally:
            self._has_closed.set()

    # The owner of the remote

    def session_established(self, remote: Remote) -> None:
        if not self.established.done():
            self.established.set_result(None)

    def session_closed(self, remote: Remote) -> None:
        if not self.established.done():
            self.established.set_exception(HandshakeFailed(remote.reason))
            return
        if not self.closed.done():
            self.closed.set_result(remote.reason)
        self.endpoint.dispatch_error(SessionClosed(remote.reason), remote)


def _keep(link: Link[Remote], offer: Offer, offers: Offers) -> None:
    """Save the session now and at its end: in TLS 1.3 a ticket may arrive at any time."""
    made_at = link.connected_at

    def keep(_closed: object = None) -> None:
        offers.keep(link.engine, offer, made_at=made_at)

    keep()
    link.closed.add_done_callback(keep)


OpenSession = Callable[[Attempt], Awaitable[Link[Remote]]]
"""Opens a session, or raises TransportError."""

LinkT = TypeVar("LinkT", bound=Link[Remote])


async def first_open(
    make: Callable[[SocketAddress, Offer], LinkT], attempt: Attempt, offers: Offers
) -> LinkT:
    """The first session with an address of the host, in the order that the resolver prefers."""
    host, port = attempt.host, attempt.port
    link: LinkT | None = None
    try:
        async with asyncio.timeout(attempt.timeout_s):
            failure = PeerUnreachable(f"{host} has no address")
            for address, offer in offers.attempts(await addresses_of(host, port)):
                link = make(address, offer)
                try:
                    if await _opens(link, offer, offers):
                        return link
                except PeerUnreachable as error:
                    failure = error
                    await link.close()
            raise failure
    except (TimeoutError, asyncio.CancelledError) as error:
        if link is not None:
            await link.abandon()
        if isinstance(error, TimeoutError):
            has_heard = link is not None and link.has_heard_anything
            raise out_of_time(
                hostinfo((host, port)), attempt.timeout_s, has_heard_anything=has_heard
            ) from None
        raise
    except BaseException:
        if link is not None:
            await link.close()
        raise


async def _opens(link: Link[Remote], offer: Offer, offers: Offers) -> bool:
    """Open `link`.

    False when the server refused only the session that was offered for resumption.
    """
    try:
        await link.open()
    except HandshakeFailed as error:
        if offer.session is None:
            raise
        # libcoap over OpenSSL answers with an alert where it could do a full handshake.
        log.info("%s does not resume: %s", hostinfo(link.address), error)
        offers.refused()
        await link.close()
        return False
    _keep(link, offer, offers)
    return True
