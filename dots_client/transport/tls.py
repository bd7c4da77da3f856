"""The client's side of a TLS session over TCP: one connection, one CoAP endpoint."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import ClassVar, Final

import aiocoap
from aiocoap import interfaces

from dots_client.errors import HandshakeFailed, PeerUnreachable
from dots_client.failures import FailureKind, FailureText
from dots_client.transport.attempt import Attempt
from dots_client.transport.coap import Site, StreamEndpoint
from dots_client.transport.link import Link, first_open
from dots_client.transport.network import unreachable
from dots_client.transport.remote import SocketAddress
from dots_client.transport.resumption import Offer
from dots_client.transport.send_guard import GuardedSocket, MaySend, SendGuard
from dots_client.transport.tls_connection import TlsConnection
from dots_client.transport.tls_contexts import tls_client_context
from dots_client.transport.tls_engine import TlsEngine
from dots_client.transport.wire import WireTap

CUT_EARLY: Final = "{reason} before the session began: the server may not accept our certificate"


class TlsLink(Link[TlsConnection], interfaces.TokenInterface):  # type: ignore[misc]  # no types
    """A session over TCP."""

    transport_name: ClassVar[str] = "tls"
    is_reliable: ClassVar[bool] = True
    endpoint: StreamEndpoint

    def __init__(
        self,
        site: Site | None,
        engine: TlsEngine,
        address: SocketAddress,
        *,
        requires_alpn: bool,
        on_wire: WireTap | None,
        may_send: MaySend,
    ) -> None:
        super().__init__(StreamEndpoint(site), engine, address)
        self.endpoint.bind(self)
        self._guard = SendGuard(may_send)
        self._remote = TlsConnection(
            engine,
            owner=self,
            endpoint=self.endpoint,
            address=address,
            requires_alpn=requires_alpn,
            on_wire=on_wire,
            guard=self._guard,
        )

    @property
    def has_heard_anything(self) -> bool:
        return self.remote.has_heard_anything

    async def open(self) -> None:
        """Connect, finish the handshake and receive the server's CSM.

        TransportError if that fails.
        """
        started_at = self._loop.time()
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        try:
            sock = GuardedSocket(family, socket.SOCK_STREAM, self._guard)
        except OSError as error:  # no file descriptors left, or the family is not supported
            raise PeerUnreachable(unreachable(self.address, error)) from error
        try:
            sock.settimeout(0)
            await self._loop.sock_connect(sock, self.address)
            await self._loop.create_connection(lambda: self.remote, sock=sock)
        except OSError as error:
            sock.close()
            raise PeerUnreachable(unreachable(self.address, error)) from error
        except BaseException:
            sock.close()
            raise
        self.handshake_rtt_s = self._loop.time() - started_at
        await self.established

    # The owner of the connection

    def session_failed(self, remote: TlsConnection, *, was_cut: bool) -> None:
        if self.established.done() or self._is_closing:
            return
        reason = remote.reason
        if was_cut:
            # A refusal is an alert, but a reset after it can arrive first.
            reason = FailureText(CUT_EARLY.format(reason=reason), FailureKind.CUT_EARLY)
        self.established.set_exception(HandshakeFailed(reason))

    def socket_gone(self, remote: TlsConnection) -> None:
        """`shutdown` waits for the socket itself."""

    # aiocoap's token interface

    def send_message(
        self, message: aiocoap.Message, messageerror_monitor: Callable[[], None]
    ) -> None:
        message.remote.send_message(message)

    async def fill_or_recognize_remote(self, message: aiocoap.Message) -> bool:
        return message.remote is self._remote

    async def shutdown(self) -> None:
        if self.remote.is_connected:
            await self.remote.lost()


async def open_tls(attempt: Attempt) -> TlsLink:
    """Open a session over TCP. TransportError if there is none."""

    def make(address: SocketAddress, offer: Offer) -> TlsLink:
        engine = TlsEngine.client(offer.context, peer_name=attempt.name, session=offer.session)
        return TlsLink(
            attempt.site,
            engine,
            address,
            requires_alpn=attempt.requires_alpn,
            on_wire=attempt.on_wire,
            may_send=attempt.may_send,
        )

    context = tls_client_context(attempt.credentials, resumes=attempt.resumption is not None)
    return await first_open(make, attempt, attempt.offers(TlsLink.transport_name, context))
