"""A DTLS association, its engine and its timer, as aiocoap's remote."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import ClassVar, Final

import aiocoap

from dots_client.transport.coap import CoapEndpoint
from dots_client.transport.dtls_engine import DtlsEngine
from dots_client.transport.engine import State
from dots_client.transport.message_parser import MalformedMessage, read_datagram
from dots_client.transport.remote import Remote, RemoteOwner, SocketAddress
from dots_client.transport.send_guard import SendGuard
from dots_client.transport.wire import WireTap

log = logging.getLogger("dots_client.transport")

DEFAULT_PATH_MTU: Final = 1280
"""Bytes of an IP packet that are assumed without path MTU discovery (RFC 9132 section 7.3)."""
IPV4_UDP_OVERHEAD: Final = 28
IPV6_UDP_OVERHEAD: Final = 48
MAX_INCOMING_BYTES: Final = 1472
"""The UDP payload of an Ethernet frame. A peer that discovered its path MTU may send more than the
IP packet of 1280 bytes that we assume (RFC 9132 section 7.3)."""


class Association(Remote):
    """One DTLS association: its engine, its timer, its peer."""

    scheme: ClassVar[str] = "coaps"
    transport: ClassVar[str] = "dtls"
    endpoint: CoapEndpoint

    def __init__(
        self,
        engine: DtlsEngine,
        *,
        owner: RemoteOwner,
        endpoint: CoapEndpoint,
        transmit: Callable[[bytes], None],
        address: SocketAddress,
        local_address: SocketAddress,
        on_wire: WireTap | None = None,
        guard: SendGuard | None = None,
    ) -> None:
        super().__init__(
            owner=owner,
            endpoint=endpoint,
            address=address,
            local_address=local_address,
            on_wire=on_wire,
            guard=guard,
        )
        self.has_timed_out = False
        "whether the current flight of the handshake was retransmitted"
        self._engine: DtlsEngine | None = engine
        self._transmit = transmit
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_established(self) -> bool:
        return self._engine is not None and self._engine.state is State.ESTABLISHED

    # Datagrams and messages

    def start(self) -> None:
        assert self._engine is not None
        self._engine.start()
        self._after_engine()

    def receive_datagram(self, datagram: bytes) -> None:
        engine = self._engine
        if engine is None:
            return
        cleartexts = engine.receive(datagram)
        # Also when established: a peer that lost our last flight retransmits its own, and OpenSSL
        # answers inside recv.
        if self._timer is not None or self.established_at is None or not engine.had_only_data:
            self._after_engine()
        for cleartext in cleartexts:
            self.last_heard_at = self._loop.time()
            self._receive_message(cleartext)
        self._report_end(engine)

    def send_message(self, message: aiocoap.Message) -> None:
        """Never raises: timers call this on sessions that may have ended."""
        engine = self._engine
        if engine is None or engine.state is not State.ESTABLISHED:
            log.debug("%r is not established: %r dropped", self, message)
            return
        cleartext = message.encode()
        if len(cleartext) > self.max_message_bytes:
            self.endpoint.log.warning(
                "%r: dropped a message of %d bytes, %d fit one datagram",
                self,
                len(cleartext),
                self.max_message_bytes,
            )
            return
        self._tap(message, "sent", cleartext)
        engine.send(cleartext)
        self._flush(engine)

    def close(self, reason: str = "closed by us") -> None:
        engine = self._engine
        if engine is None:
            return
        if not self._guard.is_open:
            engine.drop_unsent()
        engine.close(reason)
        with self._guard.leaving():
            self._after_engine()
        self._report_end(engine)

    def forget(self, reason: str) -> None:
        """End without telling the peer, which already has another session."""
        if self._engine is not None:
            self._transmit = _nowhere
            self.close(reason)

    # Inside

    def _after_engine(self) -> None:
        engine = self._engine
        if engine is None:
            return
        self._flush(engine)
        self._arm_timer(engine.next_timeout_s())
        if engine.state is State.ESTABLISHED and self.established_at is None:
            self.established_at = self._loop.time()
            self.last_heard_at = self.established_at
            self.max_message_bytes = engine.max_cleartext_bytes
            self.peer_certificate = engine.peer_certificate
            self.was_resumed = engine.was_resumed
            self._owner.session_established(self)

    def _flush(self, engine: DtlsEngine) -> None:
        for datagram in engine.datagrams_to_send():
            self._transmit(datagram)

    def _arm_timer(self, delay_s: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if delay_s is not None:
            self._timer = self._loop.call_later(delay_s, self._handle_timeout)

    def _handle_timeout(self) -> None:
        self._timer = None
        engine = self._engine
        if engine is None:
            return
        self.has_timed_out = True
        engine.handle_timeout()
        self._after_engine()
        self._report_end(engine)

    def _report_end(self, engine: DtlsEngine) -> None:
        if engine.state is not State.CLOSED or self._engine is None:
            return
        self.reason = engine.reason
        self._arm_timer(None)
        # aiocoap's deduplication keeps a remote for minutes, and most of its size is the engine.
        self._engine = None
        self._owner.session_closed(self)

    def _receive_message(self, cleartext: bytes) -> None:
        longest = max(self.max_message_bytes, MAX_INCOMING_BYTES)
        try:
            incoming = read_datagram(cleartext, max_bytes=longest)
        except MalformedMessage as error:
            self.endpoint.log.info("%r: a message was dropped: %s", self, error)
            return
        incoming.message.remote = self
        self._tap(incoming.message, "received", cleartext, incoming.not_read)
        if incoming.not_understood:
            self.endpoint.messages.refuse(incoming)
        else:
            self.endpoint.messages.dispatch_message(incoming.message)


def _nowhere(datagram: bytes) -> None:
    """Drops the datagrams of a forgotten association."""


def datagram_mtu(path_mtu: int, host: str) -> int:
    """The UDP payload in bytes that fits a path MTU."""
    return path_mtu - (IPV6_UDP_OVERHEAD if ":" in host else IPV4_UDP_OVERHEAD)
