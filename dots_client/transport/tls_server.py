"""The server's side of TLS over TCP: one listening socket, a connection per client."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import cast

import aiocoap
from aiocoap import interfaces

from dots_client.errors import SessionClosed
from dots_client.identity import Credentials
from dots_client.transport.coap import Site, StreamEndpoint
from dots_client.transport.policy import tls_server_context
from dots_client.transport.remote import Remote, hostinfo
from dots_client.transport.server import ServerSettings
from dots_client.transport.tls_connection import TlsConnection
from dots_client.transport.tls_engine import TlsEngine
from dots_client.transport.wire import WireTap

log = logging.getLogger("dots_client.transport")

SessionCallback = Callable[[TlsConnection], None]


class TlsServer(interfaces.TokenInterface):  # type: ignore[misc]  # no types
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
        self.endpoint = StreamEndpoint(site)
        self.endpoint.bind(self)
        self.on_session = on_session
        self.on_session_end = on_session_end
        self._context = tls_server_context(
            credentials, require_client_certificate=require_client_certificate
        )
        self._settings = settings or ServerSettings()
        self._on_wire = on_wire
        self._loop = asyncio.get_running_loop()
        self._live: dict[TlsConnection, None] = {}
        self._pending: dict[TlsConnection, asyncio.TimerHandle] = {}
        self._closing: set[TlsConnection] = set()
        self._listener: asyncio.Server | None = None
        self._address = ("", 0)
        self._is_closing = False

    @property
    def port(self) -> int:
        return self._address[1]

    @property
    def host(self) -> str:
        return self._address[0]

    @property
    def sessions(self) -> tuple[TlsConnection, ...]:
        """Those whose handshake is finished and whose CSM is here."""
        return tuple(self._live)

    @property
    def pending_count(self) -> int:
        return len(self._pending)

    @property
    def context(self) -> aiocoap.Context:
        return self.endpoint.context

    async def listen(self, sock: socket.socket) -> None:
        self._address = sock.getsockname()[:2]
        self._listener = await self._loop.create_server(self._accept, sock=sock)

    async def close(self) -> None:
        """Say goodbye to every client, then let go of the socket."""
        if self._is_closing:
            return
        self._is_closing = True
        for session in (*self._live, *self._pending):
            session.close("the server stopped")
        await self.endpoint.shutdown()

    async def abort(self) -> None:
        """Vanish as after a power cut: no client is told in words."""
        for session in (*self._live, *self._pending):
            session.forget("the server stopped")
        await self.close()

    # Connections

    def _accept(self) -> TlsConnection:
        while len(self._pending) >= self._settings.max_pending:
            next(iter(self._pending)).forget("too many handshakes at once")
        connection = TlsConnection(
            TlsEngine.server(self._context),
            owner=self,
            endpoint=self.endpoint,
            requires_alpn=False,
            on_wire=self._on_wire,
        )
        self._pending[connection] = self._loop.call_later(
            self._settings.handshake_timeout_s, connection.close, "the handshake took too long"
        )
        return connection

    def session_established(self, remote: Remote) -> None:
        session = cast(TlsConnection, remote)
        self._pending.pop(session).cancel()
        self._live[session] = None
        while len(self._live) > self._settings.max_live:
            self._longest_silent().close("too many sessions")
        if self.on_session is not None:
            self.on_session(session)

    def session_failed(self, remote: TlsConnection, error: Exception | None) -> None:
        self._pending.pop(remote).cancel()
        self._closing.add(remote)
        log.info("%s: no session: %s", hostinfo(remote.address), remote.reason)

    def session_closed(self, remote: Remote) -> None:
        session = cast(TlsConnection, remote)
        self._live.pop(session)
        self._closing.add(session)
        self.endpoint.tokens.dispatch_error(SessionClosed(session.reason), session)
        if self.on_session_end is not None:
            self.on_session_end(session)

    def socket_gone(self, remote: TlsConnection) -> None:
        self._closing.discard(remote)

    def _longest_silent(self) -> TlsConnection:
        return min(self._live, key=lambda session: session.last_heard_at or 0.0)

    # aiocoap's token interface

    def send_message(
        self, message: aiocoap.Message, messageerror_monitor: Callable[[], None]
    ) -> None:
        message.remote.send_message(message)

    async def fill_or_recognize_remote(self, message: aiocoap.Message) -> bool:
        return message.remote in self._live

    async def shutdown(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for connection in tuple(self._closing):
            if connection.is_connected:
                await connection.lost()


async def serve_tls(
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
) -> TlsServer:
    """Listen; port 0 takes any free one, to be read from `.port`."""
    server = TlsServer(
        site,
        credentials=credentials,
        require_client_certificate=require_client_certificate,
        settings=settings,
        on_session=on_session,
        on_session_end=on_session_end,
        on_wire=on_wire,
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        await server.listen(sock)
    except BaseException:
        sock.close()
        raise
    return server
