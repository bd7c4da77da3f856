"""One DTLS 1.2 association without any I/O: datagrams on one side, cleartext on the other.

The caller owns the socket and the clock: after every call it sends `datagrams_to_send()` and arms
a timer for `next_timeout_s()`.
"""

from __future__ import annotations

from math import inf
from typing import Final

from OpenSSL import SSL

from dots_client.transport.certificate_verification import Verification
from dots_client.transport.engine import Engine, State, client_connection
from dots_client.transport.tls_contexts import ClientContext

RECORD_HEADER_BYTES: Final = 13
LOWERED_MTU: Final = 548
"""UDP payload of the largest datagram that every IPv4 host must accept (576 bytes)."""
TIMEOUTS_BEFORE_LOWERED_MTU: Final = 2
MAX_COOKIE_BYTES: Final = 255
"""The longest cookie of RFC 6347: the second hello is so much longer."""
MAX_COOKIES: Final = 8
"""HelloVerifyRequests that one handshake answers. On a bad network each repeated hello may get one.
Without the limit, a server that sends more and more of them would make us send as fast as it
does."""
CHANGE_CIPHER_SPEC: Final = 20
APPLICATION_DATA: Final = 23
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_HELLO_VERIFY_REQUEST: Final = 3


class DtlsEngine(Engine):
    def __init__(self, connection: SSL.Connection, verification: Verification, *, mtu: int) -> None:
        super().__init__(connection, verification)
        self.max_cleartext_bytes = 0
        "bytes that one datagram carries; known once established"
        self.safe_cleartext_bytes = 0
        "bytes in the smallest datagram that every host accepts; known once established"
        self.had_only_data = False
        "whether the last datagram had only messages, so that OpenSSL has nothing to say about it"
        self._mtu = mtu
        self._sending_mtu = mtu
        self._timeouts = 0
        self._cookies = 0
        "HelloVerifyRequests so far"
        self._last_words = b""
        "our last flight of a resumed handshake, until the server sends in the session"
        self._unsent = b""
        self._hello_bytes = 0
        "of the current flight; 0 if it is not a hello"
        connection.set_ciphertext_mtu(mtu)

    @classmethod
    def client(
        cls,
        context: ClientContext,
        *,
        peer_name: str,
        mtu: int,
        session: SSL.Session | None = None,
    ) -> DtlsEngine:
        """Without `session` if a hello with its ticket would need a second datagram."""

        def begin(session: SSL.Session | None) -> DtlsEngine:
            connection = client_connection(context, peer_name, session)
            verification = Verification(peer="server", expected_name=peer_name)
            return cls(connection, verification, mtu=mtu)

        if session is not None:
            trial = begin(session)
            trial.start()
            if sum(map(len, trial.datagrams_to_send())) + MAX_COOKIE_BYTES > mtu:
                session = None
        return begin(session)

    def receive(self, datagram: bytes) -> list[bytes]:
        """Feed exactly one datagram. Returns its cleartexts."""
        if self.state is State.CLOSED or not datagram:
            return []
        if self.state is State.HANDSHAKING:
            self._cookies += hello_verify_requests(datagram)
            if self._cookies > MAX_COOKIES and hello_verify_requests(datagram):
                # Drop it instead of ending: anyone can forge one.
                return []
        self._connection.bio_write(datagram)
        types = content_types(datagram)
        at_most: float = max(1, len(types))
        if self.state is State.HANDSHAKING:
            self._continue_handshake()
            # OpenSSL keeps messages that overtake the last flight.
            at_most = inf
        cleartexts = self._cleartexts(at_most)
        if cleartexts:
            self._last_words = b""
        self.had_only_data = types == [APPLICATION_DATA] * len(cleartexts)
        return cleartexts

    def send(self, cleartext: bytes) -> None:
        """Encrypt into one record, whatever its size: DTLS never fragments application data."""
        assert self.state is State.ESTABLISHED
        self._connection.send(cleartext)

    def datagrams_to_send(self) -> list[bytes]:
        waiting = self._unsent + self._waiting()
        if self._unsent:
            self._unsent = b""
        elif 0 < len(waiting) <= self._sending_mtu - len(self._last_words):
            # The server does not acknowledge them, and without them it can read nothing in the
            # session.
            # It drops the ones it has seen as replays.
            waiting = self._last_words + waiting
        datagrams = pack_records(waiting, self._sending_mtu)
        if datagrams:
            first = datagrams[0]
            self._hello_bytes = len(first) if first[RECORD_HEADER_BYTES] == _CLIENT_HELLO else 0
        return datagrams

    def drop_unsent(self) -> None:
        """Drop the datagrams that wait to be sent."""
        self._waiting()
        self._unsent = self._last_words = b""

    def next_timeout_s(self) -> float | None:
        if self.state is State.CLOSED:
            return None
        return self._connection.DTLSv1_get_timeout()

    def handle_timeout(self) -> None:
        if self.state is State.CLOSED:
            return
        self._timeouts += 1
        if (
            self._timeouts >= TIMEOUTS_BEFORE_LOWERED_MTU
            and self._sending_mtu > LOWERED_MTU
            and self._hello_bytes <= LOWERED_MTU
        ):
            # A flight that is lost twice may be too large for the path. OpenSSL fragments what it
            # retransmits again. Servers that keep no state for strangers drop a fragmented hello.
            self._sending_mtu = LOWERED_MTU
            self._connection.set_ciphertext_mtu(LOWERED_MTU)
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._close(self._in_words(error))

    def _established(self) -> None:
        if self.was_resumed and self.peer == "server":
            self._unsent = self._last_words = self._waiting()
        overhead = self._sending_mtu - self._connection.get_cleartext_mtu()
        # From the configured MTU: losses in the handshake must not prevent larger requests later.
        self.max_cleartext_bytes = self._mtu - overhead
        self.safe_cleartext_bytes = min(LOWERED_MTU, self._mtu) - overhead


def content_types(datagram: bytes) -> list[int]:
    """The content types of the records in a datagram."""
    types: list[int] = []
    at = 0
    while at + RECORD_HEADER_BYTES <= len(datagram):
        types.append(datagram[at])
        at += RECORD_HEADER_BYTES + int.from_bytes(datagram[at + 11 : at + 13], "big")
    return types


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


def hello_verify_requests(datagram: bytes) -> int:
    """The number of HelloVerifyRequests in a datagram (RFC 6347 section 4.2.1)."""
    found, at = 0, 0
    while at + RECORD_HEADER_BYTES < len(datagram):
        content = at + RECORD_HEADER_BYTES
        is_clear = datagram[at + 3 : at + 5] == bytes(2)
        if datagram[at] == _HANDSHAKE and is_clear and datagram[content] == _HELLO_VERIFY_REQUEST:
            found += 1
        at = content + int.from_bytes(datagram[content - 2 : content], "big")
    return found
