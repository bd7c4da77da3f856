"""What the DTLS server and the TLS server have in common."""

from __future__ import annotations

import asyncio
import logging
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Generic, Required, TypedDict, TypeVar, cast

import aiocoap
from OpenSSL import SSL

from dots_client.errors import SessionClosed
from dots_client.identity import Credentials
from dots_client.transport.association import DEFAULT_PATH_MTU
from dots_client.transport.coap import Endpoint
from dots_client.transport.remote import Remote, SocketAddress
from dots_client.transport.wire import WireTap

log = logging.getLogger("dots_client.transport")

MAX_LIVE_ASSOCIATIONS: Final = 1024
MAX_PENDING_ASSOCIATIONS: Final = 128
HANDSHAKE_TIMEOUT_S: Final = 60.0

SessionT = TypeVar("SessionT", bound=Remote)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The bounds of a server."""

    path_mtu: int = DEFAULT_PATH_MTU
    "bytes of an IP packet"
    handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S
    "lost flights are repeated after 1, 2, 4… seconds"
    max_pending: int = MAX_PENDING_ASSOCIATIONS
    "handshakes in progress; beyond this the oldest is dropped"
    max_live: int = MAX_LIVE_ASSOCIATIONS
    "sessions; beyond this the one that was silent longest is closed"
    hands_out_tickets: bool = False
    "whether clients may resume sessions; the client stores the encrypted state (RFC 5077)"


class ServerOptions(TypedDict, Generic[SessionT], total=False):
    """The options of `serve_dtls` and `serve_tls`."""

    credentials: Required[Credentials]
    require_client_certificate: bool
    settings: ServerSettings | None
    on_session: Callable[[SessionT], None] | None
    on_session_end: Callable[[SessionT], None] | None
    on_wire: WireTap | None


class CoapServer(ABC, Generic[SessionT]):
    """Serves one aiocoap site to peers with a trusted certificate."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        credentials: Credentials,
        require_client_certificate: bool = True,
        settings: ServerSettings | None = None,
        on_session: Callable[[SessionT], None] | None = None,
        on_session_end: Callable[[SessionT], None] | None = None,
        on_wire: WireTap | None = None,
    ) -> None:
        self.endpoint = endpoint
        endpoint.name("server")
        self.on_session = on_session
        self.on_session_end = on_session_end
        self._settings = settings or ServerSettings()
        self._context = self._make_context(
            credentials, require_client_certificate=require_client_certificate
        )
        self._on_wire = on_wire
        self._loop = asyncio.get_running_loop()
        self._live: dict[SessionT, None] = {}
        self._pending: dict[SessionT, asyncio.TimerHandle] = {}
        self._local_address: SocketAddress = ("", 0)
        self._is_closing = False

    @property
    def port(self) -> int:
        return self._local_address[1]

    @property
    def host(self) -> str:
        return self._local_address[0]

    @property
    def sessions(self) -> tuple[SessionT, ...]:
        """The established ones."""
        return tuple(self._live)

    @property
    def pending_count(self) -> int:
        """How many handshakes are under way."""
        return len(self._pending)

    @property
    def context(self) -> aiocoap.Context:
        return self.endpoint.context

    @abstractmethod
    async def listen(self, sock: socket.socket) -> None: ...

    @abstractmethod
    async def abort(self) -> None:
        """Stop without telling any client, as in a power cut."""

    async def close(self) -> None:
        """Tell every client, then close the socket."""
        if self._is_closing:
            return
        self._is_closing = True
        await self._stop_listening()
        for session in (*self._live, *self._pending):
            session.close("the server stopped")
        await self.endpoint.shutdown()

    async def _stop_listening(self) -> None:
        """Accept no further sessions."""

    # Sessions

    @abstractmethod
    def _make_context(
        self, credentials: Credentials, *, require_client_certificate: bool
    ) -> SSL.Context: ...

    def _make_room(self) -> None:
        """Drop the oldest handshakes, so that one more may begin."""
        while self.pending_count >= self._settings.max_pending:
            next(iter(self._pending)).forget("too many handshakes at once")

    def _begin(self, session: SessionT) -> None:
        self._pending[session] = self._loop.call_later(
            self._settings.handshake_timeout_s, session.close, "the handshake took too long"
        )

    def session_established(self, remote: Remote) -> None:
        session = cast(SessionT, remote)
        self._pending.pop(session).cancel()
        self._live[session] = None
        while len(self._live) > self._settings.max_live:
            self._longest_silent().close("too many sessions")
        if self.on_session is not None:
            self.on_session(session)

    def session_closed(self, remote: Remote) -> None:
        session = cast(SessionT, remote)
        if (deadline := self._pending.pop(session, None)) is not None:
            deadline.cancel()
            self.endpoint.log.info("%s: no session: %s", session.hostinfo, session.reason)
            return
        self._live.pop(session)
        self.endpoint.dispatch_error(SessionClosed(session.reason), session)
        if self.on_session_end is not None:
            self.on_session_end(session)

    def _longest_silent(self) -> SessionT:
        return min(self._live, key=lambda session: session.last_heard_at or 0.0)


@contextmanager
def bound_socket(host: str, port: int, kind: socket.SocketKind) -> Iterator[socket.socket]:
    """A socket that is closed if the block raises an error."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        sock.settimeout(0)
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        yield sock
    except BaseException:
        sock.close()
        raise
