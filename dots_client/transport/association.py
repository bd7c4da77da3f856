"""A DTLS association as aiocoap's idea of a remote, equal to itself only.

So tokens, Message IDs and observations end with it (RFC 7252 section 9.1.2).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from hashlib import sha256
from typing import ClassVar, Final, Protocol

import aiocoap
from aiocoap import interfaces
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dots_client.transport.coap import CoapEndpoint
from dots_client.transport.engine import DtlsEngine, State
from dots_client.transport.policy import common_name
from dots_client.transport.wire import Direction, WireTap, record

log = logging.getLogger("dots_client.transport")

OPTION_BYTES: Final = 71
"""Room for header, token and options beside a payload in one datagram."""
IPV4_UDP_OVERHEAD: Final = 28
IPV6_UDP_OVERHEAD: Final = 48

SocketAddress = tuple[str, int]
_serials = itertools.count(1)


class AssociationOwner(Protocol):
    """The socket an association lives on."""

    def association_established(self, association: Association) -> None: ...

    def association_closed(self, association: Association) -> None: ...


class Association(interfaces.EndpointAddress):  # type: ignore[misc]  # aiocoap has no types
    """One DTLS association: its engine, its timer, its peer."""

    scheme: ClassVar[str] = "coaps"
    transport: ClassVar[str] = "dtls"
    is_multicast: ClassVar[bool] = False
    is_multicast_locally: ClassVar[bool] = False
    maximum_block_size_exp: ClassVar[int] = 6

    def __init__(
        self,
        engine: DtlsEngine,
        *,
        owner: AssociationOwner,
        endpoint: CoapEndpoint,
        transmit: Callable[[bytes], None],
        address: SocketAddress,
        local_address: SocketAddress,
        on_wire: WireTap | None = None,
    ) -> None:
        self.address = address
        self.serial = next(_serials)
        self.established_at: float | None = None
        "loop time"
        self.last_heard_at: float | None = None
        "loop time of the last datagram that authenticated"
        self.reason = ""
        "why it is closed"
        self.max_message_bytes = 0
        self.peer_certificate: x509.Certificate | None = None
        self.has_timed_out = False
        "a flight of the handshake had to be repeated"
        self._engine: DtlsEngine | None = engine
        self._owner = owner
        self._endpoint = endpoint
        self._transmit = transmit
        self._local_address = local_address
        self._on_wire = on_wire
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<association {self.serial} with {self.hostinfo}>"

    # Who the peer is

    @property
    def is_established(self) -> bool:
        return self._engine is not None and self._engine.state is State.ESTABLISHED

    @property
    def peer_common_name(self) -> str:
        return common_name(self.peer_certificate) if self.peer_certificate else ""

    @property
    def peer_spki_sha256(self) -> str:
        """Hexadecimal; empty for a peer without a certificate."""
        if self.peer_certificate is None:
            return ""
        key = self.peer_certificate.public_key()
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return sha256(spki).hexdigest()

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
        # Also when established: a peer that lost our last flight repeats its own, and OpenSSL
        # answers out of recv.
        self._after_engine()
        for cleartext in cleartexts:
            self.last_heard_at = self._loop.time()
            self._receive_message(cleartext)
        self._report_end(engine)

    def send_message(self, message: aiocoap.Message) -> None:
        """Never raises: retransmission timers call this on sessions that may be gone."""
        engine = self._engine
        if engine is None or engine.state is not State.ESTABLISHED:
            log.debug("%r is not established: %r dropped", self, message)
            return
        cleartext = message.encode()
        if len(cleartext) > self.max_message_bytes:
            log.warning(
                "%r: a message of %d bytes dropped, %d fit one datagram",
                self,
                len(cleartext),
                self.max_message_bytes,
            )
            return
        self._tap(message, "sent", len(cleartext))
        engine.send(cleartext)
        self._flush(engine)

    def close(self, reason: str = "closed by us") -> None:
        engine = self._engine
        if engine is None:
            return
        engine.close(reason)
        self._after_engine()
        self._report_end(engine)

    def forget(self, reason: str) -> None:
        """End without a word: the peer itself has moved on."""
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
            self._owner.association_established(self)

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
        # aiocoap's deduplication keeps a remote for minutes; the engine is the large part of it.
        self._engine = None
        self._owner.association_closed(self)

    def _receive_message(self, cleartext: bytes) -> None:
        try:
            message = aiocoap.Message.decode(cleartext, self)
        except (aiocoap.error.UnparsableMessage, UnicodeDecodeError) as error:
            log.info("%r: %d bytes are no CoAP message (%s)", self, len(cleartext), error)
            return
        self._tap(message, "received", len(cleartext))
        self._endpoint.messages.dispatch_message(message)

    def _tap(self, message: aiocoap.Message, direction: Direction, size: int) -> None:
        if self._on_wire is None:
            return
        request = (
            self._endpoint.tokens.request_of(message)
            if direction == "received"
            else message.request
        )
        self._on_wire(
            record(message, direction=direction, at=time.time(), size=size, request=request)
        )

    # What aiocoap asks of a remote

    @property
    def hostinfo(self) -> str:
        return hostinfo(self.address)

    @property
    def hostinfo_local(self) -> str:
        return hostinfo(self._local_address)

    @property
    def uri_base(self) -> str:
        return f"{self.scheme}://{self.hostinfo}"

    @property
    def uri_base_local(self) -> str:
        return f"{self.scheme}://{self.hostinfo_local}"

    @property
    def maximum_payload_size(self) -> int:
        return max(self.max_message_bytes - OPTION_BYTES, 16)

    @property
    def blockwise_key(self) -> int:
        return self.serial

    @property
    def authenticated_claims(self) -> tuple[str, ...]:
        if self.peer_certificate is None:
            return ()
        return (self.peer_certificate.subject.rfc4514_string(),)


def _nowhere(datagram: bytes) -> None:
    """Where the datagrams of a forgotten association go."""


def hostinfo(address: SocketAddress) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def datagram_mtu(path_mtu: int, host: str) -> int:
    """The UDP payload that fits a path MTU."""
    return path_mtu - (IPV6_UDP_OVERHEAD if ":" in host else IPV4_UDP_OVERHEAD)
