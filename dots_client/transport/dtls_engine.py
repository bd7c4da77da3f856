"""One DTLS 1.2 association without any I/O: datagrams on one side, cleartext on the other.

The caller owns the socket and the clock: after every call it sends `datagrams_to_send()` and arms
a timer for `next_timeout_s()`.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from cryptography import x509
from OpenSSL import SSL

from dots_client.errors import HandshakeFailed
from dots_client.transport.policy import (
    Verification,
    failure_in_words,
    is_ip_address,
    problem_of_resumed,
)

RECORD_HEADER_BYTES: Final = 13
MAX_CLEARTEXT_BYTES: Final = 16384
LOWERED_MTU: Final = 548
"""UDP payload of the smallest datagram every IPv4 host must take (576 bytes)."""
TIMEOUTS_BEFORE_LOWERED_MTU: Final = 2
_BIO_READ_BYTES: Final = 65536


class State(Enum):
    HANDSHAKING = "handshaking"
    ESTABLISHED = "established"
    CLOSED = "closed"


class DtlsEngine:
    def __init__(self, connection: SSL.Connection, verification: Verification, *, mtu: int) -> None:
        self.state = State.HANDSHAKING
        self.reason = ""
        "why the association is closed, in words"
        self.peer_certificate: x509.Certificate | None = None
        self.was_resumed = False
        "the handshake took up an older session; known once established"
        self.max_cleartext_bytes = 0
        "what one datagram carries; known once established"
        self._connection = connection
        self._verification = verification
        self._mtu = mtu
        self._sending_mtu = mtu
        self._timeouts = 0
        connection.set_app_data(verification)
        connection.set_ciphertext_mtu(mtu)

    @classmethod
    def client(
        cls,
        context: SSL.Context,
        *,
        peer_name: str,
        mtu: int,
        session: SSL.Session | None = None,
    ) -> DtlsEngine:
        """With a `session` that the server may resume, where the context allows it."""
        connection = SSL.Connection(context)
        connection.set_connect_state()
        if session is not None:
            connection.set_session(session)
        if not is_ip_address(peer_name):
            connection.set_tlsext_host_name(sni(peer_name))
        return cls(connection, Verification(peer="server", expected_name=peer_name), mtu=mtu)

    @property
    def session(self) -> SSL.Session | None:
        """What a later handshake may offer; known once established."""
        return self._connection.get_session()

    def start(self) -> None:
        self._continue_handshake()

    def receive(self, datagram: bytes) -> list[bytes]:
        """Feed exactly one datagram; what it held in cleartext comes back."""
        if self.state is State.CLOSED or not datagram:
            return []
        self._connection.bio_write(datagram)
        if self.state is State.HANDSHAKING:
            self._continue_handshake()
        return self._cleartexts()

    def send(self, cleartext: bytes) -> None:
        """Encrypt into one record, whatever its size: DTLS never fragments application data."""
        assert self.state is State.ESTABLISHED
        self._connection.send(cleartext)

    def datagrams_to_send(self) -> list[bytes]:
        flight = b""
        while True:
            try:
                flight += self._connection.bio_read(_BIO_READ_BYTES)
            except SSL.WantReadError:
                return pack_records(flight, self._sending_mtu)

    def next_timeout_s(self) -> float | None:
        if self.state is State.CLOSED:
            return None
        return self._connection.DTLSv1_get_timeout()

    def handle_timeout(self) -> None:
        if self.state is State.CLOSED:
            return
        self._timeouts += 1
        if self._timeouts == TIMEOUTS_BEFORE_LOWERED_MTU and self._mtu > LOWERED_MTU:
            # A flight that is lost twice may be too large for the path; OpenSSL fragments what it
            # repeats anew.
            self._sending_mtu = LOWERED_MTU
            self._connection.set_ciphertext_mtu(LOWERED_MTU)
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._close(failure_in_words(error, self._verification))

    def close(self, reason: str = "closed by us") -> None:
        """Say goodbye with a close_notify, where there is somebody to say it to."""
        if self.state is State.ESTABLISHED:
            self._shutdown()
        self._close(reason)

    def _continue_handshake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            self._close(failure_in_words(error, self._verification))
            return
        self.state = State.ESTABLISHED
        self.peer_certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if not self._verification.has_seen_certificate:
            self.was_resumed = self.peer_certificate is not None
            problem = problem_of_resumed(self.peer_certificate, self._verification)
            if problem is not None:
                self.close(problem)
                return
        overhead = self._sending_mtu - self._connection.get_cleartext_mtu()
        # From the configured MTU: losses in the handshake must not forbid larger requests later.
        self.max_cleartext_bytes = self._mtu - overhead

    def _cleartexts(self) -> list[bytes]:
        cleartexts: list[bytes] = []
        while self.state is State.ESTABLISHED:
            try:
                cleartexts.append(self._connection.recv(MAX_CLEARTEXT_BYTES))
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                self._shutdown()
                self._close(f"the {self._verification.peer} closed the session")
            except SSL.Error as error:
                self._close(failure_in_words(error, self._verification))
        return cleartexts

    def _shutdown(self) -> None:
        try:
            self._connection.shutdown()
        except SSL.Error as error:
            self.reason = failure_in_words(error, self._verification)

    def _close(self, reason: str) -> None:
        if self.state is not State.CLOSED:
            self.state = State.CLOSED
            self.reason = reason


def sni(name: str) -> bytes:
    try:
        return name.encode("idna")
    except UnicodeError as error:
        raise HandshakeFailed(f"{name!r} is not a name a server can have") from error


def pack_records(flight: bytes, mtu: int) -> list[bytes]:
    """Cut a flight at its record headers and pack whole records into datagrams up to `mtu`."""
    datagrams: list[bytes] = []
    start = end = 0
    while end < len(flight):
        length = int.from_bytes(flight[end + 11 : end + RECORD_HEADER_BYTES], "big")
        following = end + RECORD_HEADER_BYTES + length
        if following - start > mtu and end > start:
            datagrams.append(flight[start:end])
            start = end
        end = following
    if end > start:
        datagrams.append(flight[start:end])
    return datagrams
