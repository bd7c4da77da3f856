"""What the DTLS engine and the TLS engine have in common: a session without any I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from dots_client.errors import HandshakeFailed
from dots_client.transport.certificate_verification import (
    Verification,
    is_ip_address,
    problem_of_resumed,
)
from dots_client.transport.handshake_failures import failure_in_words
from dots_client.transport.tls_contexts import ClientContext

MAX_CLEARTEXT_BYTES: Final = 16384
"""Of one record."""
_BIO_READ_BYTES: Final = 65536


class State(Enum):
    HANDSHAKING = "handshaking"
    ESTABLISHED = "established"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Protection:
    """How (D)TLS protects a session."""

    version: str
    "such as TLSv1.3"
    cipher: str
    chain: bytes
    "the peer's certificates in PEM, its own first; empty after a resumption"


class Engine:
    """The caller owns the socket, and sends the waiting bytes after every call."""

    def __init__(self, connection: SSL.Connection, verification: Verification) -> None:
        self.state = State.HANDSHAKING
        self.reason = ""
        "why the session is closed, as text"
        self.peer_certificate: x509.Certificate | None = None
        self.was_resumed = False
        "whether the handshake resumed an older session; known once established"
        self._connection = connection
        self._verification = verification
        connection.set_app_data(verification)

    @property
    def peer(self) -> str:
        """`server` or `client`: what the peer is to us."""
        return self._verification.peer

    @property
    def session(self) -> SSL.Session | None:
        """The session that a later handshake may offer.

        Known once established, and in TLS 1.3 soon after.
        """
        return self._connection.get_session()

    @property
    def protection(self) -> Protection:
        """What the handshake agreed on; known once established."""
        chain = self._connection.get_peer_cert_chain(as_cryptography=True) or ()
        return Protection(
            version=self._connection.get_protocol_version_name(),
            cipher=self._connection.get_cipher_name() or "",
            chain=b"".join(one.public_bytes(Encoding.PEM) for one in chain),
        )

    def start(self) -> None:
        self._continue_handshake()

    def close(self, reason: str = "closed by us") -> None:
        """End with a close_notify, if the handshake has got far enough."""
        if self.state is State.ESTABLISHED:
            self._shutdown()
        self._close(reason)

    def _established(self) -> None:
        """Called when the handshake is done and the peer is authenticated."""

    def _continue_handshake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            self._close(self._in_words(error))
            return
        self.state = State.ESTABLISHED
        self.peer_certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if not self._verification.has_seen_certificate:
            self.was_resumed = self.peer_certificate is not None
            problem = problem_of_resumed(self.peer_certificate, self._verification)
            if problem is not None:
                self.close(problem)
                return
        self._established()

    def _cleartexts(self, at_most: float = inf) -> list[bytes]:
        """`at_most`: how many can have arrived; asking for another one costs an exception."""
        cleartexts: list[bytes] = []
        while self.state is State.ESTABLISHED and len(cleartexts) < at_most:
            try:
                cleartexts.append(self._connection.recv(MAX_CLEARTEXT_BYTES))
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                self._shutdown()
                self._close(f"the {self.peer} closed the session")
            except SSL.Error as error:
                # In TLS 1.3 this may be the refusal of our certificate.
                self._close(self._in_words(error))
        return cleartexts

    def _waiting(self) -> bytes:
        waiting = b""
        while True:
            try:
                waiting += self._connection.bio_read(_BIO_READ_BYTES)
            except SSL.WantReadError:
                return waiting

    def _shutdown(self) -> None:
        try:
            self._connection.shutdown()
        except SSL.Error as error:
            self.reason = self._in_words(error)

    def _in_words(self, error: SSL.Error) -> str:
        is_in_session = self.state is State.ESTABLISHED
        return failure_in_words(error, self._verification, is_in_session=is_in_session)

    def _close(self, reason: str) -> None:
        if self.state is not State.CLOSED:
            self.state = State.CLOSED
            self.reason = reason


def client_connection(
    context: ClientContext, peer_name: str, session: SSL.Session | None
) -> SSL.Connection:
    """A client's connection that offers `session` for resumption, if the context allows it."""
    connection = context.connection()
    connection.set_connect_state()
    if session is not None:
        connection.set_session(session)
    if not is_ip_address(peer_name):
        connection.set_tlsext_host_name(_sni(peer_name))
    return connection


def _sni(name: str) -> bytes:
    try:
        return name.encode("idna")
    except UnicodeError as error:
        raise HandshakeFailed(f"{name!r} is not a valid name of a server") from error
