"""The peer of one session, as aiocoap's remote. It equals no other.

Tokens, Message IDs and observations therefore end with it (RFC 7252 section 9.1.2).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from abc import abstractmethod
from typing import ClassVar, Final, Protocol, TypeAlias

import aiocoap
from aiocoap import interfaces
from cryptography import x509

from dots_client.transport.certificate_verification import common_name
from dots_client.transport.coap import Endpoint
from dots_client.transport.send_guard import SendGuard
from dots_client.transport.wire import Direction, WireTap, record

log = logging.getLogger("dots_client.transport")

OPTION_BYTES: Final = 71
"""Room in one message for header, token and options."""

SocketAddress: TypeAlias = tuple[str, int]
_serials = itertools.count(1)


class RemoteOwner(Protocol):
    """The server or link that a session belongs to."""

    def session_established(self, remote: Remote) -> None: ...

    def session_closed(self, remote: Remote) -> None: ...


class Remote(interfaces.EndpointAddress):  # type: ignore[misc]  # aiocoap has no types
    """One session with one peer, over DTLS or TLS."""

    scheme: ClassVar[str]
    transport: ClassVar[str]
    is_multicast: ClassVar[bool] = False
    is_multicast_locally: ClassVar[bool] = False
    maximum_block_size_exp: ClassVar[int] = 6

    def __init__(
        self,
        *,
        owner: RemoteOwner,
        endpoint: Endpoint,
        address: SocketAddress,
        local_address: SocketAddress,
        on_wire: WireTap | None,
        guard: SendGuard | None,
    ) -> None:
        self.address = address
        self.endpoint = endpoint
        self.serial = next(_serials)
        self.established_at: float | None = None
        "loop time"
        self.last_heard_at: float | None = None
        "loop time of the last authenticated bytes"
        self.reason = ""
        "why it was closed"
        self.max_message_bytes = 0
        self.was_resumed = False
        "whether the handshake resumed an older session; known once established"
        self.peer_certificate: x509.Certificate | None = None
        self._owner = owner
        self._local_address = local_address
        self._on_wire = on_wire
        self._guard = guard or SendGuard()
        self._has_tap_failed = False
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        return f"<{self.transport} session {self.serial} with {self.hostinfo}>"

    @property
    @abstractmethod
    def is_established(self) -> bool: ...

    @abstractmethod
    def send_message(self, message: aiocoap.Message) -> None:
        """Never raises: timers call this on sessions that may have ended."""

    @abstractmethod
    def close(self, reason: str = "closed by us") -> None: ...

    @abstractmethod
    def forget(self, reason: str) -> None:
        """End without telling the peer."""

    async def request(self, message: aiocoap.Message) -> aiocoap.Message:
        """Send a request. A Non-confirmable one may wait for ever: use `asyncio.timeout`."""
        message.remote = self
        return await self.context.request(message, handle_blockwise=False).response

    @property
    def context(self) -> aiocoap.Context:
        return self.endpoint.context

    # The peer

    @property
    def peer_common_name(self) -> str:
        return common_name(self.peer_certificate) if self.peer_certificate else ""

    def _tap(
        self,
        message: aiocoap.Message,
        direction: Direction,
        encoded: bytes,
        not_read: tuple[str, ...] = (),
    ) -> None:
        """Call the journal; a defect in it loses the record, never the message."""
        if self._on_wire is None:
            return
        request = (
            self.endpoint.tokens.request_of(message) if direction == "received" else message.request
        )
        try:
            self._on_wire(
                record(
                    message,
                    direction=direction,
                    at=time.time(),
                    session=self.serial,
                    transport=self.transport,
                    encoded=encoded,
                    request=request,
                    options_not_read=not_read,
                )
            )
        except Exception:
            # The tap is the caller's code and may raise anything. Log it once: every message of the
            # peer may cause it.
            if not self._has_tap_failed:
                self._has_tap_failed = True
                log.exception("%r: the wire tap failed", self)

    # aiocoap's interface

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


def hostinfo(address: SocketAddress) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
