"""The client's side of a TLS session over TCP: one connection, one CoAP endpoint."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

import aiocoap
from aiocoap import interfaces

from dots_client.errors import HandshakeFailed, PeerUnreachable, SessionClosed, TransportError
from dots_client.identity import Credentials
from dots_client.transport.coap import Site, StreamEndpoint
from dots_client.transport.network import addresses_of, out_of_time, unreachable
from dots_client.transport.policy import tls_client_context
from dots_client.transport.remote import Remote, SocketAddress, hostinfo
from dots_client.transport.tls_connection import TlsConnection
from dots_client.transport.tls_engine import TlsEngine
from dots_client.transport.wire import WireTap

BROKEN_OFF: Final = "{reason} before the session began: the server may not accept our certificate"


class TlsLink(interfaces.TokenInterface):  # type: ignore[misc]  # no types
    """A session of one client with one server."""

    transport_name: Final = "tls"
    is_reliable: Final = True

    def __init__(self, site: Site | None) -> None:
        loop = asyncio.get_running_loop()
        self.endpoint = StreamEndpoint(site)
        self.endpoint.bind(self)
        self.established: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()
        "why the session is over, in words"
        self.handshake_rtt_s: float | None = None
        self._loop = loop
        self._is_closing = False
        self._has_closed = asyncio.Event()
        self._connection: TlsConnection | None = None

    @property
    def remote(self) -> TlsConnection:
        assert self._connection is not None
        return self._connection

    @property
    def has_heard_anything(self) -> bool:
        return self._connection is not None and self._connection.has_heard_anything

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
        """Loop time of the last message."""
        assert self.remote.last_heard_at is not None
        return self.remote.last_heard_at

    @property
    def max_message_bytes(self) -> int:
        return self.remote.max_message_bytes

    async def open(
        self,
        address: SocketAddress,
        *,
        engine: TlsEngine,
        requires_alpn: bool,
        on_wire: WireTap | None,
    ) -> None:
        """Connect, finish the handshake and hear the server's CSM, or raise why not."""
        self._connection = connection = TlsConnection(
            engine,
            owner=self,
            endpoint=self.endpoint,
            address=address,
            requires_alpn=requires_alpn,
            on_wire=on_wire,
        )
        started_at = self._loop.time()
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            await self._loop.create_connection(lambda: connection, *address, family=family)
        except OSError as error:
            raise PeerUnreachable(unreachable(address, error)) from error
        self.handshake_rtt_s = self._loop.time() - started_at
        await self.established

    async def close(self, reason: str = "closed by us") -> None:
        if self._is_closing:
            await self._has_closed.wait()
            return
        self._is_closing = True
        try:
            if self._connection is not None:
                self._connection.close(reason)
            if not self.closed.done():
                self.closed.set_result(reason)
            await self.endpoint.shutdown()
        finally:
            self._has_closed.set()

    # The owner of the connection

    def session_established(self, remote: Remote) -> None:
        if not self.established.done():
            self.established.set_result(None)

    def session_failed(self, remote: TlsConnection, error: Exception | None) -> None:
        if self.established.done() or self._is_closing:
            return
        reason = remote.reason
        if error is not None or reason.endswith("broke off the connection"):
            # A refusal is an alert, but the reset that may follow can overtake it.
            reason = BROKEN_OFF.format(reason=reason)
        self.established.set_exception(HandshakeFailed(reason))

    def socket_gone(self, remote: TlsConnection) -> None:
        """`shutdown` waits for it by itself."""

    def session_closed(self, remote: Remote) -> None:
        if not self.closed.done():
            self.closed.set_result(remote.reason)
        self.endpoint.tokens.dispatch_error(SessionClosed(remote.reason), remote)

    # aiocoap's token interface

    def send_message(
        self, message: aiocoap.Message, messageerror_monitor: Callable[[], None]
    ) -> None:
        message.remote.send_message(message)

    async def fill_or_recognize_remote(self, message: aiocoap.Message) -> bool:
        return message.remote is self._connection

    async def shutdown(self) -> None:
        if self._connection is not None and self._connection.is_connected:
            await self._connection.lost()


async def open_tls(
    *,
    name: str,
    host: str,
    port: int,
    credentials: Credentials,
    site: Site | None,
    path_mtu: int = 0,
    timeout_s: float,
    requires_alpn: bool = True,
    on_wire: WireTap | None = None,
) -> TlsLink:
    """A session with the server called `name`, reached at `host`."""
    context = tls_client_context(credentials)
    link: TlsLink | None = None
    try:
        async with asyncio.timeout(timeout_s):
            failure = PeerUnreachable(f"{host} has no address")
            for address in await addresses_of(host, port):
                link = TlsLink(site)
                engine = TlsEngine.client(context, peer_name=name)
                try:
                    await link.open(
                        address, engine=engine, requires_alpn=requires_alpn, on_wire=on_wire
                    )
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
            raise _out_of_time(host, port, link, timeout_s) from None
        raise


def _out_of_time(host: str, port: int, link: TlsLink | None, timeout_s: float) -> TransportError:
    return out_of_time(
        hostinfo((host, port)),
        timeout_s,
        has_heard_anything=link is not None and link.has_heard_anything,
    )
