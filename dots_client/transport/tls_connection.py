"""One TCP connection with TLS and CoAP (RFC 8323), as aiocoap's remote."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar, Final, Protocol, cast

import aiocoap
from aiocoap.transports.rfc8323common import CloseConnection, RFC8323Remote

from dots_client.errors import client_failed
from dots_client.failures import FailureKind, FailureText
from dots_client.text import clean_text
from dots_client.transport.coap import StreamEndpoint, bad_option
from dots_client.transport.engine import State
from dots_client.transport.frames import (
    BASE_MAX_MESSAGE_BYTES,
    MAX_MESSAGE_BYTES,
    Frames,
    framed,
)
from dots_client.transport.message_parser import IncomingMessage, MalformedMessage
from dots_client.transport.remote import Remote, RemoteOwner, SocketAddress
from dots_client.transport.send_guard import REFUSED, SendGuard
from dots_client.transport.tls_contexts import ALPN
from dots_client.transport.tls_engine import TlsEngine
from dots_client.transport.wire import WireTap

MIN_MESSAGE_BYTES: Final = 64
"""Bytes; a heartbeat and the shortest withdrawal need this many."""
MAX_UNSENT_BYTES: Final = 1 << 20
"""The connection to a peer for which more than this is waiting is aborted."""
CLOSE_PATIENCE_S: Final = 1.0
"""Seconds; a closing connection to a peer that reads nothing for this long is aborted."""
NO_ALPN: Final = "the server did not choose CoAP (ALPN); if it never does, turn off the ALPN check"


class ConnectionOwner(RemoteOwner, Protocol):
    """The server or client that connections belong to."""

    def session_failed(self, remote: TlsConnection, *, was_cut: bool) -> None:
        """The session ended before it was established.

        `was_cut`: the connection ended without an alert that says why.
        """

    def socket_gone(self, remote: TlsConnection) -> None:
        """The socket was closed."""


class TlsConnection(Remote, RFC8323Remote, asyncio.Protocol):  # type: ignore[misc]  # no types
    """Established when the peer's CSM arrives: TLS 1.3 shows a refused certificate only then."""

    scheme: ClassVar[str] = "coaps+tcp"
    transport: ClassVar[str] = "tls"
    endpoint: StreamEndpoint
    log: ClassVar[logging.Logger] = logging.getLogger("dots_client.transport")
    _my_max_message_size: ClassVar[int] = MAX_MESSAGE_BYTES
    _owner: ConnectionOwner

    def __init__(
        self,
        engine: TlsEngine,
        *,
        owner: ConnectionOwner,
        endpoint: StreamEndpoint,
        address: SocketAddress = ("", 0),
        requires_alpn: bool,
        on_wire: WireTap | None,
        guard: SendGuard | None = None,
    ) -> None:
        super().__init__(
            owner=owner,
            endpoint=endpoint,
            address=address,
            local_address=("", 0),
            on_wire=on_wire,
            guard=guard,
        )
        self.has_heard_anything = False
        self._remote_settings: dict[str, Any] | None = None
        self._engine: TlsEngine | None = engine
        self._requires_alpn = requires_alpn
        self._frames = Frames()
        self._is_greeted = False
        self._transport: asyncio.Transport | None = None
        self._lost = asyncio.Event()

    @property
    def is_established(self) -> bool:
        return self._engine is not None and self.established_at is not None

    @property
    def is_connected(self) -> bool:
        """Whether there is a socket."""
        return self._transport is not None and not self._lost.is_set()

    async def lost(self) -> None:
        """Wait until the socket is closed. A peer that does not read cannot delay that for long."""
        try:
            async with asyncio.timeout(CLOSE_PATIENCE_S):
                await self._lost.wait()
        except TimeoutError:
            assert self._transport is not None
            self._transport.abort()
            await self._lost.wait()

    # asyncio's stream protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # A peer that has reset the connection has no address any more.
        self.address = (transport.get_extra_info("peername") or self.address)[:2]
        self._local_address = transport.get_extra_info("sockname")[:2]
        if self._engine is None:
            self._transport.abort()
            return
        self._engine.start()
        self._flush(self._engine)

    def data_received(self, data: bytes) -> None:
        engine = self._engine
        if engine is None:
            return
        self.has_heard_anything = True
        cleartext = engine.receive(data)
        self._greet(engine)
        self._flush(engine)
        if cleartext:
            self._receive_cleartext(cleartext)
        self._report_end(engine)

    def eof_received(self) -> None:
        self._end("the {peer} closed the connection unexpectedly", was_cut=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()
        if isinstance(exc, ConnectionResetError):
            self._end("the {peer} reset the connection", was_cut=True)
        elif exc is None:
            self._end("the connection broke")
        else:
            # asyncio also reports an exception in `data_received` here. It has logged it already.
            why = exc if isinstance(exc, OSError) else client_failed(exc)
            self._end(f"the connection broke: {why}", was_cut=True)
        self._owner.socket_gone(self)

    # Messages

    def send_message(self, message: aiocoap.Message) -> None:
        if not self.is_established:
            self.log.debug("%r is not established: %r dropped", self, message)
            return
        frame = self._send_message(message)
        if frame:
            self._tap(message, "sent", frame)

    def close(self, reason: str = "closed by us") -> None:
        engine = self._engine
        if engine is None:
            return
        engine.close(reason)
        with self._guard.leaving():
            self._flush(engine)
        self._report_end(engine)

    def forget(self, reason: str) -> None:
        if self._transport is not None:
            self._transport.abort()
        self.close(reason)

    # Inside

    def _greet(self, engine: TlsEngine) -> None:
        """Send our CSM at once, without waiting for the peer's (RFC 8323 section 5.3)."""
        if self._is_greeted or engine.state is not State.ESTABLISHED:
            return
        self._is_greeted = True
        self.peer_certificate = engine.peer_certificate
        self.was_resumed = engine.was_resumed
        if self._requires_alpn and engine.protocol_selected != ALPN:
            engine.close(FailureText(NO_ALPN, FailureKind.NOT_DOTS))
            return
        self._send_initial_csm()

    def _receive_cleartext(self, cleartext: bytes) -> None:
        self.last_heard_at = self._loop.time()
        try:
            for incoming in self._frames.receive(cleartext):
                self._receive_message(incoming)
                if self._engine is None:
                    break
        except MalformedMessage as error:
            self.abort(str(error))

    def _receive_message(self, incoming: IncomingMessage) -> None:
        engine = self._engine
        if engine is None:
            return
        message = incoming.message
        message.remote = self
        if message.code.is_signalling():
            self._receive_signal(incoming, engine)
        elif not self.is_established:
            self.abort(f"the {engine.peer} did not begin with a CSM")
        else:
            self._tap(message, "received", incoming.encoded, incoming.not_read)
            if incoming.not_understood:
                self._refuse(incoming)
            elif message.code.is_response():
                self.endpoint.tokens.process_response(message)
            elif message.code.is_request():
                self.endpoint.tokens.process_request(message)

    def _refuse(self, incoming: IncomingMessage) -> None:
        """Reject a message with an unknown critical option (RFC 7252 section 5.4.1)."""
        if incoming.message.code.is_request():
            self._send_message(bad_option(incoming))

    def _receive_signal(self, incoming: IncomingMessage, engine: TlsEngine) -> None:
        message = incoming.message
        if message.code is not aiocoap.Code.CSM and self._remote_settings is None:
            self.abort(f"the {engine.peer} did not begin with a CSM")
            return
        if incoming.not_understood:
            self._abort_for(incoming)
            return
        try:
            self._process_signaling(message)
        except CloseConnection:
            said = clean_text(message.payload)
            self.close(": ".join(filter(None, (f"the {engine.peer} ended the session", said))))
            return
        if self._engine is None or self._remote_settings is None:
            return
        self.max_message_bytes = self._remote_settings.get(
            "max-message-size", BASE_MAX_MESSAGE_BYTES
        )
        if self.max_message_bytes < MIN_MESSAGE_BYTES:
            self.abort(f"messages of {self.max_message_bytes} bytes are too small for DOTS")
            return
        if self.established_at is None:
            self.established_at = self._loop.time()
            self._owner.session_established(self)

    def _abort_for(self, signal: IncomingMessage) -> None:
        """Abort. After a CSM, name the option in the Abort (RFC 8323 section 5.6)."""
        number = signal.not_understood[0]
        is_csm = signal.message.code is aiocoap.Code.CSM
        self.abort(f"option {number} is not supported", bad_csm_option=number if is_csm else None)

    def _send_message(self, message: aiocoap.Message) -> bytes:
        """Send a message.

        Returns its bytes, empty if it was not sent. aiocoap sends the signals of RFC 8323 through
        it.
        """
        engine = self._engine
        if engine is None or engine.state is not State.ESTABLISHED:
            return b""
        if not self._guard.is_open:
            # Check before encrypting: after a record that is never sent, the peer could not read
            # the close_notify.
            self.close(REFUSED)
            return b""
        frame = framed(message)
        if message.code.is_signalling() or len(frame) <= self.max_message_bytes:
            engine.send(frame)
            self._flush(engine)
            return frame
        self.log.warning(
            "%r: dropped a message of %d bytes, the peer accepts %d",
            self,
            len(frame),
            self.max_message_bytes,
        )
        return b""

    def _abort_with(self, message: aiocoap.Message) -> None:
        self._send_message(message)
        self.close(message.payload.decode())

    def _flush(self, engine: TlsEngine) -> None:
        waiting = engine.bytes_to_send()
        if self._transport is None or not waiting or self._transport.is_closing():
            return
        self._transport.write(waiting)
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._transport.abort()

    def _end(self, reason: str, *, was_cut: bool = False) -> None:
        engine = self._engine
        if engine is not None:
            engine.close(reason.format(peer=engine.peer))
            self._report_end(engine, was_cut=was_cut)

    def _report_end(self, engine: TlsEngine, *, was_cut: bool = False) -> None:
        if engine.state is not State.CLOSED or self._engine is None:
            return
        self.reason = engine.reason
        self._engine = None
        if self._transport is not None:
            self._transport.close()
        if self.established_at is None:
            self._owner.session_failed(self, was_cut=was_cut)
        else:
            self._owner.session_closed(self)
