"""A TLS server over TCP: one listening socket, a connection per client."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final, Unpack, cast

import aiocoap
from aiocoap import interfaces
from OpenSSL import SSL

from dots_client.identity import Credentials
from dots_client.transport.coap import Site, StreamEndpoint
from dots_client.transport.coap_server import CoapServer, ServerOptions, bound_socket
from dots_client.transport.remote import Remote
from dots_client.transport.tls_connection import TlsConnection
from dots_client.transport.tls_contexts import tls_server_context
from dots_client.transport.tls_engine import TlsEngine

log = logging.getLogger("dots_client.transport")

BACKLOG: Final = 128
ACCEPT_AGAIN_S: Final = 0.1


class TlsServer(CoapServer[TlsConnection], interfaces.TokenInterface):  # type: ignore[misc]  # no types
    """Over TCP. A session is established when the client's CSM has arrived."""

    endpoint: StreamEndpoint

    def __init__(self, site: Site, **options: Unpack[ServerOptions[TlsConnection]]) -> None:
        super().__init__(StreamEndpoint(site), **options)
        self.endpoint.bind(self)
        self._closing: set[TlsConnection] = set()
        self._listener: socket.socket | None = None
        self._paused: asyncio.TimerHandle | None = None
        self._arriving: set[asyncio.Task[None]] = set()

    async def listen(self, sock: socket.socket) -> None:
        sock.listen(BACKLOG)
        self._local_address = sock.getsockname()[:2]
        self._listener = sock
        self._begin_accepting()

    async def abort(self) -> None:
        for session in (*self._live, *self._pending):
            session.forget("the server stopped")
        await self.close()

    async def _stop_listening(self) -> None:
        self._pause_accepting()
        if self._listener is not None:
            self._listener.close()
        if self._arriving:
            await asyncio.wait(self._arriving)

    # Connections. asyncio's own server leaks a socket that it accepts while it closes.

    def _begin_accepting(self) -> None:
        assert self._listener is not None
        self._loop.add_reader(self._listener, self._accept, self._listener)

    def _pause_accepting(self) -> None:
        if self._paused is not None:
            self._paused.cancel()
        if self._listener is not None:
            self._loop.remove_reader(self._listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # the client has left already
        except OSError as error:  # no descriptor is left
            log.warning("port %d: cannot accept connections for a moment: %s", self.port, error)
            self._pause_accepting()
            self._paused = self._loop.call_later(ACCEPT_AGAIN_S, self._begin_accepting)
            return
        sock.settimeout(0)
        arriving = self._loop.create_task(self._arrive(sock))
        self._arriving.add(arriving)
        arriving.add_done_callback(self._arriving.discard)

    async def _arrive(self, sock: socket.socket) -> None:
        await self._loop.connect_accepted_socket(self._connection, sock)

    def _connection(self) -> TlsConnection:
        self._make_room()
        connection = TlsConnection(
            TlsEngine.server(self._context),
            owner=self,
            endpoint=self.endpoint,
            requires_alpn=False,
            on_wire=self._on_wire,
        )
        self._begin(connection)
        return connection

    def session_failed(self, remote: TlsConnection, *, was_cut: bool) -> None:
        self.session_closed(remote)

    def session_closed(self, remote: Remote) -> None:
        self._closing.add(cast(TlsConnection, remote))
        super().session_closed(remote)

    def socket_gone(self, remote: TlsConnection) -> None:
        self._closing.discard(remote)

    def _make_context(
        self, credentials: Credentials, *, require_client_certificate: bool
    ) -> SSL.Context:
        return tls_server_context(
            credentials,
            require_client_certificate=require_client_certificate,
            hands_out_tickets=self._settings.hands_out_tickets,
        )

    # aiocoap's token interface

    def send_message(
        self, message: aiocoap.Message, messageerror_monitor: Callable[[], None]
    ) -> None:
        message.remote.send_message(message)

    async def fill_or_recognize_remote(self, message: aiocoap.Message) -> bool:
        return message.remote in self._live

    async def shutdown(self) -> None:
        for connection in tuple(self._closing):
            if connection.is_connected:
                await connection.lost()


async def serve_tls(
    site: Site, *, host: str, port: int, **options: Unpack[ServerOptions[TlsConnection]]
) -> TlsServer:
    """Listen; port 0 takes any free one, to be read from `.port`."""
    server = TlsServer(site, **options)
    with bound_socket(host, port, socket.SOCK_STREAM) as sock:
        await server.listen(sock)
    return server
